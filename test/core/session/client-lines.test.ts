import { describe, expect, it } from "vitest";
import { EARLY_BYTES_MAX } from "../../../src/core/limits.js";
import { readHello } from "../../../src/core/wire/handshake.js";
import { UNANNOUNCED_LIMITS } from "../../../src/core/wire/parameters.js";
import { expectBaseline } from "../../support/baseline.js";
import { binary, type End, type Line, Pair, type PairOptions, text } from "../../support/pair.js";

const KINDS = ["websocket", "http"] as const;
const HEDGE_MS = 750;
const PROBE_MS = 15_000;

const racing = (options: PairOptions = {}) => new Pair({ ...options, dial: { kinds: KINDS, ...options.dial } });
/** A pair whose session is on HTTP, as WebSockets lead nowhere. */
function onHttp(options: PairOptions = {}): Pair {
  const pair = racing(options);
  pair.network = "down";
  pair.http = "up";
  pair.connect().run(200);
  expect(kindOfCarrier(pair)).toBe("http");
  return pair;
}

const send = (pair: Pair, end: End, value: string) => pair.input(end, (s, now) => s.send(0, text(value), now));
const dials = (pair: Pair) =>
  pair.client.events.flatMap(({ at, event }) => (event.type === "dial" ? [[at, event.kind] as const] : []));
const kindOf = (line: Line) => (line.greets ? "websocket" : "http");
const lineOf = (pair: Pair) => pair.client.lines.get(pair.client.session.line ?? -1);
const kindOfCarrier = (pair: Pair) => {
  const line = lineOf(pair);
  return line === undefined ? undefined : kindOf(line);
};
const epochs = (pair: Pair) =>
  pair.client.sent.flatMap(({ line, frames }) =>
    frames.flatMap((frame) => {
      if (frame.type !== "hello") return [];
      const hello = readHello(frame.parameters, UNANNOUNCED_LIMITS);
      return "code" in hello ? [] : [[line, hello.epoch] as const];
    }),
  );

/** Nobody has noticed anything: no message lost or doubled, no end, one session, both ends on the same line. */
function expectWhole(pair: Pair, fromClient: readonly string[], fromServer: readonly string[]): void {
  expect([pair.server.messages, pair.client.messages]).toEqual([fromClient, fromServer]);
  for (const end of [pair.client, pair.server]) {
    expect([end.of("closed"), end.of("dropped"), end.of("established").length]).toEqual([[], [], 1]);
    expect(end.of("delivered")).toHaveLength((end === pair.client ? fromClient : fromServer).length);
  }
  expect([pair.host.registry.size, pair.host.registry.parkedCount]).toEqual([1, 0]);
  expect(pair.server.lines.get(pair.server.session.line ?? -1)).toBe(lineOf(pair));
  expectBaseline(pair);
}

/** Lets time pass until another line is dialled. */
function untilDial(pair: Pair): Line {
  const { length } = dials(pair);
  for (let i = 0; i < 20_000 && dials(pair).length === length; i++) pair.run(5);
  return pair.lines.at(-1) as Line;
}

/** Lets the line that carries the session, or is to, do so for a while, and cuts it. */
function live(pair: Pair, ms: number): void {
  for (let i = 0; i < 5000 && pair.client.session.stats.resumes < pair.client.of("detached").length; i++) pair.run(1);
  pair.run(ms).cut(lineOf(pair));
}

/** Lets both ends say something every 10 ms for a while, and gives what they have said. */
function chat(pair: Pair, ms: number, meanwhile: (at: number) => void = () => {}): [string[], string[]] {
  const said: [string[], string[]] = [[], []];
  for (let at = 0; at < ms; at += 10) {
    meanwhile(at);
    send(pair, pair.client, `c${at}`);
    send(pair, pair.server, `s${at}`);
    said[0].push(`c${at}`);
    said[1].push(`s${at}`);
    pair.run(10);
  }
  pair.run(90);
  return said;
}

