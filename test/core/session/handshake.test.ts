import { describe, expect, it } from "vitest";
import { DEFAULT_LIMITS } from "../../../src/core/limits.js";
import {
  HANDSHAKE_TRANSITIONS,
  Handshake,
  type HandshakeInput,
  type HandshakeState,
  type Side,
} from "../../../src/core/session/handshake.js";
import { frameBytes } from "../../../src/core/wire/encode.js";
import { type HandshakeFrame, Parameter } from "../../../src/core/wire/frame.js";
import { integer, limitParameters, varint } from "../../../src/core/wire/parameters.js";
import { describeLegality } from "../../support/legality.js";
import { testPorts } from "../../support/ports.js";

const LIMITS = {
  ...DEFAULT_LIMITS,
  handshakeTimeoutMs: 5000,
  heartbeatMs: 1234,
  heartbeatGraceMs: 567,
  messageBytesMax: 7777,
};
const ATTEMPT = new Uint8Array(16).map((_, i) => i);
const SESSION = new Uint8Array(16).map((_, i) => 100 + i);
const utf8 = (text: string) => testPorts.encodeUtf8(text);

const newClient = (auth?: Uint8Array | "pending") =>
  new Handshake({ role: "client", attemptId: ATTEMPT, auth }, LIMITS);
const newServer = (protocol = "") =>
  new Handshake({ role: "server", sessionId: SESSION, protocol: utf8(protocol) }, LIMITS);

const frame = (type: HandshakeFrame["type"], ...pairs: [number, Uint8Array][]): HandshakeFrame => ({
  type,
  parameters: new Map(pairs),
});
const GREETING = frame("greeting");
const HELLO = frame("hello", [Parameter.ATTEMPT, ATTEMPT]);
const WELCOME = frame("welcome", [Parameter.SESSION, SESSION]);

/** A handshake that has come as far as `state`. */
function arrived(state: HandshakeState["name"], side: Side["role"] = "client"): Handshake {
  const handshake = side === "server" ? newServer() : newClient(state === "awaiting-auth" ? "pending" : undefined);
  if (state === "idle") return handshake;
  handshake.handleTransportOpen(0);
  if (side === "server") {
    if (state !== "awaiting-hello") handshake.handleFrame(HELLO);
    if (state === "established") handshake.accept();
  } else {
    if (state !== "awaiting-greeting") handshake.handleFrame(GREETING);
    if (state === "established") handshake.handleFrame(WELCOME);
  }
  if (state === "ended") handshake.end();
  expect(handshake.state.name).toBe(state);
  return handshake;
}

describe("HSK: the table of the handshake", () => {
  const inputs: readonly HandshakeInput[] = [
    "dialled",
    "greeted",
    "hello",
    "auth",
    "welcome",
    "accepted",
    "hold",
    "end",
  ];
  describeLegality(HANDSHAKE_TRANSITIONS, inputs, 16);
});

