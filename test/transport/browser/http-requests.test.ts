import { describe, expect, it } from "vitest";
import { Requests } from "../../../src/transport/browser/http-requests.js";
import { reactions } from "../../support/event-loop.js";
import { FakePlatform } from "../../support/fake-fetch.js";

const OURS = { "sluice-received": 7, "sluice-sent": 9 };

function setUp() {
  const platform = new FakePlatform();
  return { platform, requests: new Requests(platform, "https://example.com/live?x", () => 5) };
}

/** A body that comes to its end, or, as on the wire, to an error where the request is aborted before. */
function bodyOf(bytes: Uint8Array, { init }: { init: RequestInit }): ReadableStream<Uint8Array> {
  return new ReadableStream(
    {
      start(controller) {
        init.signal?.addEventListener("abort", () => controller.error(new Error("aborted")));
        controller.enqueue(bytes);
      },
      // Asked for more: what was there has been read.
      pull: (controller) => controller.close(),
    },
    { highWaterMark: 0 },
  );
}

const outcomeOf = async (answer: (request: { answer: (...args: never[]) => void; fail: () => void }) => void) => {
  const { platform, requests } = setUp();
  const outcome = requests.create({ method: "GET", headers: {} }).send();
  answer((await platform.requests.next()) as never);
  return outcome;
};

