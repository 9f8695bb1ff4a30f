import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type HttpOptions, httpTransport } from "../../../src/transport/browser/http.js";
import { lockedPlaces } from "../../../src/transport/browser/http-places.js";
import { BatchStreamReader, batchStream } from "../../../src/transport/http/batch-stream.js";
import { batchEvent, PRELUDE } from "../../../src/transport/http/event-stream.js";
import type { Transport } from "../../../src/transport/transport.js";
import { reactions } from "../../support/event-loop.js";
import { FakePlatform, type FakeRequest } from "../../support/fake-fetch.js";
import { FakeLocks } from "../../support/fake-locks.js";
import { TransportStory } from "../../support/transport-story.js";

let platform: FakePlatform;
let transport: Transport;
let story: TransportStory;

function start(options: HttpOptions = {}, url = "wss://example.com/live"): void {
  platform = new FakePlatform();
  transport = httpTransport(platform, url, options);
  story = new TransportStory(transport);
  transport.start(story);
}

beforeEach(() => start());

afterEach(async () => {
  transport.terminate();
  await reactions();
  expect(story.breaches).toEqual([]);
  expect(platform.host.timers).toEqual([]);
  expect(platform.requests.items.every((request) => request.isAborted || isOver.has(request))).toBe(true);
});

const isOver = new WeakSet<FakeRequest>();

function answer(
  request: FakeRequest,
  received: number,
  sent = 0,
  more: Record<string, string | number> = {},
  body?: Uint8Array<ArrayBuffer>,
): void {
  isOver.add(request);
  request.answer(200, { "sluice-received": received, "sluice-sent": sent, ...more }, body ?? null);
}

/** Opens the event stream that `get` asks for, with what it says first. */
function sayTo(get: FakeRequest, text: string): void {
  isOver.add(get);
  const headers = { "sluice-received": 1, "sluice-sent": 0, "content-type": "text/event-stream" };
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new TextEncoder().encode(PRELUDE + text)),
  });
  get.answer(200, headers, body);
}

const firstsIn = ({ body }: FakeRequest) =>
  new BatchStreamReader(20_000).push(body as Uint8Array).map(([first]) => first);
const bytes = (...values: number[]) => Uint8Array.from(values);

/** Goes on until the first POST was answered, and the GET is there. */
async function open(options: HttpOptions = {}): Promise<FakeRequest> {
  start(options);
  transport.send(bytes(1));
  answer(await platform.requests.next(), 1);
  return platform.requests.next();
}