describe("Handshake: the client", () => {
  it("HSK-01: says nothing before the GREETING, then HELLO, and is established by WELCOME", () => {
    const handshake = newClient(utf8("me"));
    expect(handshake.pollFrame()).toBeUndefined();
    handshake.handleTransportOpen(0);
    expect([handshake.pollFrame(), handshake.state.name, handshake.isGreeted]).toEqual([
      undefined,
      "awaiting-greeting",
      false,
    ]);
    expect(handshake.handleFrame(GREETING).type).toBe("greeting");
    expect([handshake.state.name, handshake.isGreeted]).toEqual(["awaiting-welcome", true]);
    const hello = handshake.pollFrame();
    expect(hello?.type).toBe("hello");
    expect(hello?.parameters.get(Parameter.ATTEMPT)).toEqual(ATTEMPT);
    expect(hello?.parameters.get(Parameter.AUTH)).toEqual(utf8("me"));
    expect(integer(hello?.parameters ?? new Map(), Parameter.REVISION, undefined)).toBe(1);
    expect(integer(hello?.parameters ?? new Map(), Parameter.MESSAGE_BYTES_MAX, undefined)).toBe(7777);
    expect(handshake.pollFrame()).toBeUndefined();
    expect(handshake.handleFrame(WELCOME)).toMatchObject({ type: "welcome", sessionId: SESSION });
    expect(handshake.state.name).toBe("established");
  });

  it("HSK-06: without credentials HELLO has no AUTH; with empty ones it has", () => {
    for (const [auth, has] of [
      [undefined, false],
      [utf8(""), true],
    ] as const) {
      const handshake = newClient(auth);
      handshake.handleTransportOpen(0);
      handshake.handleFrame(GREETING);
      expect(handshake.pollFrame()?.parameters.has(Parameter.AUTH)).toBe(has);
    }
  });

  it("waits for credentials that are still to come, whether they come before or after the GREETING", () => {
    const late = newClient("pending");
    late.handleTransportOpen(0);
    late.handleFrame(GREETING);
    expect([late.state.name, late.pollFrame(), late.roomBytes(0)]).toEqual(["awaiting-auth", undefined, 0]);
    late.provideAuth(utf8("late"));
    expect(late.pollFrame()?.parameters.get(Parameter.AUTH)).toEqual(utf8("late"));
    const early = newClient("pending");
    early.provideAuth(utf8("early"));
    early.handleTransportOpen(0);
    early.handleFrame(GREETING);
    expect(early.pollFrame()?.parameters.get(Parameter.AUTH)).toEqual(utf8("early"));
  });

  it("HSK-05: pads HELLO, however long the credentials", () => {
    for (const length of [0, 100, 1950, 2000, 10_000]) {
      const handshake = newClient(new Uint8Array(length));
      handshake.handleTransportOpen(0);
      handshake.handleFrame(GREETING);
      expect(frameBytes(handshake.pollFrame() as HandshakeFrame)).toBeGreaterThanOrEqual(2048);
    }
  });

  it("KAL-05: takes the server's heartbeat, or its own where none is announced", () => {
    const announced = frame(
      "greeting",
      [Parameter.HEARTBEAT_MS, varint(99)],
      [Parameter.HEARTBEAT_GRACE_MS, varint(0)],
    );
    expect(arrived("awaiting-greeting").handleFrame(announced)).toMatchObject({ heartbeatMs: 99, heartbeatGraceMs: 0 });
    expect(arrived("awaiting-greeting").handleFrame(GREETING)).toMatchObject({
      heartbeatMs: 1234,
      heartbeatGraceMs: 567,
    });
  });

  it("HSK-09: takes the protocol from the GREETING", () => {
    const outcome = arrived("awaiting-greeting").handleFrame(frame("greeting", [Parameter.PROTOCOL, utf8("chat")]));
    expect(outcome).toMatchObject({ protocol: utf8("chat") });
    expect(arrived("awaiting-greeting").handleFrame(GREETING)).toMatchObject({ protocol: new Uint8Array(0) });
  });

  it("HSK-02, HSK-03: minds neither another revision nor parameters that it does not know", () => {
    const greeting = frame(
      "greeting",
      [Parameter.REVISION, varint(99)],
      [0x3fff, utf8("?")],
      [Parameter.RESUME_TOKEN, utf8("x")],
    );
    expect(arrived("awaiting-greeting").handleFrame(greeting).type).toBe("greeting");
  });

  it("LIM-07: takes limits from GREETING and again from WELCOME, each replacing what was known", () => {
    const handshake = arrived("awaiting-greeting");
    const first = { ...LIMITS, channelsMax: 5, batchBytesMax: 5000 };
    expect(handshake.handleFrame(frame("greeting", ...limitParameters(first)))).toMatchObject({
      limits: { messageBytesMax: 7777, channelsMax: 5, batchBytesMax: 5000 },
    });
    const welcome = frame("welcome", [Parameter.SESSION, SESSION], [Parameter.BATCH_BYTES_MAX, varint(9000)]);
    expect(handshake.handleFrame(welcome)).toMatchObject({ limits: { channelsMax: 5, batchBytesMax: 9000 } });
  });
});

