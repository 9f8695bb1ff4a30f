import { describe, expect, it } from "vitest";
import { SluiceError } from "../../../src/core/error.js";
import { Parameter } from "../../../src/core/wire/frame.js";
import { readHello, readWelcome } from "../../../src/core/wire/handshake.js";
import { UNANNOUNCED_LIMITS } from "../../../src/core/wire/parameters.js";
import { expectBaseline } from "../../support/baseline.js";
import { binary, type End, type EndEvent, Pair, source, text } from "../../support/pair.js";

const KIB = 1024;
const connected = (options = {}) => new Pair(options).connect().run(100);
const send = (pair: Pair, end: End, value: string) => pair.input(end, (s, now) => s.send(0, text(value), now));
const hellos = (pair: Pair) =>
  pair.client.framesSentOf("hello").map(({ parameters }) => {
    const hello = readHello(parameters, UNANNOUNCED_LIMITS);
    if ("code" in hello) throw new Error(hello.reason);
    return hello;
  });
const welcomes = (pair: Pair) =>
  pair.server.framesSentOf("welcome").map(({ parameters }) => {
    const welcome = readWelcome(parameters, UNANNOUNCED_LIMITS);
    if ("code" in welcome) throw new Error(welcome.reason);
    return welcome;
  });
/** Batches that left on line `index`, by number, the handshake left out. */
const numbersOn = (end: End, index: number) =>
  end.sent.filter(({ line, number }) => line === index && number > 0).map(({ number }) => number);

/** Nobody has noticed anything: no message lost or doubled, no end, no second session. */
function expectUnnoticed(pair: Pair, fromClient: readonly string[], fromServer: readonly string[]): void {
  expect([pair.server.messages, pair.client.messages]).toEqual([fromClient, fromServer]);
  for (const end of [pair.client, pair.server]) {
    expect([end.of("closed"), end.of("dropped"), end.of("established").length]).toEqual([[], [], 1]);
    expect(end.of("delivered")).toHaveLength((end === pair.client ? fromClient : fromServer).length);
  }
  expect([pair.host.registry.size, pair.host.registry.parkedCount]).toEqual([1, 0]);
  expectBaseline(pair);
}