describe("an HTTP transport: up", () => {
  it("HTTP-04: is open at once, before any request, but not from inside `start`", async () => {
    start();
    expect(story.told).toEqual([]);
    await reactions();
    expect(story.told).toEqual([{ type: "open", subprotocol: "sluice.v1" }]);
    expect(platform.requests.items).toEqual([]);
  });

  it.each([
    ["wss://example.com/a?b", "https://example.com/a?b"],
    ["ws://example.com/", "http://example.com/"],
    ["https://example.com/", "https://example.com/"],
  ])("HTTP-01: %s goes to %s", async (url, target) => {
    start({}, url);
    transport.send(bytes(1));
    expect((await platform.requests.next()).url).toBe(target);
  });

  it("what is handed over in one go shares a POST; what comes meanwhile waits for its answer", async () => {
    for (const value of [1, 2, 3]) transport.send(bytes(value));
    const first = await platform.requests.next();
    expect([firstsIn(first), first.headers["sluice-position"], first.headers["sluice-close"]]).toEqual([
      [1, 2, 3],
      "1",
      undefined,
    ]);
    for (const value of [4, 5]) transport.send(bytes(value));
    await reactions();
    // Only of what leaves with no POST yet is it said that it waits.
    expect([platform.requests.items.length, transport.bufferedBytes]).toEqual([1, 2]);
    answer(first, 3);
    const second = (await platform.requests.take(2)).find(({ init }) => init.method === "POST") as FakeRequest;
    expect([firstsIn(second), second.headers["sluice-position"]]).toEqual([[4, 5], "4"]);
    expect([transport.bufferedBytes, story.of("writable").length]).toEqual([0, 1]);
  });

  it("what waits goes up before the first GET, on the connection that is there", async () => {
    transport.send(bytes(1));
    const first = await platform.requests.next();
    transport.send(bytes(2));
    answer(first, 1);
    const [second, third] = await platform.requests.take(2);
    expect([second, third].map((request) => request?.init.method)).toEqual(["POST", "GET"]);
    expect(second?.headers["accept"]).toBe("application/octet-stream");
  });

  it("HTTP-03: is busy from when a POST leaves until it is over, and says when more may go along", async () => {
    expect([transport.requests, transport.isBusy]).toEqual(["own", false]);
    transport.send(bytes(1));
    expect(transport.isBusy).toBe(false);
    const first = await platform.requests.next();
    expect(transport.isBusy).toBe(true);
    const busy: boolean[] = [];
    story.onWritable = () => {
      busy.push(transport.isBusy);
      if (busy.length === 1) transport.send(bytes(2));
    };
    answer(first, 1);
    const second = (await platform.requests.take(2)).find(({ init }) => init.method === "POST") as FakeRequest;
    expect([busy, firstsIn(second)]).toEqual([[false], [2]]);
    second.fail();
    isOver.add(second);
    await reactions();
    // It is sent again first.
    expect([busy.length, transport.isBusy]).toEqual([1, true]);
  });

  it("HTTP-03: is busy when the next POST is full", () => {
    for (let i = 0; i < 4; i++) transport.send(new Uint8Array(16_384));
    expect(transport.isBusy).toBe(true);
  });

  it("HTTP-12: makes bodies as large as it is told, up to 256 KiB", async () => {
    transport.handleRequestBytes?.(20_000);
    for (let i = 0; i < 2; i++) {
      expect(transport.isBusy).toBe(false);
      transport.send(new Uint8Array(10_000));
    }
    expect([transport.isBusy, transport.bufferedBytes]).toEqual([true, 0]);
    transport.handleRequestBytes?.(1_000_000);
    for (let i = 0; i < 40; i++) transport.send(new Uint8Array(10_000));
    expect([transport.isBusy, transport.bufferedBytes]).toEqual([true, 420_000 - 256 * 1024]);
    const { body } = await platform.requests.next();
    expect(body?.length).toBeLessThanOrEqual(256 * 1024);
    expect(body?.length).toBeGreaterThan(250_000);
  });

  it("HTTP-12: keeps bodies within 64 KiB before anybody has said more, and batches within 16", async () => {
    expect(transport.batchBytesMax).toBe(16 * 1024);
    for (let i = 0; i < 10; i++) transport.send(new Uint8Array(16_000));
    const { body } = await platform.requests.next();
    expect(body?.length).toBeLessThanOrEqual(64 * 1024);
    expect(body?.length).toBeGreaterThan(60_000);
  });

  it("HTTP-11: sends again what the answer does not cover", async () => {
    for (const value of [1, 2, 3]) transport.send(bytes(value));
    answer(await platform.requests.next(), 1);
    const again = (await platform.requests.take(2)).find(({ init }) => init.method === "POST") as FakeRequest;
    expect([firstsIn(again), again.headers["sluice-position"]]).toEqual([[2, 3], "2"]);
  });

  it("the next POST waits until what the server has sent by then has come down, but not for long", async () => {
    const get = await open();
    for (const [position, how] of [
      [2, "comes"],
      [3, "does not come"],
    ] as const) {
      transport.send(bytes(position));
      const post = await platform.requests.next();
      answer(post, position, position - 1);
      await reactions();
      expect(transport.isBusy).toBe(true);
      if (how === "comes") sayTo(get, batchEvent(1, "AA"));
      else platform.host.advance(20);
      await reactions();
      expect([how, transport.isBusy]).toEqual([how, false]);
    }
  });

  it.each([
    ["more than was ever sent", 2],
    ["less than before", 0],
  ])("HTTP-10: ends on an answer that covers %s", async (_, received) => {
    await open();
    transport.send(bytes(2));
    const post = await platform.requests.next();
    answer(post, received === 2 ? 9 : 0);
    expect(await story.death()).toMatchObject({ wasClean: false, code: 1006 });
  });

  it("HTTP-13: asks for batches until something else brings them", async () => {
    transport.send(bytes(1));
    const first = await platform.requests.next();
    expect(first.headers["accept"]).toBe("application/octet-stream");
    answer(first, 1, 2, { "sluice-position": 1 }, batchStream([bytes(10), bytes(11)]));
    const get = await platform.requests.next();
    expect(story.batches.map(([value]) => value)).toEqual([10, 11]);
    // Only now, so that it does not bring them again.
    expect(get.headers["sluice-received"]).toBe("2");
    transport.send(bytes(2));
    const second = await platform.requests.next();
    expect(second.headers["accept"]).toBe("application/octet-stream");
    answer(second, 2, 2);
    answer(get, 2, 2, { "content-type": "text/event-stream" }, new Uint8Array(Buffer.from(":\n\n".repeat(10))));
    await reactions();
    await reactions();
  });

  it("HTTP-14: says what has come when much has", async () => {
    const get = await open({ downlink: "long-poll" });
    const batches = Array.from({ length: 17 }, () => new Uint8Array(16_000).fill(7));
    answer(get, 1, 17, { "sluice-position": 1 }, batchStream(batches));
    await story.batchesWhen(17);
    const post = (await platform.requests.take(2)).find(({ init }) => init.method === "POST") as FakeRequest;
    expect([post.body?.length, post.headers["sluice-position"], Number(post.headers["sluice-received"])]).toEqual([
      0,
      "2",
      17,
    ]);
    answer(post, 1, 17);
    await reactions();
    expect(story.deaths).toEqual([]);
  });

  it("HTTP-14: says that more may leave when a POST has failed that only said what has come", async () => {
    const get = await open({ downlink: "long-poll" });
    const batches = Array.from({ length: 17 }, () => new Uint8Array(16_000).fill(7));
    answer(get, 1, 17, { "sluice-position": 1 }, batchStream(batches));
    await story.batchesWhen(17);
    const post = (await platform.requests.take(2)).find(({ init }) => init.method === "POST") as FakeRequest;
    const before = story.of("writable").length;
    post.fail();
    isOver.add(post);
    await reactions();
    // Who has something to send holds it back now.
    expect([transport.isBusy, story.of("writable").length]).toEqual([true, before]);
    platform.host.advance(100);
    await reactions();
    expect([transport.isBusy, story.of("writable").length]).toEqual([false, before + 1]);
  });
});

