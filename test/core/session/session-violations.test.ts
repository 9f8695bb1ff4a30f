import { describe, expect, it } from "vitest";
import { DEFAULT_LIMITS, type Limits } from "../../../src/core/limits.js";
import { encodeBatch } from "../../../src/core/wire/encode.js";
import { type Frame, type HandshakeFrame, Parameter } from "../../../src/core/wire/frame.js";
import { limitParameters, varint } from "../../../src/core/wire/parameters.js";
import { expectBaseline } from "../../support/baseline.js";
import { chunk } from "../../support/frame-table.js";
import { unhex } from "../../support/hex.js";
import { binary, type End, Pair, text } from "../../support/pair.js";

const bytes = (count: number) => new Uint8Array(count).fill(97);
const ascii = (value: string) => Uint8Array.from(Buffer.from(value));
const numbered = (...frames: Frame[]) => encodeBatch(1, frames);
const unnumbered = (...frames: Frame[]) => encodeBatch(0, frames);
const handshake = (type: HandshakeFrame["type"], ...pairs: [number, Uint8Array][]): Frame => ({
  type,
  parameters: new Map(pairs),
});
const open = (channel: number, name: string): Frame => ({
  type: "channel-open",
  channel,
  priority: "normal",
  name: ascii(name),
});
const ack = (number: number, count: number): Frame => ({
  type: "ack",
  number,
  bytes: count,
  receivedTicks: 0,
  delayTicks: 0,
});
const close = (code = 1000): Frame => ({ type: "close", code, reason: bytes(0) });
const first = (count: number, channel = 0, totalBytes?: number) =>
  chunk({ last: false, payload: bytes(count), channel, totalBytes });
const last = (count: number, channel = 0) => chunk({ first: false, payload: bytes(count), channel });

const HELLO = handshake("hello", [Parameter.ATTEMPT, bytes(16)]);
const WELCOME = handshake("welcome", [Parameter.SESSION, bytes(16)]);
const GREETING = handshake("greeting");

const LIMITS: Partial<Limits> = {
  messageBytesMax: 10_000,
  batchBytesMax: 6000,
  channelsMax: 4,
  reassemblyBytesMax: 20_000,
};

interface Case {
  title: string;
  batches: Uint8Array[];
  /** Whether its application takes what comes. Default `true`. */
  takes?: boolean;
  /** What the victim says in its ABORT. Default 1002. */
  code?: number;
}

function expectViolation(pair: Pair, victim: End, code: number): void {
  expect(victim.of("closed")).toMatchObject([
    {
      code: 1006,
      reason: "",
      wasClean: false,
      transportCode: code,
      error: { code: "ERR_PEER_VIOLATION", retryable: false },
    },
  ]);
  expectSilence(pair, victim, code);
  pair.run(100);
  if (pair.server.hasSession) {
    // An ack of what was injected may have come first, and is a violation to the peer, who has not sent it.
    const [end] = pair.other(victim).of("closed");
    expect(end).toMatchObject(
      end?.code === 1006 ? { error: { code: "ERR_PEER_VIOLATION" } } : { code, wasClean: true },
    );
  } else expect(pair.server.of("turned-away")).toMatchObject([{ error: undefined }]);
  expect(pair.host.registry.size).toBe(0);
  expectBaseline(pair);
}

/** Where there is no session yet, only the transport ends. */
function expectTurnedAway(pair: Pair, code: number): void {
  const { server, client } = pair;
  expect(server.of("turned-away")).toMatchObject([
    { transportCode: code, error: { code: "ERR_PEER_VIOLATION", retryable: false } },
  ]);
  expectSilence(pair, server, code);
  pair.accept().run(100);
  expect([server.hasSession, server.of("established"), server.messages]).toEqual([false, [], []]);
  expect(client.of("closed")).toMatchObject([{ code, wasClean: true, error: { code: "ERR_REFUSED" } }]);
  expectBaseline(pair);
}

/** It has said its ABORT, and neither says nor hears anything more. */
function expectSilence(pair: Pair, victim: End, code: number): void {
  const aborts = victim.framesSentOf("abort");
  // ERR-02: the code and nothing else.
  expect(aborts.map((abort) => [abort.code, abort.reason.length])).toEqual([[code, 0]]);
  const told = victim.events.length;
  const said = victim.batchesSent.length;
  pair.inject(victim, numbered(chunk({ payload: bytes(1) })));
  pair.inject(victim, unnumbered({ type: "ping", payload: bytes(0) }));
  pair.inject(victim, unhex("ffff"));
  expect([victim.events.length, victim.batchesSent.length]).toEqual([told, said]);
}