describe("RES-01: a session outlives its transport", () => {
  it("with nothing said and nothing to say", () => {
    const pair = connected().cut().run(1000);
    expect(pair.client.story.slice(4)).toEqual(["detached", "dial", "greeted", "introduce", "resumed"]);
    expect(pair.server.story.slice(3)).toEqual(["detached", "hello", "resumed", "confirmed"]);
    expect(pair.client.of("resumed")).toEqual([{ type: "resumed", line: 2 }]);
    expect([pair.client.session.stats.resumes, pair.server.session.stats.resumes]).toEqual([1, 1]);
    expectUnnoticed(pair, [], []);
  });

  it("and delivers what was on the line, what was sent meanwhile, and what is sent afterwards, both ways", () => {
    const pair = connected();
    for (const end of [pair.client, pair.server]) send(pair, end, "on the line");
    pair.cut();
    for (const end of [pair.client, pair.server]) send(pair, end, "meanwhile");
    pair.run(1000);
    for (const end of [pair.client, pair.server]) send(pair, end, "afterwards");
    pair.run(200);
    expectUnnoticed(pair, ["on the line", "meanwhile", "afterwards"], ["on the line", "meanwhile", "afterwards"]);
  });

  it("again and again", () => {
    const pair = connected();
    const said: string[] = [];
    for (let i = 0; i < 20; i++) {
      said.push(`${i}`);
      for (const end of [pair.client, pair.server]) send(pair, end, `${i}`);
      pair
        .run(i * 3)
        .cut()
        .run(700);
    }
    pair.run(20_000);
    expect(pair.client.session.stats.resumes).toBe(20);
    expectUnnoticed(pair, said, said);
  });

  it("cut at any moment of the conversation, also in the middle of a resume", () => {
    let resumed = 0;
    for (let ms = 0; ms <= 560; ms += 7) {
      const pair = new Pair({ rateBitsPerSecond: 10e6 });
      const said = ["a", "b", "c", "d"];
      send(pair, pair.client, "a");
      pair.connect();
      pair.server.react = ({ type }) => {
        if (type === "established") for (const value of said) send(pair, pair.server, value);
      };
      send(pair, pair.client, "b");
      pair.run(ms).cut();
      send(pair, pair.client, "c");
      pair.run(ms).cut();
      send(pair, pair.client, "d");
      pair.run(20_000);
      resumed += pair.client.session.stats.resumes;
      expectUnnoticed(pair, said, said);
    }
    expect(resumed).toBeGreaterThan(80);
  });

  it("with messages of every size under way in both directions, byte for byte", () => {
    for (const ms of [15, 40, 95, 200, 333]) {
      const pair = connected({ rateBitsPerSecond: 10e6 });
      const sizes = [0, 70_000, 1, 300_000, 16_384, 5];
      for (const end of [pair.client, pair.server]) {
        for (const [i, size] of sizes.entries()) pair.input(end, (s, now) => s.send(0, binary(size, i + 1), now));
      }
      pair.run(ms).cut().run(3000);
      for (const end of [pair.client, pair.server]) {
        expect(end.messages.map(({ length }) => length)).toEqual(sizes);
        for (const [i, size] of sizes.entries()) {
          expect(Buffer.compare(end.messages[i] as Uint8Array, binary(size, i + 1).bytes)).toBe(0);
        }
        expect(end.of("delivered")).toHaveLength(sizes.length);
      }
      expectBaseline(pair);
    }
  });

  it("with a source that is read on as if nothing had been", () => {
    const pair = connected({ rateBitsPerSecond: 10e6 });
    const { bytes } = binary(600_000);
    const offsets: number[] = [];
    pair.client.react = (event: EndEvent) => {
      if (event.type !== "pull") return;
      offsets.push(event.offset);
      const piece = bytes.slice(event.offset, event.offset + 64 * KIB);
      const ended = event.offset + piece.length === bytes.length;
      pair.input(pair.client, (s, now) => s.supply(event.message, piece, ended, now));
    };
    pair.input(pair.client, (s, now) => s.send(0, source(bytes.length), now));
    for (let i = 0; i < 4; i++) pair.run(120).cut().run(400);
    pair.run(20_000);
    expect(Buffer.compare(pair.server.messages[0] as Uint8Array, bytes)).toBe(0);
    // No byte is read twice: what has left is kept.
    expect(offsets).toEqual(Array.from({ length: 10 }, (_, i) => i * 64 * KIB));
    expectBaseline(pair);
  });

  it("with channels that open and close meanwhile", () => {
    for (const ms of [0, 10, 25, 45, 70]) {
      const pair = connected();
      const key = pair.input(pair.client, (s, now) => s.openChannel("x", "high", now));
      pair.input(pair.client, (s, now) => s.send(key, text("one"), now));
      pair.run(ms).cut();
      pair.input(pair.client, (s, now) => s.send(key, text("two"), now));
      pair.input(pair.client, (s, now) => s.closeChannel(key, now));
      pair
        .run(ms + 300)
        .cut()
        .run(20_000);
      expect(pair.server.messages).toEqual(["one", "two"]);
      for (const end of [pair.client, pair.server]) expect(end.of("channel-closed")).toHaveLength(1);
      const again = pair.input(pair.client, (s, now) => s.openChannel("x", "low", now));
      pair.input(pair.client, (s, now) => s.send(again, text("three"), now));
      pair.run(200);
      expect(pair.server.messages).toEqual(["one", "two", "three"]);
      expect(pair.client.of("closed")).toEqual([]);
      expectBaseline(pair);
    }
  });

  it("CHN-10: with a channel that one end opens again, while the other one's answer on the old one is still to come", () => {
    for (const [ms, again] of [
      [15, 45],
      [15, 60],
      [15, 200],
      [20, 45],
      [25, 60],
      [41, 45],
      [41, 100],
    ] as const) {
      const pair = connected();
      pair.server.react = (event) => {
        if (event.type !== "channel") return;
        // An answer to each channel, which has not left before the line is cut.
        pair.input(pair.server, (s, now) => s.send(event.channel, text(`to ${event.channel}`), now));
      };
      const key = pair.input(pair.client, (s, now) => s.openChannel("x", "normal", now));
      pair.input(pair.client, (s, now) => s.closeChannel(key, now));
      pair
        .run(ms)
        .cut()
        .run(250 + again);
      for (let tries = 0; tries < 20; tries++) {
        try {
          pair.input(pair.client, (s, now) => s.openChannel("x", "normal", now));
          break;
        } catch {
          pair.run(10);
        }
      }
      pair.run(2000);
      expect([pair.client.of("closed"), pair.server.of("closed")]).toEqual([[], []]);
      // Whatever comes on the old channel comes on the old channel, and it is told of no third one.
      expect(pair.client.of("message").map(({ channel }) => channel)[0]).toBe(key);
      expect([pair.server.of("channel").length, pair.client.of("channel").length]).toEqual([2, 0]);
      expect(pair.client.messages).toHaveLength(2);
      expectBaseline(pair);
    }
  });

  it("MSG-07: with a message that is taken back while there is no line", () => {
    const pair = connected({ rateBitsPerSecond: 10e6 });
    const id = pair.input(pair.client, (s, now) => s.send(0, binary(500_000), now));
    pair.run(100).cut();
    expect(pair.input(pair.client, (s, now) => s.cancel(id, now))).toBe(true);
    send(pair, pair.client, "next");
    pair.run(2000);
    expect([pair.server.messages, pair.client.of("closed")]).toEqual([["next"], []]);
    expectBaseline(pair);
  });

  it("LIM-07: with the limits that it began with", () => {
    const pair = connected({ clientLimits: { messageBytesMax: 5000 } });
    pair.cut().run(1000);
    expect(() => pair.server.session.send(0, binary(5001), pair.now)).toThrow(
      expect.objectContaining({ code: "ERR_MESSAGE_TOO_LARGE" }),
    );
  });
});