describe("HTTP-03: an HTTP transport: while much goes up", () => {
  const posts = () => platform.requests.items.filter(({ init }) => init.method === "POST");
  const much = (first: number) => new Uint8Array(5000).fill(first);

  /** POSTs take 40 ms, and one that carries much has left, where requests share a connection, or do not. */
  async function upload(isShared = true): Promise<FakeRequest> {
    start();
    platform.isShared = isShared;
    transport.send(bytes(1));
    const first = await platform.requests.next();
    platform.host.advance(40);
    answer(first, 1);
    await platform.requests.next();
    transport.send(much(2));
    return platform.requests.next();
  }

  it("a second POST leaves behind half of the time that one takes, and no third", async () => {
    await upload();
    const busy: boolean[] = [];
    story.onWritable = () => busy.push(transport.isBusy);
    transport.send(much(3));
    platform.host.advance(19);
    await reactions();
    expect([posts().length, transport.isBusy, busy]).toEqual([2, true, []]);
    platform.host.advance(1);
    await reactions();
    expect([posts().length, transport.isBusy, busy]).toEqual([3, true, [false]]);
    expect(posts().map(({ headers }) => headers["sluice-position"])).toEqual(["1", "2", "3"]);
    transport.send(much(4));
    platform.host.advance(1000);
    await reactions();
    expect(posts()).toHaveLength(3);
  });

  it("no second POST leaves over HTTP/1.1, however long one takes, and each takes all that waits", async () => {
    let last = await upload(false);
    const busy: boolean[] = [];
    story.onWritable = () => busy.push(transport.isBusy);
    for (const value of [3, 5, 7]) {
      transport.send(much(value));
      transport.send(bytes(value + 1));
      platform.host.advance(1000);
      await reactions();
      expect([posts().at(-1) === last, transport.isBusy, busy]).toEqual([true, true, []]);
      answer(last, value - 1);
      await reactions();
      expect([firstsIn(posts().at(-1) as FakeRequest), busy.splice(0)]).toEqual([[value, value + 1], [false]]);
      last = posts().at(-1) as FakeRequest;
    }
  });

  it("asks what the requests go over only when a second one might leave, for each that carries much", async () => {
    const second = await upload(false);
    expect(platform.asked).toEqual(["https://example.com/live"]);
    transport.send(much(3));
    answer(second, 2);
    await reactions();
    expect(platform.asked).toHaveLength(2);
    // A proxy that has spoken HTTP/1.1 is gone.
    platform.isShared = true;
    answer(posts()[2] as FakeRequest, 3);
    transport.send(much(4));
    await reactions();
    transport.send(much(5));
    platform.host.advance(40);
    await reactions();
    expect([posts().length, platform.asked.length]).toEqual([5, 4]);
  });

  it("answers may overtake each other, and each makes room for another POST", async () => {
    const second = await upload();
    transport.send(much(3));
    platform.host.advance(20);
    await reactions();
    const third = posts()[2] as FakeRequest;
    transport.send(much(4));
    answer(third, 3);
    await reactions();
    // The one that has left last says when the next one may.
    platform.host.advance(20);
    await reactions();
    expect(posts().map(({ headers }) => headers["sluice-position"])).toEqual(["1", "2", "3", "4"]);
    answer(second, 2);
    await reactions();
    expect([story.deaths, posts().length]).toEqual([[], 4]);
    answer(posts()[3] as FakeRequest, 4);
    await reactions();
    expect([story.deaths, transport.bufferedBytes, transport.isBusy]).toEqual([[], 0, false]);
  });

  it("beside one that carries little, another one leaves at once; a while later none does", async () => {
    const second = await upload();
    platform.host.advance(40);
    answer(second, 2);
    await reactions();
    transport.send(bytes(3));
    await reactions();
    expect([posts().length, transport.isBusy]).toEqual([3, false]);
    answer(posts()[2] as FakeRequest, 3);
    platform.host.advance(400);
    transport.send(bytes(4));
    await reactions();
    expect([posts().length, transport.isBusy]).toEqual([4, true]);
  });

  it("what was under way is sent again from the oldest on, in one POST, when one of two has failed", async () => {
    await upload();
    transport.send(much(3));
    platform.host.advance(20);
    await reactions();
    const third = posts()[2] as FakeRequest;
    isOver.add(third);
    third.answer(409);
    await reactions();
    expect((posts()[1] as FakeRequest).isAborted).toBe(true);
    platform.host.advance(100);
    await reactions();
    const again = posts()[3] as FakeRequest;
    expect([again.headers["sluice-position"], firstsIn(again)]).toEqual(["2", [2, 3]]);
  });

  it("goes one by one for good where that has happened three times", async () => {
    await upload();
    let value = 3;
    for (let failures = 0; failures < 3; failures++) {
      transport.send(much(value++));
      platform.host.advance(40);
      await reactions();
      const last = posts().at(-1) as FakeRequest;
      isOver.add(last);
      last.fail();
      await reactions();
      platform.host.advance(2000);
      await reactions();
    }
    const before = posts().length;
    transport.send(much(value));
    platform.host.advance(1000);
    await reactions();
    expect([posts().length, before]).toEqual([1 + 2 * 3 + 1, 1 + 2 * 3 + 1]);
  });

  it("the last POST carries all that is left, and no other one is under way", async () => {
    const second = await upload();
    transport.send(much(3));
    platform.host.advance(20);
    await reactions();
    transport.close(1000, "");
    await reactions();
    expect([second.isAborted, posts()[2]?.isAborted]).toEqual([true, true]);
    const last = posts()[3] as FakeRequest;
    expect([last.headers["sluice-position"], last.headers["sluice-close"], firstsIn(last)]).toEqual([
      "2",
      "1000",
      [2, 3],
    ]);
    answer(last, 3);
    await reactions();
  });
});

