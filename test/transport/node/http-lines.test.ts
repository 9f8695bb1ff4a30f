import { once } from "node:events";
import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { connect as connectTcp, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it, vi } from "vitest";
import { BatchStreamReader, batchStream } from "../../../src/transport/http/batch-stream.js";
import { EventStreamReader } from "../../../src/transport/http/event-stream.js";
import type { HttpLinesLimits } from "../../../src/transport/node/http-lines.js";
import { reactions } from "../../support/event-loop.js";
import { HttpRig } from "../../support/http-rig.js";

const KEY = "0123456789abcdef0123456789abcdef";
const EVENTS = { accept: "text/event-stream" };
const CARRY = { accept: "application/octet-stream" };

let rig: HttpRig | undefined;

async function serve(limits: Partial<HttpLinesLimits> = {}): Promise<HttpRig> {
  rig = await HttpRig.start(limits);
  return rig;
}

afterEach(async () => {
  vi.useRealTimers();
  await rig?.stop();
  expect(rig?.lines.size ?? 0).toBe(0);
  rig = undefined;
});

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

interface Ask {
  readonly method?: string;
  readonly headers?: Record<string, string | number>;
  readonly body?: Uint8Array;
}

/** A request by hand. `abort` cuts its connection; `data` is what has come so far. */
function send(url: string, { method = "GET", headers = {}, body }: Ask) {
  const request = httpRequest(url, { method, headers, agent: false });
  request.on("error", () => {});
  const pieces: Buffer[] = [];
  let wake: () => void = () => {};
  const head = new Promise<{ status: number; headers: IncomingHttpHeaders }>((resolve) => {
    request.on("response", (response) => {
      response.on("data", (piece: Buffer) => {
        pieces.push(piece);
        wake();
      });
      response.on("error", () => {});
      resolve({ status: response.statusCode ?? 0, headers: response.headers });
    });
  });
  const ended = new Promise<void>((resolve) => {
    request.on("close", () => resolve());
  });
  request.end(body);
  return {
    request,
    head,
    abort: () => request.destroy(),
    answer: async (): Promise<Answer> => {
      const { status, headers } = await head;
      await ended;
      return { status, headers, body: Buffer.concat(pieces) };
    },
    data: async (isEnough: (data: Buffer) => boolean): Promise<Buffer> => {
      while (!isEnough(Buffer.concat(pieces))) await new Promise<void>((resolve) => (wake = resolve));
      return Buffer.concat(pieces);
    },
  };
}

const ours = (received = 0, more = {}) => ({ "sluice-line": KEY, "sluice-received": received, ...more });

function post(position: number, batches: readonly Uint8Array[], more = {}, received = 0) {
  const headers = ours(received, { "sluice-position": position, "content-type": "application/octet-stream", ...more });
  return send((rig as HttpRig).url, { method: "POST", headers, body: batchStream(batches) });
}

function get(received: number, more = {}) {
  return send((rig as HttpRig).url, { headers: ours(received, more) });
}

/** A request that has come to the server. */
async function arrived<T>(ask: () => T): Promise<T> {
  const { taken } = rig as HttpRig;
  const made = ask();
  while ((rig as HttpRig).taken === taken) await reactions();
  return made;
}

/** From here on the timers of lines wait for `pass`; those of Node go on. */
function holdTime(): void {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
}

/** Lets time pass for the lines, and everything happen that follows. */
async function pass(ms: number): Promise<void> {
  vi.advanceTimersByTime(ms);
  for (let i = 0; i < 5; i++) await reactions();
}

const bytes = (...values: number[]) => Uint8Array.from(values);
const batchesIn = (body: Uint8Array) => new BatchStreamReader(20_000).push(body).map((batch) => [...batch]);

/** A line whose first request has been answered, and its server's end; the client has the batch [100]. */
async function open(limits: Partial<HttpLinesLimits> = {}) {
  const server = await serve(limits);
  const first = post(1, [bytes(1)], CARRY);
  const end = await server.ends.next();
  await end.story.batchesWhen(1);
  end.transport.send(bytes(100));
  expect(batchesIn((await first.answer()).body)).toEqual([[100]]);
  return end;
}