describe("RES-05, RES-06: what goes over the line", () => {
  it("HELLO names session, token and counter, and each WELCOME brings another token", () => {
    const pair = connected();
    for (const value of ["a", "b"]) {
      send(pair, pair.server, value);
      pair.run(50);
    }
    pair.cut().run(1000).cut().run(1000);
    const [first, second, third] = hellos(pair);
    expect([first?.epoch, second?.epoch, third?.epoch]).toEqual([1, 2, 3]);
    expect([first?.resume, first?.received]).toEqual([undefined, undefined]);
    const known = welcomes(pair);
    expect(known.map(({ token }) => token?.[0])).toEqual([0x41, 0x42, 0x43]);
    const [sessionId] = known.map((welcome) => welcome.sessionId);
    expect(second).toMatchObject({ resume: { sessionId, token: known[0]?.token }, received: 2 });
    expect(third).toMatchObject({ resume: { sessionId, token: known[1]?.token }, received: 2 });
    expect(new Set(hellos(pair).map(({ attemptId }) => attemptId.join()))).toHaveProperty("size", 1);
  });

  it("what the peer has said it has received is not sent again, and what it has not is, unchanged", () => {
    const pair = connected();
    for (const value of ["a", "b", "c"]) {
      send(pair, pair.client, value);
      pair.run(5);
    }
    // The first two have arrived, no ack has come back.
    pair.run(11).cut();
    expect(pair.server.messages).toEqual(["a", "b"]);
    pair.network = "deaf";
    pair.run(500);
    pair.network = "up";
    pair.run(15_000);
    expect(pair.server.messages).toEqual(["a", "b", "c"]);
    // Before the WELCOME the client cannot know, and repeats them as early data.
    const last = pair.lines.length - 1;
    expect(numbersOn(pair.client, last)).toEqual([1, 2, 3]);
    const batches = pair.client.batchesSent.filter(({ batch }) => batch[0] === 1).map(({ batch }) => batch.join());
    expect([batches.length, new Set(batches).size]).toEqual([2, 1]);
    expectBaseline(pair);
  });

  it("HSK-07: repeats 32 KiB at the most before WELCOME, and afterwards skips what WELCOME says", () => {
    const pair = connected({ rateBitsPerSecond: 10e6, serverLimits: { handshakeTimeoutMs: 20_000 } });
    pair.input(pair.client, (s, now) => s.send(0, binary(500_000), now));
    pair.run(70).cut();
    pair.accepts = false;
    pair.run(1000);
    const early = pair.client.sent.filter(({ line, number }) => line === 1 && number > 0);
    const earlyBytes = early.reduce((sum, { bytes }) => sum + bytes, 0);
    expect(earlyBytes).toBeLessThanOrEqual(32 * KIB);
    expect(earlyBytes).toBeGreaterThan(0);
    const received = welcomes(pair.accept()).at(-1)?.received ?? 0;
    pair.run(5000);
    const numbers = numbersOn(pair.client, 1);
    expect(numbers.slice(early.length)[0]).toBe(Math.max(received, early.at(-1)?.number ?? 0) + 1);
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(pair.server.messages).toHaveLength(1);
    expectBaseline(pair);
  });

  it("RES-02: behind WELCOME the client says at once what it has, and no ack before", () => {
    const pair = connected();
    send(pair, pair.client, "a");
    send(pair, pair.server, "b");
    pair.run(25).cut();
    send(pair, pair.client, "c");
    pair.run(1000);
    const types = pair.client.sent
      .filter(({ line }) => line === 1)
      .map(({ number, frames }) => [number, frames[0]?.type]);
    // Whichever is first behind the WELCOME, everything numbered before it carries no ack.
    expect(types.slice(0, 4)).toEqual([
      [0, "hello"],
      [1, "chunk"],
      [2, "chunk"],
      [0, "ack"],
    ]);
    expect(pair.server.at("confirmed")).toHaveLength(2);
  });

  it("RES-05: RECEIVED of the handshake delivers messages whose ack was lost", () => {
    const pair = connected();
    const ids = [send(pair, pair.client, "c"), send(pair, pair.server, "s")];
    pair.run(25).cut();
    expect([pair.client.of("delivered"), pair.server.of("delivered")]).toEqual([[], []]);
    pair.run(1000);
    for (const [i, end] of [pair.client, pair.server].entries()) {
      expect(end.of("delivered")).toEqual([{ type: "delivered", message: ids[i] }]);
      expect(end.story.lastIndexOf("resumed")).toBeLessThan(end.story.indexOf("delivered"));
    }
    expect([pair.server.messages, pair.client.messages]).toEqual([["c"], ["s"]]);
  });

  it("keeps what is not acknowledged within its bound, however long the line is away, and loses nothing", () => {
    const limits = { replayBytesMax: 150 * KIB };
    const pair = connected({ clientLimits: limits, serverLimits: limits });
    pair.network = "hung";
    pair.cut();
    for (const end of [pair.client, pair.server]) pair.input(end, (s, now) => s.send(0, binary(900_000), now));
    pair.network = "up";
    for (let i = 0; i < 12; i++) {
      pair.run(150).cut();
      for (const end of [pair.client, pair.server]) {
        expect(end.session.stats.inFlightBytes).toBeLessThanOrEqual(150 * KIB);
      }
    }
    pair.run(30_000);
    for (const end of [pair.client, pair.server]) expect(end.messages.map(({ length }) => length)).toEqual([900_000]);
    expectBaseline(pair);
  });

  it("numbers go on where they were, and bytes are counted once", () => {
    const pair = connected();
    for (let i = 0; i < 5; i++) {
      send(pair, pair.client, `${i}`);
      pair
        .run(i * 10)
        .cut()
        .run(1000);
    }
    const numbers = new Map(pair.client.numberedSent.map(({ number, bytes }) => [number, bytes]));
    expect([...numbers.keys()].sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5]);
    const sum = [...numbers.values()].reduce((a, b) => a + b, 0);
    expect([pair.client.session.stats.bytesSent, pair.server.session.stats.bytesReceived]).toEqual([sum, sum]);
  });
});