describe("HTTP-27: an HTTP transport: where connections are scarce", () => {
  const ORIGIN = "https://example.com";
  const polls = () => platform.requests.items.filter(({ headers }) => headers["sluice-hold"] !== undefined);

  /** Goes on until the first POST was answered, where three others hold the places. */
  async function openBehindOthers(): Promise<(() => void)[]> {
    const places = lockedPlaces(new FakeLocks().manager, ORIGIN);
    const others = [0, 1, 2].map(() => places.take(() => {}));
    await reactions();
    start({ places });
    transport.send(bytes(1));
    answer(await platform.requests.next(), 1);
    return others;
  }

  it("asks in turn for what comes down, and has POSTs bring it, until there is a place", async () => {
    const [end] = await openBehindOthers();
    const poll = await platform.requests.next();
    expect([poll.init.method, poll.headers["accept"], poll.headers["sluice-hold"]]).toEqual([
      "GET",
      "application/octet-stream",
      "250",
    ]);
    expect(transport.name).toBe("long-poll");
    transport.send(bytes(2));
    const post = await platform.requests.next();
    expect(post.headers["accept"]).toBe("application/octet-stream");
    answer(post, 2, 2, { "sluice-position": 1 }, batchStream([bytes(10), bytes(11)]));
    await story.batchesWhen(2);
    answer(poll, 2, 3, { "sluice-position": 2 }, batchStream([bytes(11), bytes(12)]));
    await story.batchesWhen(3);
    expect(story.batches.map(([value]) => value)).toEqual([10, 11, 12]);
    const next = await platform.requests.next();
    expect([next.headers["sluice-hold"], next.headers["sluice-received"]]).toEqual(["250", "3"]);
    end?.();
    await reactions();
    answer(next, 2, 3);
    platform.host.advance(50);
    const stream = await platform.requests.next();
    expect([stream.headers["accept"], polls().length]).toEqual(["text/event-stream", 2]);
    expect([transport.name, story.of("renamed")]).toEqual([
      "sse",
      [
        { type: "renamed", name: "long-poll" },
        { type: "renamed", name: "sse" },
      ],
    ]);
  });

  it("does not wait where the server has held a poll that has brought nothing", async () => {
    await openBehindOthers();
    const poll = await platform.requests.next();
    platform.host.advance(250);
    answer(poll, 1, 0);
    await reactions();
    await reactions();
    expect(polls()).toHaveLength(2);
    // But it does not ask for ever what answers at once.
    answer(polls()[1] as FakeRequest, 1, 0);
    await reactions();
    await reactions();
    expect(polls()).toHaveLength(2);
    platform.host.advance(50);
    await reactions();
    await reactions();
    expect(polls()).toHaveLength(3);
  });

  it("gives its place back at once when it is closed, or has ended", async () => {
    for (const end of [() => transport.close(1000, ""), () => transport.terminate()]) {
      const locks = new FakeLocks();
      start({ places: lockedPlaces(locks.manager, ORIGIN) });
      transport.send(bytes(1));
      answer(await platform.requests.next(), 1);
      await reactions();
      expect(locks.held).toHaveLength(1);
      end();
      await reactions();
      for (const request of platform.requests.items.filter(({ isAborted }) => !isAborted)) {
        if (!isOver.has(request)) answer(request, 1);
      }
      await reactions();
      expect([locks.held, locks.waiting]).toEqual([[], []]);
    }
  });
});