const ANYWHERE: Case[] = [
  { title: "BAT-02: an empty batch", batches: [unhex("")] },
  { title: "BAT-02: a batch of no frame", batches: [unhex("00")] },
  { title: "WIRE-02: half a number", batches: [unhex("40")] },
  { title: "WIRE-02: a number of 2^53", batches: [unhex("c0200000000000000a")] },
  { title: "FRM-03: garbage", batches: [unhex("00deadbeef")] },
  { title: "FRM-03: text where frames belong", batches: [ascii("\0hello")] },
  { title: "FRM-03: an unknown frame behind good ones", batches: [unhex("00 06 00 06 00 0c")] },
  { title: "FRM-06: a frame cut short", batches: [unhex("00 07 05 61")] },
  { title: "BAT-03: a chunk without a number", batches: [unnumbered(chunk({}))] },
  { title: "BAT-03: CLOSE without a number", batches: [unnumbered(close())] },
  { title: "BAT-03: CHANNEL_OPEN without a number", batches: [unnumbered(open(1, "a"))] },
  {
    title: "CLS-10: ABORT with a code that does not exist",
    batches: [unnumbered({ type: "abort", code: 5000, reason: bytes(0) })],
  },
  { title: "KAL-02: a ping of 126 bytes", batches: [unnumbered({ type: "ping", payload: bytes(126) })] },
  { title: "ACK-05: an ack of what was never sent", batches: [unnumbered(ack(1, 10))] },
  { title: "ACK-05: an ack of bytes that were never sent", batches: [unnumbered(ack(0, 10))] },
];

const ESTABLISHED: Case[] = [
  ...ANYWHERE,
  { title: "BAT-03: PING with a number", batches: [numbered({ type: "ping", payload: bytes(0) })] },
  { title: "BAT-03: ABORT with a number", batches: [numbered({ type: "abort", code: 1000, reason: bytes(0) })] },
  { title: "BAT-08: a batch that is too large", batches: [numbered(chunk({ payload: bytes(6000) }))], code: 1009 },
  {
    title: "BAT-08: a large batch of nothing but pings",
    batches: [unnumbered(...Array.from({ length: 60 }, () => ({ type: "ping", payload: bytes(100) }) as const))],
    code: 1009,
  },
  {
    title: "CRD-03: more than the credit of a channel that nobody takes",
    batches: [
      numbered(open(1, "a")),
      ...Array.from({ length: 14 }, (_, i) => encodeBatch(i + 2, [chunk({ payload: bytes(5000), channel: 1 })])),
    ],
    takes: false,
  },
  {
    title: "CRD-01, CRD-03: more messages than the credit, though they are empty",
    batches: [
      numbered(open(1, "a")),
      ...[2, 3].map((number) =>
        encodeBatch(
          number,
          Array.from({ length: 1041 }, () => chunk({ channel: 1 })),
        ),
      ),
    ],
    takes: false,
  },
  {
    title: "LIM-04: too many channels",
    batches: [numbered(open(1, "a"), open(2, "b"), open(3, "c"), open(4, "d"))],
    code: 1008,
  },
  { title: "MSG-02: TEXT on a later chunk", batches: [unhex("01 46 00 01 61")] },
  { title: "MSG-03: a message inside a message", batches: [numbered(first(1024), chunk({}))] },
  { title: "MSG-03: the end of nothing", batches: [numbered(last(5))] },
  { title: "MSG-04: longer than announced", batches: [numbered(first(1024, 0, 1030), last(10))] },
  { title: "MSG-04: shorter than announced", batches: [numbered(first(1024, 0, 1030), last(5))] },
  {
    title: "MSG-05: text that is not UTF-8",
    batches: [numbered(chunk({ text: true, payload: Uint8Array.of(0xc3) }))],
    code: 1007,
  },
  { title: "MSG-06: a short chunk that is not the last", batches: [numbered(first(1023))] },
  { title: "MSG-07: RESET of nothing", batches: [numbered({ type: "reset", channel: 0 })] },
  { title: "MSG-07: RESET on a channel that was never opened", batches: [numbered({ type: "reset", channel: 9 })] },
  { title: "CHN-01: a chunk on a channel that was never opened", batches: [numbered(chunk({ channel: 9 }))] },
  { title: "CHN-01: the default channel opened", batches: [numbered(open(0, "a"))] },
  { title: "CHN-01: the default channel closed", batches: [numbered({ type: "channel-close", channel: 0 })] },
  { title: "CHN-01: an id in use", batches: [numbered(open(1, "a"), open(1, "b"))] },
  { title: "CHN-03: a name in use", batches: [numbered(open(1, "a"), open(2, "a"))] },
  { title: "CHN-03: an empty name", batches: [numbered(open(1, ""))] },
  {
    title: "WIRE-05: a name that is not UTF-8",
    batches: [numbered({ type: "channel-open", channel: 1, priority: "low", name: Uint8Array.of(0xff) })],
    code: 1007,
  },
  {
    title: "CHN-05: the end of a channel that was never opened",
    batches: [numbered({ type: "channel-close", channel: 3 })],
  },
  {
    title: "CHN-05: the end inside a message",
    batches: [numbered(open(1, "a"), first(1024, 1), { type: "channel-close", channel: 1 })],
  },
  {
    title: "CHN-05: a chunk behind the end",
    batches: [numbered(open(1, "a"), { type: "channel-close", channel: 1 }, chunk({ channel: 1 }))],
  },
  {
    title: "CHN-05: the end twice",
    batches: [numbered(open(1, "a"), { type: "channel-close", channel: 1 }, { type: "channel-close", channel: 1 })],
  },
  { title: "CLS-01: a message behind CLOSE in its batch", batches: [numbered(close(), chunk({}))] },
  {
    title: "CLS-01: a message behind CLOSE in the next batch",
    batches: [numbered(close()), encodeBatch(2, [chunk({})])],
  },
  { title: "CLS-01: a channel opened behind CLOSE", batches: [numbered(close()), encodeBatch(2, [open(1, "a")])] },
  { title: "CLS-04: CLOSE twice", batches: [numbered(close()), encodeBatch(2, [close()])] },
  { title: "CLS-10: a close code that does not exist", batches: [numbered(close(999))] },
  {
    title: "CLS-10: a close reason that is not UTF-8",
    batches: [numbered({ type: "close", code: 1000, reason: Uint8Array.of(0xff) })],
    code: 1007,
  },
  { title: "HSK-11: HELLO again", batches: [unnumbered(HELLO)] },
  { title: "HSK-11: GREETING again", batches: [unnumbered(GREETING)] },
  { title: "HSK-11: WELCOME again", batches: [unnumbered(WELCOME)] },
];