describe("RES-02, RES-04: a resume that is cut itself", () => {
  it("a lost WELCOME: the token before is still good, and the session is the same", () => {
    const pair = connected();
    send(pair, pair.client, "a");
    pair.run(200).cut();
    // HELLO arrives at 40 ms of the new line, WELCOME 20 ms later.
    pair.run(250 + 50).cut();
    expect([pair.server.of("resumed").length, pair.client.of("resumed").length]).toEqual([1, 0]);
    send(pair, pair.client, "b");
    pair.run(2000);
    const used = hellos(pair).map(({ resume }) => resume?.token[0]);
    expect(used).toEqual([undefined, 0x41, 0x41]);
    expectUnnoticed(pair, ["a", "b"], []);
  });

  it("a lost first WELCOME: the attempt is good once more, and no second session comes of it", () => {
    const pair = new Pair().connect();
    send(pair, pair.client, "early");
    pair.run(50).cut();
    expect([pair.server.messages, pair.client.of("established")]).toEqual([["early"], []]);
    pair.run(1000);
    expect(hellos(pair).map(({ epoch, resume, received }) => [epoch, resume, received])).toEqual([
      [1, undefined, undefined],
      [2, undefined, undefined],
    ]);
    expectUnnoticed(pair, ["early"], []);
  });

  it("a lost answer to WELCOME: the server keeps both tokens until it knows", () => {
    const pair = connected().cut();
    pair.run(250 + 60).cut();
    expect([pair.client.of("resumed").length, pair.server.of("confirmed").length]).toEqual([1, 1]);
    pair.run(2000);
    expect(hellos(pair).map(({ resume }) => resume?.token[0])).toEqual([undefined, 0x41, 0x42]);
    expectUnnoticed(pair, [], []);
  });
});

