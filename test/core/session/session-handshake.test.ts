import { describe, expect, it } from "vitest";
import { expectBaseline } from "../../support/baseline.js";
import { binary, type End, Pair, text } from "../../support/pair.js";

const KIB = 1024;
const send = (pair: Pair, end: End, value: string) => pair.input(end, (s, now) => s.send(0, text(value), now));
const codeOf = (end: End) => end.of("closed").map(({ code, error }) => [code, error?.code]);

describe("handshake", () => {
  it("HSK-01: opens on the greeting, one round trip after the transport, and is established by the welcome", () => {
    const pair = new Pair({ protocol: "chat.v2" }).connect().run(200);
    expect(pair.client.of("greeted")).toEqual([{ type: "greeted", line: 1, protocol: "chat.v2" }]);
    expect([pair.client.at("greeted"), pair.server.at("hello")]).toEqual([[20], [40]]);
    expect([pair.client.at("established"), pair.server.at("established")]).toEqual([[60], [40]]);
    for (const end of [pair.client, pair.server]) {
      expect(end.of("established")).toEqual([{ type: "established", sessionId: new Uint8Array(16).fill(2) }]);
    }
    expect(pair.server.story).toEqual(["hello", "established", "confirmed"]);
    expect(pair.client.story).toEqual(["dial", "greeted", "introduce", "established"]);
    // RES-02: the WELCOME has arrived as soon as an answer can have come.
    expect(pair.server.at("confirmed")).toEqual([80]);
    expectBaseline(pair);
  });

  it("HSK-09: no protocol chosen is the empty one, as on a native WebSocket", () => {
    expect(new Pair().connect().run(200).client.of("greeted")).toMatchObject([{ protocol: "" }]);
  });

  it("HSK-12: sends GREETING, HELLO and WELCOME each alone, and nothing else before them", () => {
    const pair = new Pair().connect().run(200);
    expect(pair.server.sent.map(({ frames }) => frames.map(({ type }) => type))).toEqual([["greeting"], ["welcome"]]);
    expect(pair.client.sent.map(({ frames }) => frames.map(({ type }) => type))).toEqual([["hello"], ["ack"]]);
  });

  it("HSK-01: a client says nothing on a transport that does not greet", () => {
    const pair = new Pair();
    pair.network = "deaf";
    pair.connect();
    send(pair, pair.client, "waits");
    pair.run(9999);
    expect(pair.client.batchesSent).toEqual([]);
    pair.run(1);
    expect(codeOf(pair.client)).toEqual([[1006, "ERR_CONNECT_FAILED"]]);
    expect(pair.client.batchesSent).toEqual([]);
    expect(pair.client.of("dropped")).toMatchObject([{ fate: "never-written" }]);
  });

  it("opens once, whatever else is told", () => {
    const pair = new Pair().connect().connect();
    pair.input(pair.client, (s, now) => s.handleTransportOpen(1, { batchBytesMax: 1e6, greets: true }, now));
    pair.run(50);
    pair.input(pair.client, (s, now) => s.handleTransportOpen(1, { batchBytesMax: 1e6, greets: true }, now));
    pair.input(pair.client, (s, now) => s.handleTransportOpen(2, { batchBytesMax: 1e6, greets: true }, now));
    pair.run(200);
    expect([pair.client.of("greeted").length, pair.client.framesSentOf("hello").length]).toEqual([1, 1]);
  });

  it("HSK-07: sends early data with the HELLO: no round trip more than a native WebSocket", () => {
    const pair = new Pair();
    send(pair, pair.client, "early");
    pair.connect().run(200);
    expect(pair.server.at("message")).toEqual([40]);
    expect(pair.client.at("delivered")).toHaveLength(1);
    expectBaseline(pair);
  });

  it("HSK-07: sends no more than 32 KiB before the welcome, and the rest right after it", () => {
    const pair = new Pair({ accepts: false });
    // What is high may go beyond the window, which is 6 KiB yet, by 16 KiB.
    const high = pair.input(pair.client, (s, now) => s.openChannel("high", "high", now));
    pair.input(pair.client, (s, now) => s.send(high, binary(100_000), now));
    pair.connect().run(3000);
    const early = pair.client.sent.filter(({ number }) => number > 0).reduce((sum, { bytes }) => sum + bytes, 0);
    expect(early).toBeLessThanOrEqual(32 * KIB);
    expect(early).toBeGreaterThan(20 * KIB);
    expect([pair.server.messages, pair.server.of("established")]).toEqual([[], []]);
    expect(pair.client.line?.reception?.heldBytes).toBe(early);
    pair.accept().run(500);
    expect(pair.server.messages).toHaveLength(1);
    expect(Buffer.compare(pair.server.messages[0] as Uint8Array, binary(100_000).bytes)).toBe(0);
    expectBaseline(pair);
  });

  it("HSK-07: holds early data until the application has decided, then gives it after `established`, in order", () => {
    const pair = new Pair({ accepts: false }).connect().run(100);
    for (const value of ["a", "b", "c"]) send(pair, pair.client, value);
    pair.run(100);
    expect(pair.server.story).toEqual(["hello"]);
    pair.accept();
    expect(pair.server.story).toEqual(["hello", "established", "message", "message", "message"]);
    expect(pair.server.messages).toEqual(["a", "b", "c"]);
    pair.run(100);
    expect(pair.client.of("delivered")).toHaveLength(3);
    expectBaseline(pair);
  });

  it.each([0, 1, 100, 101, 102, 103, 104, 200, 5000])(
    "HSK-07: no end of early data, with %i bytes to spare, lets CLOSE pass the limit",
    (spare) => {
      const pair = new Pair({ accepts: false }).connect().run(100);
      // Two batches: number, chunk header and payload fill 32 KiB but for what is to spare.
      for (const bytes of [16 * KIB, 16 * KIB - spare]) {
        const header = bytes - 5 < 16_384 ? 5 : 7;
        pair.input(pair.client, (s, now) => s.send(0, binary(bytes - header), now));
      }
      pair.input(pair.client, (s, now) => s.close(4000, "x".repeat(90), now));
      pair.run(200);
      expect(pair.client.session.stats.bytesSent).toBeLessThanOrEqual(32 * KIB);
      expect(pair.server.of("turned-away")).toEqual([]);
      pair.accept().run(200);
      expect(codeOf(pair.server)).toEqual([[4000, undefined]]);
      expect(pair.client.of("closed")).toMatchObject([{ code: 4000, wasClean: true }]);
      expect(pair.server.messages).toHaveLength(2);
    },
  );

  it("HSK-13: a server sends nothing numbered before the welcome", () => {
    const pair = new Pair();
    pair.server.react = ({ type }) => {
      if (type === "established") send(pair, pair.server, "at once");
    };
    pair.connect().run(200);
    expect(pair.server.sent.map(({ frames }) => frames[0]?.type).slice(0, 3)).toEqual(["greeting", "welcome", "chunk"]);
    expect(pair.client.messages).toEqual(["at once"]);
    expect(pair.client.story.indexOf("established")).toBeLessThan(pair.client.story.indexOf("message"));
  });

  describe("credentials", () => {
    it("HSK-06: reach the server's application with the HELLO", () => {
      const pair = new Pair({ auth: "sécret" }).connect().run(100);
      expect(pair.server.of("hello")).toMatchObject([
        { hello: { attemptId: new Uint8Array(16).fill(1), epoch: 1, resume: undefined }, auth: "sécret" },
      ]);
    });

    it("HSK-06: none are none", () => {
      expect(new Pair().connect().run(100).server.of("hello")).toMatchObject([{ auth: undefined }]);
    });

    it("hold the HELLO and everything behind it back until they are there", () => {
      const pair = new Pair({ auth: "pending" });
      send(pair, pair.client, "early");
      pair.connect().run(1000);
      expect([pair.client.story, pair.client.batchesSent]).toEqual([["dial", "greeted", "introduce"], []]);
      pair.input(pair.client, (s, now) => s.provideAuth(1, "late", now));
      pair.run(100);
      expect(pair.server.of("hello")).toMatchObject([{ auth: "late" }]);
      expect(pair.server.messages).toEqual(["early"]);
    });

    it("count for the transport that has asked for them, once, and not before it has", () => {
      const pair = new Pair({ auth: "pending" });
      pair.input(pair.client, (s, now) => s.provideAuth(1, "before", now));
      pair.connect().run(100);
      pair.input(pair.client, (s, now) => s.provideAuth(2, "of another", now));
      expect(pair.client.batchesSent).toEqual([]);
      pair.input(pair.client, (s, now) => s.provideAuth(1, undefined, now));
      pair.input(pair.client, (s, now) => s.provideAuth(1, "again", now));
      pair.run(100);
      expect(pair.server.of("hello")).toMatchObject([{ auth: undefined }]);
      expect(pair.client.framesSentOf("hello")).toHaveLength(1);
    });

    it("RES-01: are asked for again on each transport, and those of the one before do not count on the next", () => {
      const pair = new Pair({ auth: "pending" }).connect().run(100).cut().run(1000);
      expect(pair.client.of("greeted").map(({ line }) => line)).toEqual([1, 2]);
      pair.input(pair.client, (s, now) => s.provideAuth(1, "old", now));
      expect(pair.client.batchesSent).toEqual([]);
      pair.input(pair.client, (s, now) => s.provideAuth(2, "new", now));
      pair.run(100);
      expect(pair.server.of("hello")).toMatchObject([{ auth: "new" }]);
      expect(pair.client.of("established")).toHaveLength(1);
    });

    it("HSK-06: refused: the client learns the code and reason, and that nothing of it was read", () => {
      const pair = new Pair({ auth: "wrong", accepts: false }).connect().run(100);
      const id = send(pair, pair.client, "secret");
      pair.run(50);
      pair.refuse(1008, "no").run(100);
      expect(pair.client.of("closed")).toMatchObject([{ code: 1008, reason: "no", error: { code: "ERR_REFUSED" } }]);
      expect(pair.client.of("dropped")).toEqual([{ type: "dropped", message: id, fate: "never-written" }]);
      expect(pair.server.messages).toEqual([]);
      expect(pair.server.framesSentOf("welcome")).toEqual([]);
      expectBaseline(pair);
    });

    it("BAT-08: that are longer than the server takes are refused here, and the server hears of it", () => {
      const pair = new Pair({ auth: "x".repeat(70_000) }).connect().run(100);
      expect(codeOf(pair.client)).toEqual([[1006, "ERR_MESSAGE_TOO_LARGE"]]);
      expect(pair.client.framesSentOf("hello")).toEqual([]);
      expect(pair.server.of("turned-away")).toEqual([{ type: "turned-away", transportCode: 1000, error: undefined }]);
      expect(pair.client.framesSentOf("abort")).toMatchObject([{ code: 1008 }]);
    });
  });

  describe("HSK-10: takes too long", () => {
    it("for the server, without a HELLO: ABORT 1013, and the client comes again", () => {
      const pair = new Pair({ auth: "pending" }).connect().run(4999);
      expect(pair.server.of("turned-away")).toEqual([]);
      pair.run(1);
      expect(pair.server.at("turned-away")).toEqual([5000]);
      expect(pair.server.framesSentOf("abort")).toMatchObject([{ code: 1013 }]);
      expect(pair.server.of("turned-away")).toMatchObject([
        { transportCode: 1013, error: { code: "ERR_CONNECT_FAILED" } },
      ]);
      pair.run(1000);
      expect(pair.client.of("detached")).toMatchObject([{ line: 1 }]);
      expect(pair.client.of("greeted").map(({ line }) => line)).toEqual([1, 2]);
      pair.run(5000);
      expect(codeOf(pair.client)).toEqual([[1006, "ERR_REFUSED"]]);
      expectBaseline(pair);
    });

    it("for the server, whose own application does not decide", () => {
      const pair = new Pair({ accepts: false }).connect().run(6000);
      expect(pair.server.at("turned-away")).toEqual([5000]);
      expect(pair.client.of("detached")).toMatchObject([{ line: 1 }]);
      expect(codeOf(pair.client)).toEqual([]);
      pair.accepts = true;
      pair.accept().run(500);
      expect(pair.client.of("established")).toHaveLength(1);
    });

    it.each([
      ["without a transport", { serverLimits: {} }, "hung"],
      ["without a greeting", { serverLimits: {} }, "deaf"],
      ["without a welcome", { accepts: false, serverLimits: { handshakeTimeoutMs: 60_000 } }, "up"],
    ] as const)("for the client, %s", (_, options, network) => {
      const pair = new Pair({ ...options });
      pair.network = network;
      pair.connect().run(9999);
      expect(codeOf(pair.client)).toEqual([]);
      pair.run(1);
      expect(codeOf(pair.client)).toEqual([[1006, "ERR_CONNECT_FAILED"]]);
      expect(pair.client.of("closed")[0]?.error?.retryable).toBe(true);
    });

    it("for one attempt of the client: it is given up without ABORT, and another one follows", () => {
      const pair = new Pair({ clientLimits: { handshakeTimeoutMs: 2000 } });
      pair.network = "deaf";
      pair.connect().run(1999);
      pair.network = "up";
      expect(pair.client.of("detached")).toEqual([]);
      pair.run(1000);
      expect(pair.client.of("detached")).toMatchObject([{ line: 1, transportCode: 1000 }]);
      expect(pair.client.framesSentOf("abort")).toEqual([]);
      expect(pair.client.of("established")).toHaveLength(1);
      expectBaseline(pair);
    });

    it("not once it is done", () => {
      const pair = new Pair().connect().run(20_000);
      expect([codeOf(pair.client), codeOf(pair.server)]).toEqual([[], []]);
    });

    it("accepting afterwards does nothing", () => {
      const pair = new Pair({ accepts: false, dial: { connectTimeoutMs: 4000 } }).connect().run(5500);
      pair.accept();
      expect(pair.server.of("established")).toEqual([]);
      expect(pair.host.registry.size).toBe(0);
      expectBaseline(pair);
    });
  });

  describe("limits that arrive", () => {
    it("LIM-06: drop what was sent too early and is too large, and let the rest go", () => {
      const pair = new Pair({ serverLimits: { messageBytesMax: 1000 } });
      const [small, large] = [1000, 1001].map((size) =>
        pair.input(pair.client, (s, now) => s.send(0, binary(size), now)),
      );
      pair.connect().run(200);
      expect(pair.client.of("dropped")).toEqual([{ type: "dropped", message: large, fate: "too-large" }]);
      expect(pair.client.of("delivered")).toEqual([{ type: "delivered", message: small }]);
      expectBaseline(pair);
    });

    it("LIM-06: refuse at `send` what is too large from then on, at both ends", () => {
      const pair = new Pair({ clientLimits: { messageBytesMax: 500 }, serverLimits: { messageBytesMax: 1000 } })
        .connect()
        .run(200);
      for (const end of [pair.client, pair.server]) {
        // The smaller of the two: neither end sends what it would not take itself.
        pair.input(end, (s, now) => s.send(0, binary(500), now));
        expect(() => end.session.send(0, binary(501), pair.now)).toThrow(
          expect.objectContaining({ code: "ERR_MESSAGE_TOO_LARGE" }),
        );
      }
      pair.run(100);
      expect([pair.client.messages.length, pair.server.messages.length]).toEqual([1, 1]);
    });

    it("LIM-04: bound the batches of the other end", () => {
      const pair = new Pair({ clientLimits: { batchBytesMax: 4096 }, serverLimits: { batchBytesMax: 5000 } })
        .connect()
        .run(200);
      for (const end of [pair.client, pair.server]) pair.input(end, (s, now) => s.send(0, binary(100_000), now));
      pair.run(1000);
      expect(Math.max(...pair.client.sent.map(({ bytes }) => bytes))).toBeLessThanOrEqual(5000);
      expect(
        Math.max(...pair.server.sent.filter(({ number }) => number > 0).map(({ bytes }) => bytes)),
      ).toBeLessThanOrEqual(4096);
      expect([pair.client.messages.length, pair.server.messages.length]).toEqual([1, 1]);
      expectBaseline(pair);
    });

    it("LIM-02: a transport that carries less than the peer takes bounds them, too", () => {
      const pair = new Pair({ transportBatchBytesMax: 4096 }).connect().run(200);
      pair.input(pair.client, (s, now) => s.send(0, binary(50_000), now));
      pair.run(500);
      expect(
        Math.max(...pair.client.sent.filter(({ number }) => number > 0).map(({ bytes }) => bytes)),
      ).toBeLessThanOrEqual(4096);
      expect(pair.server.messages).toHaveLength(1);
    });

    it("CHN-09: end a session that has opened more channels than the peer allows, with a reason for its application", () => {
      const pair = new Pair({ serverLimits: { channelsMax: 3 } });
      for (const name of ["a", "b", "c"]) pair.input(pair.client, (s, now) => s.openChannel(name, "normal", now));
      pair.connect().run(200);
      expect(codeOf(pair.client)).toEqual([[1006, "ERR_TOO_MANY_CHANNELS"]]);
      expect(pair.server.of("channel")).toEqual([]);
    });

    it("CHN-09: let through as many channels as the peer allows", () => {
      const pair = new Pair({ serverLimits: { channelsMax: 3 } });
      for (const name of ["a", "b"]) pair.input(pair.client, (s, now) => s.openChannel(name, "normal", now));
      pair.connect().run(200);
      expect(pair.server.of("channel").map(({ name }) => name)).toEqual(["a", "b"]);
      expectBaseline(pair);
    });
  });
});