describe("HTTP-24: requests that are refused, completely and at once", () => {
  const valid = ours(0, { "sluice-position": 1, "content-type": "application/octet-stream" });

  it.each<[string, number, Ask]>([
    ["another method", 405, { method: "PUT", headers: valid }],
    ["HEAD", 405, { method: "HEAD", headers: valid }],
    ["DELETE", 405, { method: "DELETE", headers: valid }],
    ["a key that is too short", 400, { headers: { ...valid, "sluice-line": "0123" } }],
    ["a key in capitals", 400, { headers: { ...valid, "sluice-line": KEY.toUpperCase() } }],
    ["a key that names a property", 400, { headers: { ...valid, "sluice-line": "__proto__" } }],
    ["a key twice", 400, { headers: { ...valid, "sluice-line": `${KEY}, ${KEY}` } }],
    ["no position that was received", 400, { headers: { "sluice-line": KEY } }],
    ["a negative one", 400, { headers: { ...valid, "sluice-received": "-1" } }],
    ["one that is no integer", 400, { headers: { ...valid, "sluice-received": "1.5" } }],
    ["one in another notation", 400, { headers: { ...valid, "sluice-received": "0x10" } }],
    ["one beyond all bounds", 400, { headers: { ...valid, "sluice-received": "9".repeat(30) } }],
    ["a POST of position 0", 400, { method: "POST", headers: { ...valid, "sluice-position": "0" }, body: bytes(1, 1) }],
    ["a POST of a form", 415, { method: "POST", headers: { ...valid, "content-type": "text/plain" }, body: bytes(1) }],
    ["a POST of no type", 415, { method: "POST", headers: ours(0, { "sluice-position": 1 }), body: bytes(1, 1) }],
    [
      "a compressed body",
      415,
      { method: "POST", headers: { ...valid, "content-encoding": "gzip" }, body: gzipSync(bytes(1, 1)) },
    ],
    ["a close code that is none", 400, { method: "POST", headers: { ...valid, "sluice-close": "5000" } }],
    ["a close code that is no number", 400, { method: "POST", headers: { ...valid, "sluice-close": "bye" } }],
    ["a body that is too large", 413, { method: "POST", headers: valid, body: new Uint8Array(70_000) }],
    ["a GET of an unknown line", 404, { headers: valid }],
    ["a late POST of an unknown line", 404, { method: "POST", headers: { ...valid, "sluice-position": 7 } }],
    ["a POST that knows of batches", 404, { method: "POST", headers: { ...valid, "sluice-received": 3 } }],
  ])("%s: %d", async (_, status, ask) => {
    const server = await serve({ bodyBytesMax: 65_536 });
    const answer = await send(server.url, ask).answer();
    expect(answer.status).toBe(status);
    expect(answer.headers).toMatchObject({
      "cache-control": "no-store, no-transform",
      "x-content-type-options": "nosniff",
      "content-length": "0",
    });
    if (status === 405) expect(answer.headers.allow).toBe("GET, POST");
    expect(server.lines.size).toBe(0);
  });

  it("a body that grows too large without having said so: 413", async () => {
    await serve({ bodyBytesMax: 1000 });
    const answer = await post(1, [new Uint8Array(900), new Uint8Array(900)], {
      "transfer-encoding": "chunked",
    }).answer();
    expect(answer.status).toBe(413);
    const { story, transport } = await (rig as HttpRig).ends.next();
    // The batches before count (BAT-06).
    expect(story.batches.length).toBeLessThanOrEqual(1);
    transport.terminate();
  });

  it("a body that does not come: 408, and the connection does not stay", async () => {
    const server = await serve({ bodyTimeoutMs: 30 });
    const line = connectTcp(Number(new URL(server.url).port), "127.0.0.1");
    const headers = Object.entries(ours(0, { "sluice-position": 1, "content-type": "application/octet-stream" }));
    const head = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
    line.write(`POST /live HTTP/1.1\r\nHost: example.com\r\n${head}Content-Length: 100\r\n\r\n\x01`);
    expect(await text(line)).toMatch(/^HTTP\/1.1 408 /);
  });

  it("more lines than the bound: 503", async () => {
    const server = await serve({ linesMax: 1 });
    const first = post(1, [bytes(1)]);
    const end = await server.ends.next();
    const other = { "sluice-line": "f".repeat(32) };
    expect((await post(1, [bytes(1)], other).answer()).status).toBe(503);
    end.transport.terminate();
    expect((await first.answer()).status).toBe(404);
  });
});