describe("RES-09: takeover", () => {
  it("where only the client has noticed that the line is dead", () => {
    const pair = connected();
    send(pair, pair.client, "a");
    pair.run(10).die(pair.client);
    send(pair, pair.client, "b");
    send(pair, pair.server, "c");
    expect(pair.server.of("detached")).toEqual([]);
    pair.run(1000);
    // The old transport is fenced before the new one gets its answer.
    expect(pair.server.story.filter((type) => type === "detached" || type === "resumed")).toEqual([
      "detached",
      "resumed",
    ]);
    expect(pair.server.of("detached")).toEqual([{ type: "detached", line: 1, transportCode: 1000 }]);
    expect(pair.lines[0]?.endedBy.has("server")).toBe(true);
    expectUnnoticed(pair, ["a", "b"], ["c"]);
  });

  it("what the old transport brings afterwards is not for the session any more", () => {
    const pair = connected();
    const old = pair.lines[0];
    if (old === undefined) throw new Error("no line");
    send(pair, pair.client, "a");
    const [late] = pair.client.batchesSent.slice(-1).map(({ batch }) => batch);
    pair.die(pair.client).run(1000);
    const before = [pair.server.events.length, pair.server.batchesSent.length];
    for (const batch of [late as Uint8Array, Uint8Array.of(9, 0xff), Uint8Array.of(0, 0xff), Uint8Array.of(0, 0x0a)]) {
      pair.say(old, batch, "client").say(old, batch, "server");
    }
    expect([pair.server.events.length, pair.server.batchesSent.length]).toEqual(before);
    pair.run(1000);
    expectUnnoticed(pair, ["a"], []);
  });

  it("the end of an old transport does not touch the new one, at either end", () => {
    const pair = connected();
    pair.die(pair.client).run(1000);
    const death = { wasClean: false, code: 1006, reason: "" };
    for (const end of [pair.client, pair.server]) {
      pair.input(end, (s, now) => s.handleTransportClosed(1, death, now));
      expect(end.of("detached").map(({ line }) => line)).toEqual([1]);
    }
    pair.run(100);
    expectUnnoticed(pair, [], []);
  });
});