describe("Handshake: the server", () => {
  it("HSK-01: greets at once, asks about the HELLO, and welcomes who is accepted", () => {
    const handshake = newServer("chat.v2");
    expect(handshake.pollFrame()).toBeUndefined();
    handshake.handleTransportOpen(0);
    const greeting = handshake.pollFrame();
    expect(greeting?.type).toBe("greeting");
    expect(greeting?.parameters.get(Parameter.PROTOCOL)).toEqual(utf8("chat.v2"));
    expect(integer(greeting?.parameters ?? new Map(), Parameter.HEARTBEAT_MS, undefined)).toBe(1234);
    expect(integer(greeting?.parameters ?? new Map(), Parameter.HEARTBEAT_GRACE_MS, undefined)).toBe(567);
    const hello = frame("hello", [Parameter.ATTEMPT, ATTEMPT], [Parameter.AUTH, utf8("me")]);
    expect(handshake.handleFrame(hello)).toMatchObject({ type: "hello", attemptId: ATTEMPT, auth: utf8("me") });
    expect([handshake.state.name, handshake.pollFrame()]).toEqual(["authenticating", undefined]);
    expect(handshake.accept()).toEqual([]);
    const welcome = handshake.pollFrame();
    expect(welcome?.parameters.get(Parameter.SESSION)).toEqual(SESSION);
    expect(welcome?.parameters.get(Parameter.PROTOCOL)).toEqual(utf8("chat.v2"));
    expect(frameBytes(welcome as HandshakeFrame)).toBeGreaterThanOrEqual(2048);
    expect(handshake.state.name).toBe("established");
  });

  it("HSK-09: names no protocol where none was chosen", () => {
    const handshake = newServer();
    handshake.handleTransportOpen(0);
    expect(handshake.pollFrame()?.parameters.has(Parameter.PROTOCOL)).toBe(false);
  });

  it("LIM-02: greets in a batch that everybody takes", () => {
    const handshake = newServer("p".repeat(200));
    handshake.handleTransportOpen(0);
    expect(frameBytes(handshake.pollFrame() as HandshakeFrame) + 1).toBeLessThanOrEqual(4096);
  });

  it("keeps what a HELLO says, not the batch that it came in", () => {
    const attempt = ATTEMPT.slice();
    const auth = utf8("me");
    const outcome = arrived("awaiting-hello", "server").handleFrame(
      frame("hello", [Parameter.ATTEMPT, attempt], [Parameter.AUTH, auth]),
    );
    attempt.fill(0);
    auth.fill(0);
    expect(outcome).toMatchObject({ attemptId: ATTEMPT, auth: utf8("me") });
  });

  it("HSK-07: holds early data up to 32 KiB, and gives it back in order", () => {
    const handshake = arrived("authenticating", "server");
    const batches = [16_384, 16_383, 1].map((size, i) => new Uint8Array(size).fill(i));
    for (const [i, batch] of batches.entries()) expect(handshake.hold(batch, i)).toBe(true);
    expect(handshake.hold(new Uint8Array(1), 9)).toBe(false);
    expect(handshake.accept()).toEqual(batches.map((batch, receivedAt) => ({ batch, receivedAt })));
    expect(handshake.accept()).toEqual([]);
  });

  it.each(["idle", "awaiting-hello", "established", "ended"] as const)("HSK-07: holds nothing while %s", (state) => {
    expect(arrived(state, "server").hold(new Uint8Array(1), 0)).toBe(false);
  });

  it("accepts nobody who has not said HELLO", () => {
    const handshake = arrived("awaiting-hello", "server");
    expect(handshake.accept()).toEqual([]);
    expect(handshake.state.name).toBe("awaiting-hello");
  });

  it("knows from the start that its peer speaks the protocol: it has offered it", () => {
    expect([newServer().isGreeted, newServer().greets, newClient().greets]).toEqual([true, true, false]);
  });
});