function run(pair: Pair, victim: End, { batches, takes = true, code = 1002 }: Case): void {
  victim.takes = takes;
  for (const batch of batches) pair.inject(victim, batch);
  expectViolation(pair, victim, code);
}

describe("ERR-03: violations end an established session with their code", () => {
  describe.each(["server", "client"] as const)("at the %s", (name) => {
    it.each(ESTABLISHED)("$title", (example) => {
      const pair = new Pair({ clientLimits: LIMITS, serverLimits: LIMITS }).connect().run(100);
      run(pair, pair[name], example);
    });
  });
});

describe("BAT-04: a gap", () => {
  describe.each(["server", "client"] as const)("at the %s costs the transport, and nothing else", (name) => {
    it.each([0, 1, 5])("behind %i batches", (count) => {
      const pair = new Pair().connect().run(100);
      const victim = pair[name];
      for (let i = 0; i < count; i++) {
        pair.input(pair.other(victim), (s, now) => s.send(0, text("good"), now));
        pair.run(100);
      }
      pair.inject(victim, encodeBatch(count + 2, [chunk({})]));
      expect(victim.of("detached")).toEqual([{ type: "detached", line: 1, transportCode: 1002 }]);
      expect(victim.messages).toHaveLength(count);
      expect(victim.framesSentOf("abort")).toEqual([]);
      // What comes behind it on the same transport is not read.
      for (const number of [1, 2, 3]) pair.inject(victim, encodeBatch(count + number, [chunk({})]));
      expect(victim.messages).toHaveLength(count);
      pair.run(1000);
      expect([pair.client.of("closed"), pair.server.of("closed")]).toEqual([[], []]);
      expect(pair.client.session.stats.resumes).toBe(1);
    });
  });

  it("the real one is sent again on the next transport, and nothing is lost or doubled", () => {
    const pair = new Pair({ rateBitsPerSecond: 10e6 }).connect().run(100);
    const sizes = [10, 50_000, 10];
    for (const end of [pair.client, pair.server]) {
      for (const size of sizes) pair.input(end, (s, now) => s.send(0, binary(size), now));
    }
    pair.run(30).inject(pair.server, encodeBatch(77, [chunk({})]));
    pair.run(2000);
    for (const end of [pair.client, pair.server]) {
      expect(end.messages.map(({ length }) => length)).toEqual(sizes);
      expect(end.of("delivered")).toHaveLength(sizes.length);
    }
    expectBaseline(pair);
  });
});