describe("HTTP-09, HTTP-11: up", () => {
  it("takes each position once, however often it comes", async () => {
    const { story } = await open();
    for (const [position, values] of [
      [2, [2, 3]],
      [2, [2, 3]],
      [1, [1, 2, 3, 4]],
      [4, [4]],
    ] as const) {
      const answer = await post(
        position,
        values.map((value) => bytes(value)),
        {},
        1,
      ).answer();
      expect(answer.status).toBe(200);
      expect(answer.headers["sluice-received"]).toBe(String(position + values.length - 1 > 3 ? 4 : 3));
    }
    expect(story.batches.map(([value]) => value)).toEqual([1, 2, 3, 4]);
  });

  it("HTTP-10: a POST that has overtaken the one before waits for it, unread", async () => {
    const { story, transport } = await open();
    transport.send(bytes(101));
    // It knows more than the one that it has overtaken.
    const later = await arrived(() => post(3, [bytes(3)], {}, 1));
    expect(story.batches).toHaveLength(1);
    expect((await post(2, [bytes(2)], {}, 0).answer()).status).toBe(200);
    const answer = await later.answer();
    expect([answer.status, answer.headers["sluice-received"]]).toEqual([200, "3"]);
    expect(story.batches.map(([value]) => value)).toEqual([1, 2, 3]);
  });

  it("HTTP-18: a POST behind another one whose body is not at its end waits for that, and does not end it", async () => {
    const { story } = await open();
    const headers = ours(1, { "sluice-position": 2, "content-type": "application/octet-stream", "content-length": 4 });
    const slow = httpRequest((rig as HttpRig).url, { method: "POST", headers, agent: false });
    const answered = once(slow, "response");
    slow.write(batchStream([bytes(2)]));
    await story.batchesWhen(2);
    const next = await arrived(() => post(3, [bytes(4)], {}, 1));
    expect(story.batches).toHaveLength(2);
    slow.end(batchStream([bytes(3)]));
    expect([(await answered)[0].statusCode, (await next.answer()).status]).toEqual([200, 200]);
    expect(story.batches.map(([value]) => value)).toEqual([1, 2, 3]);
  });

  it("waits for no more than one, and no longer than it may; the end of the line ends that", async () => {
    const { transport } = await open({ earlyHoldMs: 5000 });
    holdTime();
    const [first, second] = [
      await arrived(() => post(4, [bytes(4)], {}, 1)),
      await arrived(() => post(3, [bytes(3)], {}, 1)),
    ];
    expect((await first.answer()).status).toBe(409);
    await pass(4999);
    const isOver = vi.fn();
    void second.head.then(isOver);
    await pass(0);
    expect(isOver).not.toHaveBeenCalled();
    await pass(1);
    expect((await second.answer()).status).toBe(409);
    const third = await arrived(() => post(3, [bytes(3)], {}, 1));
    transport.terminate();
    expect((await third.answer()).status).toBe(404);
  });

  it("refuses a gap, and goes on", async () => {
    const { story } = await open({ earlyHoldMs: 10 });
    const gap = await post(3, [bytes(3)], {}, 1).answer();
    expect([gap.status, gap.headers["sluice-received"]]).toEqual([409, "1"]);
    expect((await post(2, [bytes(2)], {}, 1).answer()).status).toBe(200);
    expect(story.batches).toHaveLength(2);
  });

  it("counts the whole batches of a body that is cut off", async () => {
    const { story } = await open();
    const body = batchStream([bytes(2), new Uint8Array(1000)]).subarray(0, 500);
    const headers = ours(1, { "sluice-position": 2, "content-type": "application/octet-stream" });
    const answer = await send((rig as HttpRig).url, { method: "POST", headers, body }).answer();
    expect([answer.status, answer.headers["sluice-received"]]).toEqual([200, "2"]);
    expect(story.batches).toHaveLength(2);
    const cut = send((rig as HttpRig).url, {
      method: "POST",
      headers: { ...headers, "content-length": 900, "sluice-position": 3 },
    });
    cut.request.flushHeaders();
    await reactions();
    cut.abort();
    expect((await post(3, [bytes(3)], {}, 1).answer()).headers["sluice-received"]).toBe("3");
  });

  it.each([
    ["a batch of no bytes", 1002, bytes(0)],
    ["a batch over the limit", 1009, bytes(0x80, 0x01, 0x04, 0x01, 0)],
  ])("ends the line on %s", async (_, code, body) => {
    const { story } = await open();
    const headers = ours(1, { "sluice-position": 2, "content-type": "application/octet-stream" });
    const answer = await send((rig as HttpRig).url, { method: "POST", headers, body }).answer();
    expect(answer.status).toBe(400);
    expect(await story.death()).toMatchObject({ wasClean: false, code });
    expect((await get(1).answer()).status).toBe(404);
  });

  it("HTTP-18: lets the newer of two uploads have the line, and answers the older", async () => {
    const { story } = await open();
    const headers = ours(1, { "sluice-position": 2, "content-type": "application/octet-stream", "content-length": 4 });
    const slow = httpRequest((rig as HttpRig).url, { method: "POST", headers, agent: false });
    slow.on("error", () => {});
    const answered = once(slow, "response");
    slow.write(batchStream([bytes(2)]));
    await story.batchesWhen(2);
    expect((await post(2, [bytes(2), bytes(3)], {}, 1).answer()).headers["sluice-received"]).toBe("3");
    expect((await answered)[0].statusCode).toBe(409);
    slow.destroy();
    expect(story.batches).toHaveLength(3);
  });

  it("refuses what cannot have been received, and late copies of what was", async () => {
    const { transport } = await open();
    transport.send(bytes(101));
    expect((await get(9).answer()).status).toBe(400);
    expect(batchesIn((await get(1).answer()).body)).toEqual([[101]]);
    const poll = await arrived(() => get(2));
    expect((await post(2, [bytes(2)], {}, 2).answer()).status).toBe(200);
    // Both would take the line back to where it was.
    expect((await get(1).answer()).status).toBe(409);
    expect((await post(2, [bytes(2)], {}, 1).answer()).status).toBe(409);
    transport.send(bytes(102));
    expect(batchesIn((await poll.answer()).body)).toEqual([[102]]);
  });
});