describe("a first connection", () => {
  it("is a WebSocket, and nothing else, where that works", () => {
    const pair = racing().connect().run(5000);
    expect([dials(pair), kindOfCarrier(pair)]).toEqual([[[0, "websocket"]], "websocket"]);
    expectWhole(pair, [], []);
  });

  it.each([
    ["is refused", "down", 20],
    ["hangs", "hung", HEDGE_MS],
    ["opens and stays silent", "deaf", HEDGE_MS],
  ] as const)("goes over HTTP where the WebSocket %s", (_, network, at) => {
    const pair = racing();
    pair.network = network;
    pair.http = "up";
    pair.input(pair.client, (s, now) => s.start(now));
    send(pair, pair.client, "from the beginning");
    pair.run(at + 100);
    expect([dials(pair), kindOfCarrier(pair)]).toEqual([
      [
        [0, "websocket"],
        [at, "http"],
      ],
      "http",
    ]);
    expect([pair.client.at("greeted"), pair.client.at("established")]).toEqual([[at + 40], [at + 40]]);
    send(pair, pair.server, "and back");
    pair.run(100);
    expectWhole(pair, ["from the beginning"], ["and back"]);
  });

  it("goes over HTTP at once where the WebSocket is said to be blocked, but not where it has greeted since", () => {
    const pair = racing();
    pair.network = "deaf";
    pair.http = "up";
    pair.connect().run(300);
    pair.input(pair.client, (s, now) => s.hasten(1, now));
    pair.run(100);
    expect([dials(pair).at(-1), kindOfCarrier(pair)]).toEqual([[300, "http"], "http"]);
    const sound = racing().connect().run(50);
    sound.input(sound.client, (s, now) => s.hasten(1, now));
    sound.run(100);
    expect(dials(sound)).toEqual([[0, "websocket"]]);
  });

  it("HTTP-04: says nothing before WELCOME but HELLO, where nobody greets", () => {
    const pair = racing({ accepts: false, protocol: "chat" });
    pair.network = "hung";
    pair.http = "up";
    pair.connect();
    send(pair, pair.client, "waits");
    pair.run(1000);
    expect(pair.client.sent.map(({ number, frames }) => [number, frames.map(({ type }) => type)])).toEqual([
      [0, ["hello"]],
    ]);
    pair.accept().run(100);
    expect(pair.client.of("greeted")).toEqual([{ type: "greeted", line: 2, protocol: "chat" }]);
    expectWhole(pair, ["waits"], []);
  });

  it("asks once on each line, one behind the other", () => {
    // The greeting is late: HTTP has asked by then.
    const pair = racing({ delayMs: 800 }).connect().run(10_000);
    expect(epochs(pair)).toEqual([
      [1, 1],
      [0, 2],
    ]);
    expect([dials(pair).length, kindOfCarrier(pair)]).toEqual([2, "websocket"]);
    expect(pair.client.story.filter((type) => type === "greeted" || type === "detached")).toEqual([
      "greeted",
      "greeted",
    ]);
    expectWhole(pair, [], []);
  });

  it("takes a hedge back that has not spoken when the WebSocket greets", () => {
    const pair = racing({ delayMs: 800, auth: "pending" }).connect().run(1000);
    expect([dials(pair).length, pair.client.of("abandoned")]).toEqual([
      2,
      [{ type: "abandoned", line: 2, transportCode: 1000 }],
    ]);
    pair.input(pair.client, (s, now) => s.provideAuth(2, undefined, now));
    pair.input(pair.client, (s, now) => s.provideAuth(1, undefined, now));
    pair.run(5000);
    expect([epochs(pair), kindOfCarrier(pair)]).toEqual([[[0, 1]], "websocket"]);
    expectWhole(pair, [], []);
  });

  it("HSK-04: makes one session, in whatever order its transports arrive, and no message comes twice", () => {
    const carriers = new Set<string | undefined>();
    const orders = new Set<string>();
    for (let seed = 1; seed <= 150; seed++) {
      let x = seed;
      const delayMs = () => {
        x = (Math.imul(x, 1103515245) + 12345) >>> 0;
        return 5 + ((x >>> 16) % 1500);
      };
      const pair = racing({ delayMs }).connect();
      for (const value of ["one", "two", "three"]) send(pair, pair.client, value);
      pair.run(3000);
      if (pair.server.hasSession) send(pair, pair.server, "down");
      pair.run(20_000);
      expect(pair.server.messages).toEqual(["one", "two", "three"]);
      expectWhole(pair, ["one", "two", "three"], pair.client.messages as string[]);
      carriers.add(kindOfCarrier(pair));
      orders.add(
        pair.server
          .of("hello")
          .map(({ hello }) => hello.epoch)
          .join(),
      );
    }
    for (const order of ["1", "1,2", "2,1"]) expect(orders).toContain(order);
    expect(carriers.has("websocket")).toBe(true);
  });

  it("goes on with what has left as early data on a WebSocket that HTTP has overtaken for a moment", () => {
    const late = racing({ accepts: false, delayMs: 800 }).connect();
    send(late, late.client, "early");
    late.run(2000);
    const [websocket, http] = late.lines as [Line, Line];
    expect(late.client.numberedSent.map(({ line }) => line)).toEqual([0]);
    late.host.accept(http);
    late.run(900);
    // The transport takes nothing for a while: what is acknowledged now has left on it before.
    late.client.budgetBytes = 0;
    late.host.accept(websocket);
    late.run(2000);
    late.client.budgetBytes = 1 << 20;
    late.run(3000);
    expect(late.client.of("resumed")).toEqual([{ type: "resumed", line: 1 }]);
    expect(kindOfCarrier(late)).toBe("websocket");
    expectWhole(late, ["early"], []);
  });

  it("tries another WebSocket when one is outrun that has not been answered", () => {
    const pair = racing({ delayMs: 800 }).connect();
    pair.run(1000);
    const [websocket, http] = pair.lines as [Line, Line];
    // It has greeted, and its HELLO, which was the later one, is lost.
    pair.lose(websocket);
    pair.run(1400);
    expect(kindOfCarrier(pair)).toBe("http");
    // It is all there is for a moment; then HTTP carries the session again, by a HELLO that is later still.
    pair.cut(http);
    pair.run(2000);
    pair.network = "up";
    pair.run(4000);
    expect(epochs(pair).map(([line]) => line)).toEqual([1, 0, 2, 3]);
    pair.run(5000);
    expect(kindOfCarrier(pair)).toBe("websocket");
    expectWhole(pair, [], []);
  });

  it("RES-04: over HTTP takes nothing up that another server may have read", () => {
    for (const restarts of [false, true]) {
      const pair = racing({ accepts: false, delayMs: 800 }).connect();
      send(pair, pair.client, "early");
      pair.run(900);
      // The WebSocket has greeted, and what is behind its HELLO gets lost with it.
      pair.cut(pair.lines[0]);
      if (restarts) pair.restart();
      pair.network = "hung";
      pair.http = "up";
      pair.accepts = true;
      pair.run(20_000);
      if (restarts) {
        expect(pair.client.of("closed")).toMatchObject([{ code: 1006, error: { code: "ERR_SESSION_LOST" } }]);
        expect(pair.client.of("dropped")).toMatchObject([{ fate: "unknown" }]);
      } else {
        expectWhole(pair, ["early"], []);
      }
    }
  });

  it("RES-13: is refused once the newest HELLO is, and none is unanswered", () => {
    const pair = racing({ accepts: false, delayMs: 800 }).connect();
    send(pair, pair.client, "never");
    pair.run(1700);
    const [websocket, http] = pair.lines as [Line, Line];
    pair.host.refuse(websocket);
    pair.run(900);
    expect([pair.client.of("closed"), pair.client.of("detached").length]).toEqual([[], 1]);
    pair.host.refuse(http);
    pair.run(900);
    expect(pair.client.of("closed")).toMatchObject([
      { code: 1008, reason: "unauthorized", error: { code: "ERR_REFUSED" } },
    ]);
    expect(pair.client.of("dropped")).toMatchObject([{ fate: "never-written" }]);
    expectBaseline(pair);
  });

  it("RES-17: asks again where only an older HELLO was refused, and nobody knows of the newest", () => {
    const pair = racing({ accepts: false, delayMs: 800 }).connect().run(1700);
    const [websocket, http] = pair.lines as [Line, Line];
    expect(epochs(pair)).toEqual([
      [1, 1],
      [0, 2],
    ]);
    pair.cut(websocket);
    pair.host.refuse(http);
    pair.run(900);
    expect(pair.client.of("closed")).toEqual([]);
    pair.accepts = true;
    pair.run(10_000);
    expectWhole(pair, [], []);
  });

  it("does not ask over HTTP where the server itself turns the WebSocket away", () => {
    const pair = racing({ accepts: false }).connect().run(100);
    pair.refuse(1012, "").run(100);
    expect(dials(pair)).toHaveLength(1);
    expect(pair.client.of("detached")).toHaveLength(1);
  });

  it("HSK-10: asks over HTTP where the server has waited in vain, as the HELLO may not have come through", () => {
    const pair = racing({ accepts: false }).connect().run(100);
    pair.refuse(1013, "").run(100);
    expect(dials(pair).map(([, kind]) => kind)).toEqual(["websocket", "http"]);
  });

  it("fails only when both kinds have, where it may not try again", () => {
    const pair = racing({ dial: { kinds: KINDS, retriesFirst: false } });
    pair.network = "down";
    pair.connect().run(1000);
    expect([dials(pair).length, pair.client.of("closed")]).toMatchObject([
      2,
      [{ code: 1006, error: { code: "ERR_CONNECT_FAILED" } }],
    ]);
  });

  it("ends what is under way when the application gives up, so that nobody is let in for nothing", () => {
    const pair = racing({ accepts: false, delayMs: 800 }).connect().run(1700);
    pair.input(pair.client, (s, now) => s.abort(4000, "", new Error("over") as never, now));
    pair.accepts = true;
    pair.accept().run(3000);
    for (const line of [0, 1]) {
      expect(pair.client.sent.filter((batch) => batch.line === line).at(-1)?.frames).toMatchObject([
        { type: "abort", code: 4000 },
      ]);
    }
    expect(pair.host.registry.parkedCount).toBe(0);
  });
});