describe("RES-13: a session that cannot be resumed", () => {
  it("is lost when the server has forgotten it, and each message has the fate that is true", () => {
    const pair = connected();
    const arrived = send(pair, pair.client, "arrived");
    pair.run(100);
    const open = [send(pair, pair.client, "on the line")];
    pair.run(30).restart();
    const meanwhile = send(pair, pair.client, "meanwhile");
    pair.run(5000);
    expect(pair.client.of("closed")).toMatchObject([
      { code: 1006, wasClean: false, error: { code: "ERR_SESSION_LOST", retryable: true } },
    ]);
    expect(pair.client.of("delivered").map(({ message }) => message)).toEqual([arrived]);
    // What was first sent behind the HELLO that was refused has not been read.
    expect(pair.client.of("dropped").map(({ message, fate }) => [message, fate])).toEqual([
      [open[0], "unknown"],
      [meanwhile, "never-written"],
    ]);
    expect(pair.client.numberedSent.filter(({ line }) => line === 1).map(({ number }) => number)).toEqual([2, 3]);
    expect(pair.server.messages).toEqual(["arrived", "on the line"]);
    expect([pair.host.registry.size, pair.client.of("dial").length]).toEqual([0, 2]);
    expectBaseline(pair);
  });

  it("RES-13: a message that had begun before is unknown, whatever of it left behind the refused HELLO", () => {
    const pair = connected({ rateBitsPerSecond: 10e6 });
    const begun = pair.input(pair.client, (s, now) => s.send(0, source(100_000), now));
    pair.input(pair.client, (s, now) => s.supply(begun, binary(30_000).bytes, false, now));
    pair.run(200).restart();
    pair.input(pair.client, (s, now) => s.supply(begun, binary(10_000).bytes, false, now));
    const queued = send(pair, pair.client, "behind it");
    pair.run(5000);
    expect(pair.client.of("dropped").map(({ message, fate }) => [message, fate])).toEqual([
      [begun, "unknown"],
      [queued, "never-written"],
    ]);
  });

  it("RES-04: a first attempt begins anew at a server that cannot have read anything of it", () => {
    const pair = new Pair({ auth: "pending" }).connect().run(100).restart();
    send(pair, pair.client, "a");
    pair.run(1000);
    pair.input(pair.client, (s, now) => s.provideAuth(2, undefined, now));
    pair.run(200);
    expect([pair.server.messages, pair.client.of("closed")]).toEqual([["a"], []]);
  });

  it("RES-04: and not at one where another process may have: the fates are unknown", () => {
    const pair = new Pair().connect();
    const id = send(pair, pair.client, "early");
    pair.run(50).restart().run(2000);
    expect(hellos(pair).map(({ resume, received }) => [resume, received])).toEqual([
      [undefined, undefined],
      [undefined, 0],
    ]);
    expect(pair.client.of("closed")).toMatchObject([{ error: { code: "ERR_SESSION_LOST" } }]);
    expect(pair.client.of("dropped")).toEqual([{ type: "dropped", message: id, fate: "unknown" }]);
    expect(pair.server.messages).toEqual(["early"]);
    expectBaseline(pair);
  });

  it("RES-11: expires at the server after its window, and the client is told when it comes too late", () => {
    const pair = connected({ serverLimits: { resumeWindowMs: 5000 } });
    send(pair, pair.server, "for nobody");
    pair.network = "hung";
    pair.cut().run(5000);
    expect(pair.server.of("closed")).toMatchObject([{ code: 1006, error: { code: "ERR_SESSION_LOST" } }]);
    expect(pair.server.of("dropped")).toMatchObject([{ fate: "unknown" }]);
    expect([pair.host.registry.size, pair.server.session.nextDeadline()]).toEqual([0, undefined]);
    pair.network = "up";
    pair.run(30_000);
    expect(pair.client.of("closed")).toMatchObject([{ code: 1006, error: { code: "ERR_SESSION_LOST" } }]);
    expect(pair.client.messages).toEqual([]);
    expectBaseline(pair);
  });

  it("RES-04: ends with an ABORT that is lost: the client is refused, and does not get a second session", () => {
    const pair = connected();
    pair.lose();
    const gone = pair.client.line;
    pair.input(pair.server, (s, now) => s.abort(4000, "go", new SluiceError("ERR_REFUSED", "go"), now));
    expect(pair.host.registry.size).toBe(0);
    pair.cut(gone).run(2000);
    expect(pair.client.of("closed")).toMatchObject([{ error: { code: "ERR_SESSION_LOST" } }]);
    expect([pair.host.registry.size, pair.server.of("established").length]).toEqual([0, 1]);
  });
});

describe("RES-11: the window", () => {
  it("is announced with the token, and neither where sessions are not kept", () => {
    const kept = connected({ serverLimits: { resumeWindowMs: 7000 } });
    const [welcome] = kept.server.framesSentOf("welcome");
    expect(welcome?.parameters.has(Parameter.RESUME_WINDOW_MS)).toBe(true);
    expect(welcomes(kept)).toMatchObject([{ resumeWindowMs: 7000 }]);
    expect(welcomes(connected({ serverLimits: { resumeWindowMs: 0 } }))).toMatchObject([
      { token: undefined, resumeWindowMs: 0 },
    ]);
  });
});