describe("HTTP-05, HTTP-13: the first request", () => {
  it("waits for something to take along, up to its time", async () => {
    const server = await serve({ firstHoldMs: 20 });
    const first = await post(1, [bytes(1)], CARRY).answer();
    expect([first.status, first.body.length, first.headers["sluice-received"]]).toEqual([200, 0, "1"]);
    (await server.ends.next()).transport.terminate();
  });

  it("makes one line, however often it comes, and answers every copy", async () => {
    const server = await serve();
    const copies = [post(1, [bytes(1)], CARRY), post(1, [bytes(1)], CARRY)];
    const end = await server.ends.next();
    await Promise.race(copies.map((copy) => copy.answer()));
    end.transport.send(bytes(100));
    const answers = await Promise.all(copies.map((copy) => copy.answer()));
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(answers.flatMap(({ body }) => batchesIn(body))).toEqual([[100]]);
    expect([server.ends.items.length, end.story.batches.length]).toEqual([1, 1]);
  });

  it("makes one line although the server takes its time to let it in", async () => {
    rig = await HttpRig.start({}, async () => {
      for (let i = 0; i < 20; i++) await reactions();
      return true;
    });
    const copies = [post(1, [bytes(1)], CARRY), post(1, [bytes(1)], CARRY)];
    const end = await rig.ends.next();
    await Promise.race(copies.map((copy) => copy.answer()));
    expect([rig.ends.items.length, rig.lines.size]).toEqual([1, 1]);
    end.transport.terminate();
    await Promise.all(copies.map((copy) => copy.answer()));
  });
});