describe("ERR-03: violations before the session is established", () => {
  const utf8Garbage = Uint8Array.of(0xff);

  it.each<Case>([
    ...ANYWHERE,
    { title: "HSK-07: a numbered batch before HELLO", batches: [numbered(chunk({}))] },
    { title: "HSK-04: HELLO without an attempt id", batches: [unnumbered(handshake("hello"))] },
    {
      title: "HSK-04: an attempt id of 17 bytes",
      batches: [unnumbered(handshake("hello", [Parameter.ATTEMPT, bytes(17)]))],
    },
    {
      title: "HSK-06: credentials that are not UTF-8",
      batches: [unnumbered(handshake("hello", [Parameter.ATTEMPT, bytes(16)], [Parameter.AUTH, utf8Garbage]))],
      code: 1007,
    },
    {
      title: "LIM-03: limits that make no sense",
      batches: [
        unnumbered(
          handshake(
            "hello",
            [Parameter.ATTEMPT, bytes(16)],
            ...limitParameters({ ...DEFAULT_LIMITS, channelsMax: 300 }),
          ),
        ),
      ],
    },
    { title: "HSK-03: a parameter twice", batches: [unhex("00 02 04 0000 0000")] },
    { title: "HSK-11: GREETING", batches: [unnumbered(GREETING)] },
    { title: "HSK-11: WELCOME", batches: [unnumbered(WELCOME)] },
  ])("at a server that waits for HELLO: $title", (example) => {
    const pair = new Pair({ auth: "pending", accepts: false }).connect().run(50);
    for (const batch of example.batches) pair.inject(pair.server, batch);
    expectTurnedAway(pair, example.code ?? 1002);
    expect(pair.server.of("hello")).toEqual([]);
  });

  it.each<Case>([
    ...ANYWHERE,
    {
      title: "HSK-07: more than 32 KiB of early data",
      batches: [1, 2, 3].map((n) => encodeBatch(n, [chunk({ payload: bytes(11_000) })])),
    },
    { title: "HSK-11: HELLO again", batches: [unnumbered(HELLO)] },
  ])("at a server that has not decided: $title", (example) => {
    const pair = new Pair({ accepts: false }).connect().run(100);
    for (const batch of example.batches) pair.inject(pair.server, batch);
    expectTurnedAway(pair, example.code ?? 1002);
  });

  it.each<[string, Uint8Array, string]>([
    ["garbage", unhex("02ff"), "closed"],
    ["a gap", encodeBatch(3, [chunk({})]), "detached"],
  ])("HSK-07: early data is judged when it is read: %s", (title, batch, outcome) => {
    const pair = new Pair({ accepts: false }).connect().run(100);
    pair.inject(pair.server, numbered(chunk({}))).inject(pair.server, batch);
    expect(pair.server.of("turned-away")).toEqual([]);
    pair.accept();
    expect(pair.server.story.slice(-3)).toEqual(["established", "message", outcome]);
    if (title === "garbage") expectViolation(pair, pair.server, 1002);
  });

  it.each<Case>([
    { title: "HSK-13: a numbered batch before WELCOME", batches: [numbered(chunk({}))] },
    { title: "HSK-08: WELCOME without a session id", batches: [unnumbered(handshake("welcome"))] },
    { title: "HSK-11: GREETING again", batches: [unnumbered(GREETING)] },
    { title: "HSK-11: HELLO", batches: [unnumbered(HELLO)] },
  ])("at a client that waits for WELCOME: $title", (example) => {
    const pair = new Pair({ accepts: false }).connect().run(100);
    run(pair, pair.client, example);
  });

  it.each<Case>([
    ...ANYWHERE,
    { title: "HSK-13: a numbered batch", batches: [numbered(chunk({}))] },
    { title: "HSK-11: WELCOME", batches: [unnumbered(WELCOME)] },
    { title: "HSK-11: HELLO", batches: [unnumbered(HELLO)] },
    {
      title: "KAL-05: a heartbeat of 0 ms",
      batches: [unnumbered(handshake("greeting", [Parameter.HEARTBEAT_MS, varint(0)]))],
    },
    {
      title: "HSK-09: a protocol that is not UTF-8",
      batches: [unnumbered(handshake("greeting", [Parameter.PROTOCOL, utf8Garbage]))],
      code: 1007,
    },
    {
      title: "LIM-03: limits that make no sense",
      batches: [unnumbered(handshake("greeting", [Parameter.BATCH_BYTES_MAX, varint(1)]))],
    },
  ])("at a client that waits for GREETING: $title", ({ batches, code = 1002 }) => {
    const pair = new Pair();
    const id = pair.input(pair.client, (s, now) => s.send(0, text("x"), now));
    pair.network = "deaf";
    pair.connect();
    for (const batch of batches) pair.inject(pair.client, batch);
    expect(pair.client.of("closed")).toMatchObject([
      { code: 1006, transportCode: code, error: { code: "ERR_PEER_VIOLATION" } },
    ]);
    expect(pair.client.of("greeted")).toEqual([]);
    expect(pair.client.of("dropped")).toEqual([{ type: "dropped", message: id, fate: "never-written" }]);
    // HSK-01: who has not greeted may be no Sluice server, and gets no frame of ours.
    expect(pair.client.framesSent).toEqual([]);
  });
});