describe("Handshake: what it allows", () => {
  it.each<[HandshakeState["name"], Side["role"], number]>([
    ["idle", "client", 0],
    ["awaiting-greeting", "client", 0],
    ["awaiting-auth", "client", 0],
    ["awaiting-welcome", "client", 32 * 1024],
    ["established", "client", Number.POSITIVE_INFINITY],
    ["ended", "client", 0],
    ["awaiting-hello", "server", 0],
    ["authenticating", "server", 0],
    ["established", "server", Number.POSITIVE_INFINITY],
  ])("HSK-07, HSK-13: while %s, a %s may send %d bytes in numbered batches", (state, side, bytes) => {
    expect(arrived(state, side).roomBytes(0)).toBe(bytes);
  });

  it("HSK-07: counts what has left already", () => {
    expect(arrived("awaiting-welcome").roomBytes(30_000)).toBe(2768);
  });

  it("HSK-10: takes its time from the open transport to the end of the handshake", () => {
    for (const handshake of [newClient(), newServer()]) {
      expect(handshake.nextDeadline).toBeUndefined();
      handshake.handleTransportOpen(100);
      expect(handshake.nextDeadline).toBe(5100);
    }
    expect(arrived("awaiting-welcome").nextDeadline).toBe(5000);
    expect(arrived("authenticating", "server").nextDeadline).toBe(5000);
    for (const state of ["established", "ended"] as const) {
      expect([arrived(state).nextDeadline, arrived(state, "server").nextDeadline]).toEqual([undefined, undefined]);
    }
  });

  it("has nothing more to say once it has ended", () => {
    const handshake = newServer();
    handshake.handleTransportOpen(0);
    handshake.end();
    expect(handshake.pollFrame()).toBeUndefined();
    expect(() => handshake.end()).toThrow(expect.objectContaining({ code: "ERR_INTERNAL" }));
  });
});

describe("Handshake: violations", () => {
  const clientStates = ["awaiting-greeting", "awaiting-auth", "awaiting-welcome", "established"] as const;
  const serverStates = ["awaiting-hello", "authenticating", "established"] as const;
  const places = [
    ...clientStates.map((state) => ({ side: "client" as const, state })),
    ...serverStates.map((state) => ({ side: "server" as const, state })),
  ];
  const expected: Partial<Record<string, HandshakeFrame>> = {
    "client awaiting-greeting": GREETING,
    "client awaiting-welcome": WELCOME,
    "server awaiting-hello": HELLO,
  };

  it.each(places)("HSK-11: at a $side that is $state only the right frame is in its place", ({ side, state }) => {
    for (const sent of [GREETING, HELLO, WELCOME]) {
      const outcome = arrived(state, side).handleFrame(sent);
      if (sent === expected[`${side} ${state}`]) expect(outcome.type).toBe(sent.type);
      else expect(outcome).toMatchObject({ type: "violation", violation: { code: 1002 } });
    }
  });

  it.each<[string, HandshakeState["name"], Side["role"], HandshakeFrame]>([
    ["HSK-04: HELLO without an attempt id", "awaiting-hello", "server", frame("hello")],
    [
      "HSK-04: an attempt id of 15 bytes",
      "awaiting-hello",
      "server",
      frame("hello", [Parameter.ATTEMPT, ATTEMPT.subarray(1)]),
    ],
    ["HSK-08: WELCOME without a session id", "awaiting-welcome", "client", frame("welcome")],
    [
      "HSK-08: a session id of 17 bytes",
      "awaiting-welcome",
      "client",
      frame("welcome", [Parameter.SESSION, new Uint8Array(17)]),
    ],
    [
      "KAL-05: a heartbeat of 0 ms",
      "awaiting-greeting",
      "client",
      frame("greeting", [Parameter.HEARTBEAT_MS, varint(0)]),
    ],
    [
      "KAL-05: a heartbeat that is no integer",
      "awaiting-greeting",
      "client",
      frame("greeting", [Parameter.HEARTBEAT_MS, utf8("soon")]),
    ],
    [
      "KAL-05: a grace that is no integer",
      "awaiting-greeting",
      "client",
      frame("greeting", [Parameter.HEARTBEAT_GRACE_MS, utf8("")]),
    ],
    [
      "LIM-03: limits that make no sense",
      "awaiting-greeting",
      "client",
      frame("greeting", [Parameter.CHANNELS_MAX, varint(0)]),
    ],
    [
      "LIM-03: a reassembly limit alone",
      "awaiting-hello",
      "server",
      frame("hello", [Parameter.ATTEMPT, ATTEMPT], [Parameter.REASSEMBLY_BYTES_MAX, varint(1e6)]),
    ],
  ])("%s", (_, state, side, sent) => {
    const handshake = arrived(state, side);
    expect(handshake.handleFrame(sent)).toMatchObject({ type: "violation", violation: { code: 1002 } });
    expect(handshake.state.name).toBe(state);
  });
});