describe("HTTP-17: down, by polls", () => {
  it("keeps what goes down until a later request says that it has come", async () => {
    const { transport } = await open();
    for (const value of [101, 102]) transport.send(bytes(value));
    for (let lost = 0; lost < 3; lost++) {
      const answer = await get(1).answer();
      expect(batchesIn(answer.body)).toEqual([[101], [102]]);
      expect(answer.headers).toMatchObject({ "sluice-position": "2", "sluice-sent": "3" });
    }
    transport.send(bytes(103));
    expect(batchesIn((await get(2).answer()).body)).toEqual([[102], [103]]);
  });

  it("answers at once where there is something, and otherwise when there is, or the time is over", async () => {
    const { transport, story } = await open();
    expect(transport.name).toBe("sse");
    holdTime();
    const poll = await arrived(() => get(1));
    expect([transport.name, story.of("renamed").length]).toEqual(["long-poll", 1]);
    await pass(25_000);
    const empty = await poll.answer();
    expect([empty.status, empty.body.length]).toEqual([200, 0]);
    const next = await arrived(() => get(1));
    // In one go, so in one answer.
    for (const value of [101, 102, 103]) transport.send(bytes(value));
    expect(batchesIn((await next.answer()).body)).toEqual([[101], [102], [103]]);
  });

  it("HTTP-03: is busy between two polls, and says when one has come: what leaves then goes along", async () => {
    const { transport, story } = await open();
    expect([transport.requests, transport.isBusy]).toEqual(["peer", false]);
    transport.send(bytes(101));
    await get(1).answer();
    expect([transport.requests, transport.isBusy]).toEqual(["both", true]);
    transport.send(bytes(102));
    await get(2).answer();
    story.onWritable = () => transport.send(bytes(103));
    // It tells of nothing new.
    expect(batchesIn((await get(2).answer()).body)).toEqual([[102], [103]]);
  });

  it("HTTP-27: holds it for as long as the client says, if that is shorter, and refuses what is no time", async () => {
    await open();
    holdTime();
    const short = await arrived(() => get(1, { "sluice-hold": "250" }));
    await pass(250);
    expect((await short.answer()).body.length).toBe(0);
    const long = await arrived(() => get(1, { "sluice-hold": "99000" }));
    await pass(25_000);
    expect((await long.answer()).status).toBe(200);
    expect((await get(1, { "sluice-hold": "soon" }).answer()).status).toBe(400);
  });

  it("HTTP-18: lets the newer of two polls have the line, and answers the older", async () => {
    const { transport } = await open();
    const older = await arrived(() => get(1));
    const newer = get(1);
    const empty = await older.answer();
    expect([empty.status, empty.body.length]).toEqual([200, 0]);
    transport.send(bytes(101));
    expect(batchesIn((await newer.answer()).body)).toEqual([[101]]);
  });

  it("keeps answers within their bound", async () => {
    const { transport } = await open();
    for (let i = 0; i < 40; i++) transport.send(new Uint8Array(16_000).fill(i));
    const { body } = await get(1).answer();
    expect(body.length).toBeLessThanOrEqual(256 * 1024);
    expect(batchesIn(body).length).toBe(16);
  });

  it("says with the last batches that the line is closed, also when asked again", async () => {
    const { transport } = await open();
    transport.send(bytes(101));
    transport.close(4001, "");
    for (let lost = 0; lost < 2; lost++) {
      const answer = await get(1).answer();
      expect([batchesIn(answer.body), answer.headers["sluice-close"]]).toEqual([[[101]], "4001"]);
    }
  });

  it("forgets a line that was closed, in a while", async () => {
    const { transport } = await open();
    const poll = await arrived(() => get(1));
    holdTime();
    transport.close(1000, "");
    expect((await poll.answer()).headers["sluice-close"]).toBe("1000");
    await pass(4999);
    expect((rig as HttpRig).lines.size).toBe(1);
    await pass(1);
    expect((await get(1).answer()).status).toBe(404);
  });
});