describe("HTTP-08: requests of a line", () => {
  it("say key and position, with cookies, and with nothing in the URL", async () => {
    const { platform, requests } = setUp();
    void requests.create({ method: "GET", headers: { accept: "text/event-stream" } }).send();
    void requests.create({ method: "POST", headers: {}, body: Uint8Array.of(1), keepalive: true }).send();
    const [get, post] = await platform.requests.take(2);
    const key = "00102030405060708090a0b0c0d0e0f0";
    expect(get?.url).toBe("https://example.com/live?x");
    expect(get?.headers).toEqual({ accept: "text/event-stream", "sluice-line": key, "sluice-received": "5" });
    expect(get?.init).toMatchObject({ method: "GET", credentials: "include", keepalive: false });
    expect(get?.init).not.toHaveProperty("cache");
    expect(post?.headers).toEqual({
      "sluice-line": key,
      "sluice-received": "5",
      "content-type": "application/octet-stream",
    });
    expect(post?.init).toMatchObject({ method: "POST", keepalive: true });
    expect(post?.body).toEqual(Uint8Array.of(1));
    // A browser's `fetch` refuses to be called on anything else than its window.
    expect(platform.receivers).toEqual([undefined, undefined]);
  });

  it("tell an answer of a line by its headers", async () => {
    const outcome = await outcomeOf((request) => request.answer(...([200, OURS] as never[])));
    expect(outcome).toMatchObject({ type: "answer", received: 7, sent: 9 });
  });

  it.each<[string, number, object, object]>([
    ["200 of a portal", 200, {}, { type: "failed", httpStatus: 200 }],
    ["200 with half of the headers", 200, { "sluice-received": 1 }, { type: "failed" }],
    ["200 with headers that say nothing", 200, { ...OURS, "sluice-sent": "x" }, { type: "failed" }],
    ["201", 201, OURS, { type: "failed", httpStatus: 201 }],
    ["302", 302, OURS, { type: "failed" }],
    ["400", 400, OURS, { type: "refused", httpStatus: 400 }],
    ["401", 401, {}, { type: "refused", httpStatus: 401 }],
    ["404", 404, {}, { type: "refused", httpStatus: 404 }],
    ["408", 408, {}, { type: "failed", httpStatus: 408 }],
    ["409", 409, {}, { type: "failed", httpStatus: 409 }],
    ["410", 410, {}, { type: "refused", httpStatus: 410 }],
    ["413", 413, {}, { type: "too-large" }],
    ["415", 415, {}, { type: "refused", httpStatus: 415 }],
    ["429", 429, {}, { type: "failed", httpStatus: 429 }],
    ["500", 500, {}, { type: "failed", httpStatus: 500 }],
    ["503", 503, {}, { type: "failed", httpStatus: 503 }],
  ])("HTTP-22: %s", async (_, status, headers, expected) => {
    expect(await outcomeOf((request) => request.answer(...([status, headers] as never[])))).toMatchObject(expected);
  });

  it("never reject", async () => {
    expect(await outcomeOf((request) => request.fail())).toEqual({
      type: "failed",
      httpStatus: undefined,
      isLate: false,
    });
    const { platform, requests } = setUp();
    platform.fetch = (() => {
      throw new Error("a content security policy");
    }) as never;
    expect(await requests.create({ method: "GET", headers: {} }).send()).toMatchObject({ type: "failed" });
    platform.fetch = (() => Promise.resolve(undefined)) as never;
    expect(await requests.create({ method: "GET", headers: {} }).send()).toMatchObject({ type: "failed" });
  });

  it("do without the streams of the platform where another `fetch` has bodies of its own", async () => {
    const { platform, requests } = setUp();
    // As node-fetch has it.
    const body = { pipe: () => {} };
    const respond = (status: number) => {
      const headers = new Headers({ "sluice-received": "7", "sluice-sent": "9" });
      const whole = Uint8Array.of(1, 2, 3).buffer;
      platform.fetch = (async () => ({ status, headers, body, arrayBuffer: async () => whole })) as never;
      return requests.create({ method: "GET", headers: {} });
    };
    expect(await respond(503).send()).toMatchObject({ type: "failed", httpStatus: 503 });
    const request = respond(200);
    const outcome = await request.send();
    const pieces: Uint8Array[] = [];
    const isWhole = outcome.type === "answer" && (await request.read(outcome.response, (piece) => pieces.push(piece)));
    expect([isWhole, pieces]).toEqual([true, [Uint8Array.of(1, 2, 3)]]);
  });

  it("are aborted when their time is over, which may be given anew, or taken away", async () => {
    const { platform, requests } = setUp();
    const late = requests.create({ method: "GET", headers: {} });
    late.expectWithin(1000);
    late.expectWithin(2000);
    const outcome = late.send();
    platform.host.advance(1999);
    const request = await platform.requests.next();
    expect(request.isAborted).toBe(false);
    platform.host.advance(1);
    expect(await outcome).toEqual({ type: "failed", httpStatus: undefined, isLate: true });
    expect([request.isAborted, late.isLate]).toEqual([true, true]);
    const patient = requests.create({ method: "GET", headers: {} });
    patient.expectWithin(1000);
    patient.expectWithin(undefined);
    expect(platform.host.timers).toEqual([]);
  });

  it("have no deadline any more when they are over, whatever has become of them", async () => {
    const { platform, requests } = setUp();
    for (const end of ["answer", "fail"] as const) {
      const request = requests.create({ method: "GET", headers: {} });
      request.expectWithin(1000);
      const sent = request.send();
      const made = await platform.requests.next();
      if (end === "fail") made.fail();
      else made.answer(200, OURS, "x");
      const outcome = await sent;
      if (outcome.type === "answer") expect(await request.read(outcome.response, () => {})).toBe(true);
      expect(platform.host.timers).toEqual([]);
    }
  });

  it("are all aborted together, those that are being read as well", async () => {
    const { platform, requests } = setUp();
    const reading = requests.create({ method: "GET", headers: {} });
    const sent = reading.send();
    const pieces: Uint8Array[] = [];
    let stream: ReadableStreamDefaultController<Uint8Array> | undefined;
    const made = await platform.requests.next();
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        stream = controller;
        made.init.signal?.addEventListener("abort", () => controller.error(new Error("aborted")));
      },
    });
    made.answer(200, OURS, body);
    const outcome = await sent;
    if (outcome.type !== "answer") throw new Error("no answer");
    const read = reading.read(outcome.response, (piece) => pieces.push(piece));
    const waiting = requests.create({ method: "POST", headers: {} }).send();
    stream?.enqueue(Uint8Array.of(1, 2));
    await reactions();
    requests.abort();
    expect(await read).toBe(false);
    expect(await waiting).toMatchObject({ type: "failed" });
    expect(pieces.map((piece) => [...piece])).toEqual([[1, 2]]);
  });

  it.each([
    [
      "all of them, behind the position of the first",
      [2, 1, 2, 2, 3, 4],
      { isWhole: true, count: 2, closeCode: undefined },
    ],
    ["and the code that ends the line", [2, 1, 2], { isWhole: true, count: 1, closeCode: 4001 }],
    ["up to what is none", [2, 1, 2, 0, 1, 9], { isWhole: false, count: 1, closeCode: undefined }],
  ])("read batches: %s", async (_, body, expected) => {
    const { platform, requests } = setUp();
    const request = requests.create({ method: "GET", headers: {} });
    const sent = request.send();
    const made = await platform.requests.next();
    const close = expected.closeCode === undefined && expected.isWhole ? {} : { "sluice-close": 4001 };
    made.answer(200, { ...OURS, "sluice-position": 7, ...close }, bodyOf(Uint8Array.from(body), made));
    const outcome = await sent;
    if (outcome.type !== "answer") throw new Error("no answer");
    const batches: [number, number][] = [];
    const read = await request.readBatches(outcome.response, {
      handleBatch: (position, batch) => batches.push([position, batch[0] as number]),
    });
    expect(read).toEqual(expected);
    expect(batches).toEqual(
      [
        [7, 1],
        [8, 3],
      ].slice(0, expected.count),
    );
  });

  it("read a body where there are no streams", async () => {
    const { requests } = setUp();
    const pieces: number[][] = [];
    const response = { body: null, arrayBuffer: async () => Uint8Array.of(1, 2, 3).buffer } as unknown as Response;
    const request = requests.create({ method: "GET", headers: {} });
    expect(await request.read(response, (piece) => pieces.push([...piece]))).toBe(true);
    expect(pieces).toEqual([[1, 2, 3]]);
    const broken = { body: null, arrayBuffer: () => Promise.reject(new Error("cut")) } as unknown as Response;
    expect(await request.read(broken, () => {})).toBe(false);
  });
});