describe("HTTP-19: an event stream behind something that waits for more", () => {
  /** A stream that says `comment` when told to. */
  async function openStream(options: HttpOptions = {}): Promise<() => Promise<void>> {
    const get = await open(options);
    let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
    const body = new ReadableStream<Uint8Array>({
      start: (given) => {
        controller = given;
      },
    });
    isOver.add(get);
    get.answer(200, { "sluice-received": 1, "sluice-sent": 0, "content-type": "text/event-stream" }, body);
    const say = async (): Promise<void> => {
      if (!get.isAborted) controller?.enqueue(new TextEncoder().encode(":\n\n"));
      await reactions();
      // As a body of `fetch` does.
      if (get.isAborted) controller?.error(new DOMException("aborted", "AbortError"));
      await reactions();
    };
    await say();
    return say;
  }

  let sent = 1;
  /** A POST that takes so long tells of a batch that the stream has not brought; it says something so much later. */
  async function exchange(say: () => Promise<void>, tookMs: number, silentMs: number): Promise<void> {
    transport.send(bytes(1));
    const post = await platform.requests.next();
    platform.host.advance(tookMs);
    sent += 1;
    answer(post, sent, 99);
    await reactions();
    platform.host.advance(silentMs);
    await say();
  }

  beforeEach(() => {
    sent = 1;
  });

  it("gives way to polls when it was silent six times, though a POST was answered in half the time", async () => {
    const say = await openStream();
    for (let i = 0; i < 5; i++) await exchange(say, 40, 80);
    expect(transport.name).toBe("sse");
    await exchange(say, 40, 80);
    expect(transport.name).toBe("long-poll");
    const poll = platform.requests.items.at(-1) as FakeRequest;
    expect([poll.init.method, poll.headers["accept"]]).toEqual(["GET", "application/octet-stream"]);
  });

  it.each([
    ["it is quicker", 40, 79],
    ["POSTs take as long", 60, 119],
  ])("stays where %s", async (_, tookMs, silentMs) => {
    const say = await openStream();
    for (let i = 0; i < 20; i++) await exchange(say, tookMs, silentMs);
    expect(transport.name).toBe("sse");
  });

  it("stays where it is quick now and then", async () => {
    const say = await openStream();
    for (let i = 0; i < 24; i++) await exchange(say, 10, i % 6 === 5 ? 20 : 100);
    expect(transport.name).toBe("sse");
  });

  it("stays where nothing else is allowed", async () => {
    const say = await openStream({ downlink: "sse" });
    for (let i = 0; i < 20; i++) await exchange(say, 10, 150);
    expect([transport.name, story.deaths]).toEqual(["sse", []]);
  });
});