describe("HTTP-16: down, by an event stream", () => {
  const events = (data: Buffer) => new EventStreamReader(20_000).push(data);
  const values = (data: Buffer) => events(data).map((event) => (event.type === "batch" ? event.batch[0] : event.code));

  it("begins with headers and 2 KiB that no proxy should hold back, then brings an event for each batch", async () => {
    const { transport } = await open();
    transport.send(bytes(101));
    const stream = get(1, EVENTS);
    const { status, headers } = await stream.head;
    expect([status, headers["content-type"]]).toEqual([200, "text/event-stream"]);
    expect(headers).toMatchObject({
      "cache-control": "no-store, no-transform",
      "x-accel-buffering": "no",
      "x-content-type-options": "nosniff",
      "sluice-received": "1",
    });
    transport.send(bytes(102));
    const data = await stream.data((so) => values(so).length === 2);
    expect(data.indexOf("id:")).toBeGreaterThanOrEqual(2048);
    expect(events(data)).toEqual([
      { type: "batch", position: 2, batch: bytes(101) },
      { type: "batch", position: 3, batch: bytes(102) },
    ]);
    expect(transport.name).toBe("sse");
    stream.abort();
  });

  it("begins again behind what has come", async () => {
    const { transport } = await open();
    const stream = get(1, EVENTS);
    for (const value of [101, 102, 103]) transport.send(bytes(value));
    await stream.data((so) => values(so).length === 3);
    stream.abort();
    transport.send(bytes(104));
    const next = get(2, EVENTS);
    expect(values(await next.data((so) => values(so).length === 3))).toEqual([102, 103, 104]);
    next.abort();
  });

  it("gives way to a newer GET of either kind, in order", async () => {
    const { transport } = await open();
    const stream = get(1, EVENTS);
    await stream.head;
    const poll = get(1);
    expect((await stream.answer()).body.toString()).toMatch(/^: *\n\n$/);
    transport.send(bytes(101));
    expect(batchesIn((await poll.answer()).body)).toEqual([[101]]);
  });

  it("goes on behind what the client says that it has from elsewhere, while the stream was not read", async () => {
    const { transport } = await open();
    // More than the systems take.
    for (let i = 0; i < 800; i++) transport.send(new Uint8Array(16_000).fill(i % 256));
    const { url } = rig as HttpRig;
    const client = connectTcp(Number(new URL(url).port), "127.0.0.1").pause();
    const headers = { ...ours(1), host: "a", ...EVENTS };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    client.write(`GET /live HTTP/1.1\r\n${lines.join("")}\r\n`);
    const ask = (position: number, received: number) => post(position, [bytes(position)], CARRY, received).answer();
    // What the stream has taken is what was sent.
    let sent = Number((await ask(2, 1)).headers["sluice-sent"]);
    for (let last = -1; sent > last; ) {
      last = sent;
      sent = Number((await post(2, [], {}, 1).answer()).headers["sluice-sent"]);
    }
    const next = await ask(3, sent);
    expect(Number(next.headers["sluice-sent"])).toBeGreaterThan(sent);
    const known = Number(next.headers["sluice-sent"]);
    expect((await ask(4, known)).status).toBe(200);
    let read = "";
    client.on("data", (piece) => {
      read += piece.toString("latin1");
    });
    client.resume();
    while (!read.includes("id: 801\n")) await reactions();
    expect([read.includes(`id: ${sent}\n`), read.includes(`id: ${known}\n`)]).toEqual([true, false]);
    expect(read).toContain(`id: ${known + 1}\n`);
    client.destroy();
  });

  it("is kept alive by comments", async () => {
    await open({ commentMs: 10 });
    const stream = get(1, EVENTS);
    const data = await stream.data((so) => so.length > 2048 + 6);
    expect(data.subarray(2049).toString()).toMatch(/^(:\n\n)+$/);
    stream.abort();
  });

  it("ends behind its last event when the line is closed", async () => {
    const { transport } = await open();
    const stream = get(1, EVENTS);
    await stream.head;
    transport.send(bytes(101));
    transport.close(4002, "");
    expect(values((await stream.answer()).body)).toEqual([101, 4002]);
  });

  it("brings along with POSTs what the client asks for there, the stream being held back", async () => {
    const { transport } = await open();
    const stream = get(1, EVENTS);
    await stream.head;
    transport.send(bytes(101));
    await stream.data((so) => values(so).length === 1);
    const silent = await post(2, [bytes(2)], {}, 1).answer();
    expect([silent.body.length, silent.headers["sluice-sent"]]).toEqual([0, "2"]);
    expect(batchesIn((await post(3, [bytes(3)], CARRY, 1).answer()).body)).toEqual([[101]]);
    stream.abort();
  });
});