describe("RES-17: an upgrade", () => {
  it("takes the session to a WebSocket while it goes on, and the application sees nothing", () => {
    const pair = onHttp();
    pair.network = "up";
    const before = chat(pair, 1000);
    pair.run(PROBE_MS - 1300);
    const story = pair.client.events.length;
    const [up, down] = chat(pair, 1000);
    expect(kindOfCarrier(pair)).toBe("websocket");
    const types = pair.client.events.slice(story).map(({ event }) => event.type);
    expect(types.filter((type) => !["message", "written", "delivered", "progress", "started"].includes(type))).toEqual([
      "dial",
      "introduce",
      "abandoned",
      "resumed",
    ]);
    expectWhole(pair, [...before[0], ...up], [...before[1], ...down]);
  });

  it("RES-18: proves itself before it asks: 2 KiB up and 2 KiB down", () => {
    const pair = onHttp();
    pair.network = "up";
    pair.run(PROBE_MS + 500);
    const line = pair.lines.at(-1) as Line;
    const sent = pair.client.sent.filter((batch) => batch.line === line.index).map(({ frames }) => frames);
    expect(sent[0]?.map(({ type }) => type)).toEqual(Array(16).fill("ping"));
    expect(sent[1]?.map(({ type }) => type)).toEqual(["hello"]);
    const proof = pair.client.batchesSent.find((batch) => batch.line === line)?.batch;
    expect(proof?.length).toBeGreaterThan(2000);
    expect(line.heard[1]?.length).toBeGreaterThan(2000);
  });

  it.each(["deaf", "mute"] as const)("that %s says nothing disturbs nobody, and another is tried later", (how) => {
    const pair = onHttp();
    pair.network = how === "deaf" ? "deaf" : "up";
    const line = untilDial(pair);
    // It greets, and then nothing gets through.
    if (how === "mute") pair.lose(line);
    const [up, down] = chat(pair, 11_000);
    expect(epochs(pair)).toHaveLength(1);
    expect(pair.client.of("abandoned")).toEqual([{ type: "abandoned", line: 3, transportCode: 1000 }]);
    expect(kindOfCarrier(pair)).toBe("http");
    pair.network = "up";
    pair.run(61_000);
    expect(kindOfCarrier(pair)).toBe("websocket");
    expectWhole(pair, up, down);
  });

  it("whose WELCOME gets lost costs a moment, and no message", () => {
    const pair = onHttp();
    pair.network = "up";
    untilDial(pair);
    const [up, down] = chat(pair, 8000, (at) => {
      // HELLO has left, and is on the line.
      const line = pair.lines[2];
      if (line?.taker !== undefined && !line.isLost && at > 0) pair.lose(line);
    });
    expect(pair.client.of("abandoned").map(({ line }) => line)).toEqual([2, 3]);
    expect(kindOfCarrier(pair)).toBe("http");
    pair.network = "down";
    pair.run(20_000);
    expect(kindOfCarrier(pair)).toBe("http");
    expectWhole(pair, up, down);
  });

  it("RES-05: may be let in late: what has been acknowledged since does not matter", () => {
    const pair = onHttp();
    pair.network = "up";
    untilDial(pair);
    pair.accepts = false;
    const [up, down] = chat(pair, 3000);
    expect([kindOfCarrier(pair), epochs(pair).length]).toEqual(["http", 2]);
    pair.accept();
    const [more, back] = chat(pair, 500);
    expect(kindOfCarrier(pair)).toBe("websocket");
    expectWhole(pair, [...up, ...more], [...down, ...back]);
  });

  it("CHN-10: acknowledges nothing before a channel that was opened while it was asked for", () => {
    const pair = onHttp();
    pair.network = "up";
    const channel = pair.input(pair.server, (s, now) => s.openChannel("x", "normal", now));
    pair.input(pair.server, (s, now) => s.send(channel, text("hello"), now));
    untilDial(pair);
    pair.accepts = false;
    pair.run(500);
    // No more may leave early, be it small, so that what follows is not copied.
    for (let size = EARLY_BYTES_MAX; size >= 1; size /= 2) {
      for (let i = 0; i < 2; i++) {
        pair.input(pair.client, (s, now) => s.send(0, binary(size), now));
        pair.run(60);
      }
    }
    const mine = pair.client.of("channel")[0]?.channel as number;
    // The old line carries what is said from here on no further than to the server's door.
    const [http, websocket] = [pair.lines[1], pair.lines[2]] as [Line, Line];
    pair.input(pair.server, (s, now) => s.closeChannel(channel, now));
    pair.run(5);
    pair.input(pair.client, (s, now) => s.send(mine, text("late"), now));
    pair.run(10);
    pair.host.accept(websocket);
    pair.run(2000);
    expect(http.endedBy.size).toBeGreaterThan(0);
    const said = pair.client.sent.filter(({ line }) => line === websocket.index).flatMap(({ frames }) => frames);
    const acks = said.flatMap((frame) => (frame.type === "ack" ? [frame.number] : []));
    const order = said.map(({ type }) => type).filter((type) => type === "ack" || type === "channel-open");
    expect(order.slice(0, 2)).toEqual(["ack", "channel-open"]);
    expect(acks[0]).toBe(0);
    expect(acks.at(-1)).toBeGreaterThan(0);
    expect(pair.server.messages.at(-1)).toBe("late");
    expect(pair.server.of("channel-closed")).toHaveLength(1);
    expect(pair.client.of("channel-closed")).toHaveLength(1);
  });

  it("that is refused leaves the session where it is, and is tried again soon", () => {
    const pair = onHttp();
    pair.network = "up";
    untilDial(pair);
    pair.accepts = false;
    pair.run(500);
    pair.host.refuse(pair.lines.at(-1) as Line);
    pair.run(100);
    expect([kindOfCarrier(pair), pair.client.of("abandoned").length, dials(pair).length]).toEqual(["http", 1, 3]);
    pair.accepts = true;
    pair.run(61_000);
    expect([kindOfCarrier(pair), dials(pair).length]).toEqual(["websocket", 4]);
    expectWhole(pair, [], []);
  });

  it("that breaks the protocol ends, and nothing else does", () => {
    const batches = [Uint8Array.of(0, 0x7f), Uint8Array.of(1, 0x13, 0), Uint8Array.of(), new Uint8Array(100_000)];
    for (const batch of batches) {
      const pair = onHttp();
      pair.network = "up";
      untilDial(pair);
      pair.say(pair.lines.at(-1) as Line, batch, "server");
      pair.run(100);
      expect([pair.client.of("abandoned").length, kindOfCarrier(pair)]).toEqual([1, "http"]);
      expect(pair.client.framesSentOf("abort")).toEqual([]);
      const [up, down] = chat(pair, 100);
      pair.run(100);
      expectWhole(pair, up, down);
    }
  });

  it("sends on both lines from its HELLO on, so that nothing pauses", () => {
    const pair = onHttp();
    pair.network = "up";
    untilDial(pair);
    const [up, down] = chat(pair, 1000);
    expect(kindOfCarrier(pair)).toBe("websocket");
    for (const end of [pair.client, pair.server]) {
      const arrivals = end.at("message");
      const gaps = arrivals.slice(1).map((at, index) => at - (arrivals[index] as number));
      // Both say something every 10 ms, and a round trip takes 40.
      expect(arrivals).toHaveLength(100);
      expect(Math.max(...gaps)).toBeLessThanOrEqual(20);
    }
    expectWhole(pair, up, down);
  });

  it("HSK-07: has no more than 32 KiB leave early, and loses nothing of what does not", () => {
    const pair = onHttp();
    pair.network = "up";
    untilDial(pair);
    pair.accepts = false;
    pair.run(300);
    pair.input(pair.client, (s, now) => s.send(0, binary(3 * EARLY_BYTES_MAX), now));
    pair.run(500);
    const websocket = pair.lines[2] as Line;
    const copies = pair.client.batchesSent.filter(({ line }) => line === websocket).slice(2);
    const copiedBytes = copies.reduce((sum, { batch }) => sum + batch.length, 0);
    expect(copiedBytes).toBeLessThanOrEqual(EARLY_BYTES_MAX);
    expect(copiedBytes).toBeGreaterThan(EARLY_BYTES_MAX / 2);
    pair.host.accept(websocket);
    pair.run(2000);
    expect(pair.server.messages).toHaveLength(1);
    expect(pair.server.of("message")[0]?.data).toEqual(binary(3 * EARLY_BYTES_MAX).bytes);
    expect(kindOfCarrier(pair)).toBe("websocket");
  });

  it("RES-05: copies no ack that tells more than its HELLO", () => {
    const pair = onHttp();
    pair.network = "up";
    const line = untilDial(pair);
    pair.accepts = false;
    const [up, down] = chat(pair, 1000);
    const copies = pair.client.numberedSent.filter((batch) => batch.line === line.index);
    expect(copies.length).toBeGreaterThan(50);
    const acks = copies.slice(10).flatMap(({ frames }) => frames.filter(({ type }) => type === "ack"));
    expect(acks).toEqual([]);
    pair.accept().run(500);
    expect(kindOfCarrier(pair)).toBe("websocket");
    expectWhole(pair, up, down);
  });

  it("that is refused has had copies, which nobody has read", () => {
    const pair = onHttp();
    pair.network = "up";
    const line = untilDial(pair);
    pair.accepts = false;
    const said = chat(pair, 500, (at) => {
      if (at === 300) pair.host.refuse(line);
    });
    expect([kindOfCarrier(pair), pair.client.of("abandoned").length]).toEqual(["http", 1]);
    expectWhole(pair, ...said);
  });

  it("is not tried where the session cannot have another transport", () => {
    const pair = racing({ serverLimits: { resumeWindowMs: 0 } });
    pair.network = "down";
    pair.http = "up";
    pair.connect().run(200);
    pair.network = "up";
    pair.run(120_000);
    expect([kindOfCarrier(pair), dials(pair).length]).toEqual(["http", 2]);
  });

  it("is left with everything else when the page sleeps, and the session comes back", () => {
    const pair = onHttp();
    pair.network = "up";
    untilDial(pair);
    pair.input(pair.client, (s, now) => s.suspend(now));
    expect([pair.client.of("abandoned").length, pair.client.of("detached").length]).toEqual([1, 2]);
    expect(pair.client.framesSentOf("detach")).toHaveLength(1);
    pair.run(1000);
    expect(pair.client.session.nextDeadline()).toBeGreaterThan(pair.now + 100_000);
    pair.input(pair.client, (s, now) => s.wake(now));
    pair.run(1000);
    expectWhole(pair, [], []);
  });

  it("goes on where its carrier dies meanwhile, and has nothing to prove any more", () => {
    const pair = onHttp();
    pair.network = "up";
    untilDial(pair);
    pair.http = "hung";
    const dialled = dials(pair).length;
    send(pair, pair.client, "on its way");
    pair.cut(pair.lines[1]);
    pair.run(200);
    expect([kindOfCarrier(pair), dials(pair).length]).toEqual(["websocket", dialled]);
    expectWhole(pair, ["on its way"], []);
  });
});