describe("ERR-05: who greets or answers badly may be anybody, and a session is safe from it", () => {
  const greeted = (pair: Pair, send: boolean) => {
    pair.accepts = false;
    if (send) pair.input(pair.client, (s, now) => s.send(0, text("early"), now));
    return pair.connect().run(100);
  };

  it("a client without a session, and with nothing read, gives up", () => {
    const pair = greeted(new Pair(), false);
    pair.inject(pair.client, unnumbered(handshake("welcome")));
    expect(pair.client.of("closed")).toMatchObject([{ error: { code: "ERR_PEER_VIOLATION" } }]);
  });

  it("a client whose early data may have been read tries again", () => {
    const pair = greeted(new Pair(), true);
    pair.inject(pair.client, unnumbered(handshake("welcome")));
    expect(pair.client.of("detached")).toEqual([{ type: "detached", line: 1, transportCode: 1002 }]);
    expect(pair.client.framesSentOf("abort")).toEqual([]);
    pair.accepts = true;
    pair.run(1000);
    expect([pair.server.messages, pair.client.of("closed")]).toEqual([["early"], []]);
  });

  it.each<[string, Uint8Array[]]>([
    ["no GREETING", [unhex("00ff")]],
    ["a heartbeat of 0 ms", [unnumbered(handshake("greeting", [Parameter.HEARTBEAT_MS, varint(0)]))]],
    ["WELCOME to another session", [unnumbered(GREETING), unnumbered(WELCOME)]],
    ["an ack of what was never sent", [unnumbered(GREETING), unnumbered(ack(99, 1))]],
    ["a message before WELCOME", [unnumbered(GREETING), numbered(chunk({}))]],
  ])("a client with a session comes back after %s, and has lost nothing", (_, batches) => {
    const pair = new Pair().connect().run(100);
    pair.network = "deaf";
    pair.cut().run(300);
    const id = pair.input(pair.client, (s, now) => s.send(0, text("kept"), now));
    for (const batch of batches) pair.inject(pair.client, batch);
    expect(pair.client.of("detached").map(({ line }) => line)).toEqual([1, 2]);
    pair.network = "up";
    pair.run(2000);
    expect([pair.server.messages, pair.client.of("closed"), pair.client.messages]).toEqual([["kept"], [], []]);
    expect(pair.client.of("delivered")).toEqual([{ type: "delivered", message: id }]);
    expectBaseline(pair);
  });

  it("WELCOME that claims to have received what was never sent is not believed", () => {
    const pair = new Pair().connect().run(100);
    pair.network = "deaf";
    pair.cut().run(300);
    pair.inject(pair.client, unnumbered(GREETING));
    const { sessionId } = pair.client.of("established")[0] as { sessionId: Uint8Array };
    pair.inject(
      pair.client,
      unnumbered(handshake("welcome", [Parameter.SESSION, sessionId], [Parameter.RECEIVED, varint(1)])),
    );
    expect(pair.client.of("detached").map(({ line }) => line)).toEqual([1, 2]);
    expect(pair.client.of("resumed")).toEqual([]);
  });
});