describe("HTTP-20, HTTP-21: the end", () => {
  it("takes a client for gone that asks for nothing any more", async () => {
    const { story } = await open();
    holdTime();
    expect((await post(2, [bytes(2)], {}, 1).answer()).status).toBe(200);
    await pass(14_999);
    expect(story.deaths).toEqual([]);
    await pass(1);
    expect(await story.death()).toEqual({ wasClean: false, code: 1006, reason: "" });
    expect((rig as HttpRig).lines.size).toBe(0);
    expect((await get(1).answer()).status).toBe(404);
  });

  it("SEC-06: takes the one for gone that has been idle for longest, where too many are; none that asks for something", async () => {
    const server = await serve({ idleLinesMax: 2 });
    const key = (letter: string) => ({ "sluice-line": letter.repeat(32) });
    const begin = async (letter: string) => {
      const answer = post(1, [bytes(1)], { ...CARRY, ...key(letter) });
      const end = await server.ends.next();
      end.transport.send(bytes(100));
      expect((await answer.answer()).status).toBe(200);
      return end;
    };
    const asking = await begin("a");
    await arrived(() => get(1, key("a")));
    const [oldest, newer] = [await begin("b"), await begin("c")];
    expect([oldest.story.deaths, newer.story.deaths]).toEqual([[], []]);
    const newest = await begin("d");
    expect(oldest.story.deaths).toMatchObject([{ wasClean: false, code: 1006 }]);
    expect((await get(1, key("b")).answer()).status).toBe(404);
    for (const { story } of [asking, newer, newest]) expect(story.deaths).toEqual([]);
    expect(server.lines.size).toBe(3);
  });

  it("does not as long as a request is under way, and does when its connection is cut", async () => {
    const { story } = await open();
    holdTime();
    const stream = await arrived(() => get(1, EVENTS));
    await stream.head;
    await pass(60_000);
    expect(story.deaths).toEqual([]);
    stream.abort();
    while (story.deaths.length === 0) await pass(1000);
    expect(await story.death()).toMatchObject({ code: 1006 });
  });

  it("tells of a client that ends the line, behind what it brings, and answers", async () => {
    const { story } = await open();
    const answer = await post(2, [bytes(2)], { "sluice-close": 4003 }, 1).answer();
    expect(answer.status).toBe(200);
    expect(await story.death()).toEqual({ wasClean: true, code: 4003, reason: "" });
    expect(story.batches).toHaveLength(2);
    // A copy of it comes late.
    expect((await post(2, [bytes(2)], { "sluice-close": 4003 }, 1).answer()).status).toBe(404);
  });

  it("answers everything that is under way when it ends at once", async () => {
    const { transport } = await open();
    const poll = await arrived(() => get(1));
    transport.terminate();
    expect((await poll.answer()).status).toBe(404);
  });

  it.each<[string, Record<string, string>]>([
    ["an event stream", { accept: "text/event-stream" }],
    ["a poll", {}],
  ])("keeps no answer that nobody reads: %s", async (_, headers) => {
    const { transport } = await open();
    // More than the systems take for them. Polls are answered with as much as they may, again and again on one connection.
    for (let i = 0; i < 800; i++) transport.send(new Uint8Array(16_000));
    const { http, url } = rig as HttpRig;
    const accepted = once(http, "connection");
    const client = connectTcp(Number(new URL(url).port), "127.0.0.1").pause();
    client.on("error", () => {});
    const lines = Object.entries({ ...ours(1), host: "a", ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
    client.write(`GET /live HTTP/1.1\r\n${lines.join("")}\r\n`.repeat("accept" in headers ? 1 : 40));
    const [socket] = (await accepted) as [Socket];
    for (let last = -1; socket.writableLength === 0 || socket.bytesWritten > last; await reactions()) {
      last = socket.bytesWritten;
    }
    holdTime();
    transport.terminate();
    await pass(4999);
    expect(socket.destroyed).toBe(false);
    await pass(1);
    expect(socket.destroyed).toBe(true);
    client.destroy();
  });
});