describe("an HTTP transport that may have nothing but an event stream", () => {
  it("ends where that is held back", async () => {
    await open({ downlink: "sse" });
    platform.host.advance(2500);
    expect(await story.death()).toMatchObject({ wasClean: false, code: 1006 });
    expect(platform.requests.items.filter(({ init }) => init.method === "GET")).toHaveLength(1);
  });

  it("ends where two have brought nothing", async () => {
    const first = await open({ downlink: "sse" });
    answer(first, 1, 0, { "content-type": "text/event-stream" }, new Uint8Array(0));
    await reactions();
    platform.host.advance(100);
    const second = await platform.requests.next();
    answer(second, 1, 0, { "content-type": "text/event-stream" }, new Uint8Array(0));
    expect(await story.death()).toMatchObject({ wasClean: false, code: 1006 });
  });
});

describe("an HTTP transport: the end", () => {
  it("HTTP-20: close leaves at once with everything, and outlives the page", async () => {
    await open();
    transport.send(bytes(2));
    const post = await platform.requests.next();
    transport.send(bytes(3));
    transport.close(1001, "");
    // In the same script: the page is about to go.
    const last = platform.requests.items.at(-1) as FakeRequest;
    expect(last).not.toBe(post);
    expect([firstsIn(last), last.headers["sluice-position"], last.headers["sluice-close"]]).toEqual([
      [2, 3],
      "2",
      "1001",
    ]);
    expect([last.init.keepalive, post.isAborted]).toEqual([true, true]);
    answer(last, 3);
    await reactions();
    expect(story.told.filter(({ type }) => type === "closed" || type === "batch")).toEqual([]);
  });

  it("HTTP-20: close tries again without outliving the page where a browser does not let it", async () => {
    await open();
    transport.close(1000, "");
    const first = platform.requests.items.at(-1) as FakeRequest;
    first.fail();
    isOver.add(first);
    await reactions();
    platform.host.advance(200);
    await reactions();
    const second = platform.requests.items.at(-1) as FakeRequest;
    expect([second === first, second.init.keepalive, second.headers["sluice-close"]]).toEqual([false, false, "1000"]);
    answer(second, 1);
    await reactions();
  });

  it("close without anything ever sent tells nobody", async () => {
    transport.close(1000, "");
    await reactions();
    expect(platform.requests.items).toEqual([]);
  });

  it("HTTP-20: the server's close counts behind its batches", async () => {
    const get = await open({ downlink: "long-poll" });
    answer(get, 1, 2, { "sluice-position": 1, "sluice-close": 4001 }, batchStream([bytes(10), bytes(11)]));
    expect(await story.death()).toEqual({ wasClean: true, code: 4001, reason: "" });
    expect(story.batches).toHaveLength(2);
  });

  it("HTTP-10: ends on a batch behind a gap", async () => {
    const get = await open({ downlink: "long-poll" });
    answer(get, 1, 3, { "sluice-position": 2 }, batchStream([bytes(11)]));
    expect(await story.death()).toMatchObject({ wasClean: false, code: 1006 });
    expect(story.batches).toEqual([]);
  });

  it("HTTP-22: a server that is full says so to the first request only", async () => {
    transport.send(bytes(1));
    const first = await platform.requests.next();
    isOver.add(first);
    first.answer(503);
    expect(await story.death()).toMatchObject({ httpStatus: 503 });
    await open();
    transport.send(bytes(2));
    const post = await platform.requests.next();
    isOver.add(post);
    post.answer(503);
    await reactions();
    expect(story.deaths).toEqual([]);
    platform.host.advance(100);
    expect(firstsIn(await platform.requests.next())).toEqual([2]);
  });

  it("makes no request any more once it was terminated, also from a callback", async () => {
    const get = await open({ downlink: "long-poll" });
    story.onBatch = () => transport.terminate();
    answer(get, 1, 2, { "sluice-position": 1 }, batchStream([bytes(10), bytes(11)]));
    await story.batchesWhen(1);
    await reactions();
    const made = platform.requests.items.length;
    transport.send(bytes(9));
    await reactions();
    expect([platform.requests.items.length, story.batches.length]).toEqual([made, 1]);
  });
});