describe("SEC-06: verdicts that are asked for and not acknowledged", () => {
  it("wait up to a bound: 1008", () => {
    // Beyond what is kept for a replay, nothing leaves.
    const small = { windowBytes: 8192, chunkBytes: 4096, replayBytesMax: 12_288 };
    const pair = new Pair({ serverLimits: { ...LIMITS, messageBytesMax: 100, ...small } }).connect().run(100);
    const tooLarge = chunk({ payload: bytes(101) });
    let batches = 0;
    while (pair.server.of("closed").length === 0 && batches < 1000) {
      batches += 1;
      pair.inject(
        pair.server,
        encodeBatch(
          batches,
          Array.from({ length: 40 }, () => tooLarge),
        ),
      );
    }
    expect(batches * 40).toBeGreaterThan(4096);
    expect(pair.server.session.stats.inFlightBytes).toBeLessThanOrEqual(12_288);
    expectViolation(pair, pair.server, 1008);
  });
});

describe("ERR-03: in a batch with a violation", () => {
  it("what stands before it counts, what stands behind it does not", () => {
    const pair = new Pair().connect().run(100);
    const good = chunk({ text: true, payload: ascii("good") });
    pair.inject(pair.server, numbered(good, good, chunk({ channel: 9 }), chunk({ text: true, payload: ascii("bad") })));
    expect(pair.server.messages).toEqual(["good", "good"]);
    expect(pair.server.story.at(-1)).toBe("closed");
  });

  it("a batch over the limit is not looked into", () => {
    const pair = new Pair({ serverLimits: LIMITS }).connect().run(100);
    pair.inject(pair.server, numbered(chunk({}), chunk({ payload: bytes(6000) })));
    expect(pair.server.messages).toEqual([]);
  });

  it("messages of this end that were under way are told of before the end", () => {
    const pair = new Pair().connect().run(100);
    const id = pair.input(pair.server, (s, now) => s.send(0, text("x"), now));
    pair.inject(pair.server, unhex("00ff"));
    expect(pair.server.events.slice(-2).map(({ event }) => event)).toMatchObject([
      { type: "dropped", message: id, fate: "unknown" },
      { type: "closed" },
    ]);
  });
});

describe("RES-14, RES-15: frames that only one end may say", () => {
  it.each<["client" | "server", string, Frame]>([
    ["server", "GOAWAY", { type: "goaway", delayMs: 5 }],
    ["client", "DETACH", { type: "detach" }],
  ])("a violation at the %s: %s", (name, _, frame) => {
    const pair = new Pair().connect().run(100);
    pair.inject(pair[name], unnumbered(frame));
    expectViolation(pair, pair[name], 1002);
  });
});

describe("FRM-04, HSK-02, HSK-03: what is no violation", () => {
  it.each<[string, Uint8Array]>([
    [
      "CRD-03: credit for a channel that has ended, and less than before",
      unnumbered({ type: "channel-credit", channel: 9, bytes: 1 }, { type: "channel-credit", channel: 0, bytes: 0 }),
    ],
    [
      "CRD-08: a verdict on a message that has ended",
      numbered({ type: "reject", channel: 9, message: 1, code: 1009 }, { type: "admit", channel: 0, message: 7 }),
    ],
    ["BAT-04: a numbered batch with nothing but an ack", numbered(ack(0, 0))],
    ["WIRE-03: a long number", unhex("c000000000000001 47 00 01 61")],
    ["CLS-01: an ack behind CLOSE", numbered(close(), ack(0, 0))],
    ["KAL-02: a PONG that nobody asked for", unnumbered({ type: "pong", payload: bytes(125) })],
  ])("%s", (_, batch) => {
    const pair = new Pair().connect().run(100);
    pair.inject(pair.server, batch);
    expect(pair.server.of("closed")).toEqual([]);
  });

  it("HSK-03: a HELLO full of parameters that are not known", () => {
    const pair = new Pair({ auth: "pending" }).connect().run(50);
    const strange = Array.from({ length: 60 }, (_, i): [number, Uint8Array] => [0x1000 + i, bytes(i)]);
    pair.inject(pair.server, unnumbered(handshake("hello", [Parameter.ATTEMPT, bytes(16)], ...strange)));
    expect(pair.server.of("established")).toHaveLength(1);
  });
});