describe("RES-12: what a client learns of its network", () => {
  it("goes over HTTP after two WebSockets that have lived shortly, and only if that carries", () => {
    const pair = racing().connect().run(100);
    for (let i = 0; i < 2; i++) live(pair, 900);
    pair.run(1000);
    expect([kindOfCarrier(pair), dials(pair).map(([, kind]) => kind)]).toEqual([
      "http",
      ["websocket", "websocket", "http"],
    ]);
    expectWhole(pair, [], []);
  });

  it("keeps a line alive that dies of silence", () => {
    const pair = racing({ serverLimits: { heartbeatMs: 25_000 } })
      .connect()
      .run(100);
    for (let i = 0; i < 3; i++) live(pair, 4000);
    pair.run(4000);
    expect(kindOfCarrier(pair)).toBe("websocket");
    const before = pair.client.framesSentOf("ping").length;
    pair.run(10_000);
    expect(pair.client.framesSentOf("ping").length).toBeGreaterThanOrEqual(before + 3);
    expectWhole(pair, [], []);
  });

  it("replaces a WebSocket before the age that they die at", () => {
    const pair = racing().connect().run(100);
    /** Something is said now and then, so that nobody can take it for silence that kills. */
    const busy = (seconds: number) => {
      for (let i = 0; i < seconds; i++) {
        send(pair, pair.client, "tick");
        pair.run(1000);
      }
    };
    for (let i = 0; i < 3; i++) {
      busy(30);
      pair.cut(lineOf(pair)).run(1000);
    }
    const detached = pair.client.of("detached").length;
    const dialled = dials(pair).length;
    busy(60);
    expect([pair.client.of("detached").length, dials(pair).length]).toEqual([detached, dialled + 2]);
    expect(kindOfCarrier(pair)).toBe("websocket");
  });
});
