import { describe, expect, it } from "vitest";
import { DEFAULT_LIMITS } from "../../../src/core/limits.js";
import { encodeBatch, frameBytes } from "../../../src/core/wire/encode.js";
import { type HandshakeFrame, Parameter, type Parameters } from "../../../src/core/wire/frame.js";
import {
  greetingFrame,
  type Hello,
  helloFrame,
  isViolation,
  readGreeting,
  readHello,
  readWelcome,
  type Welcome,
  welcomeFrame,
} from "../../../src/core/wire/handshake.js";
import { integer, limitParameters, UNANNOUNCED_LIMITS, varint } from "../../../src/core/wire/parameters.js";
import { testPorts } from "../../support/ports.js";

const LIMITS = { ...DEFAULT_LIMITS, heartbeatMs: 1234, heartbeatGraceMs: 567, messageBytesMax: 7777 };
const { messageBytesMax, batchBytesMax, channelsMax } = LIMITS;
const ANNOUNCED = { messageBytesMax, batchBytesMax, channelsMax };
const ABSENT = { heartbeatMs: 11, heartbeatGraceMs: 22 };
const id = (seed: number, length = 16) => Uint8Array.from({ length }, (_, i) => seed + i);
const utf8 = (text: string) => testPorts.encodeUtf8(text);
const none = new Uint8Array(0);
const map = (...pairs: [number, Uint8Array][]): Parameters => new Map(pairs);

const HELLO: Omit<Hello, "limits"> = {
  attemptId: id(1),
  epoch: 1,
  auth: undefined,
  resume: undefined,
  received: undefined,
  opening: 0,
};
const RESUME: Omit<Hello, "limits"> = {
  ...HELLO,
  epoch: 7,
  resume: { sessionId: id(50), token: id(100, 32) },
  received: 300,
};
const WELCOME: Omit<Welcome, "limits"> = {
  sessionId: id(50),
  token: id(100, 32),
  resumeWindowMs: 120_000,
  received: 12,
  opening: 0,
};

const hello = (change: Partial<Hello> = {}) => helloFrame({ ...HELLO, ...change, limits: LIMITS });
const welcome = (change: Partial<Welcome> & { protocol?: Uint8Array } = {}) =>
  welcomeFrame({ ...WELCOME, protocol: none, ...change, limits: LIMITS });
const ids = (frame: HandshakeFrame) => [...frame.parameters.keys()].filter((key) => key < Parameter.MESSAGE_BYTES_MAX);
const wrong = { code: 1002 };

describe("HTTP-04: without a GREETING", () => {
  it("HELLO offers the protocols that no request has offered", () => {
    const offered = utf8("chat.v2, chat.v1");
    expect(readHello(hello({ protocolsOffered: offered }).parameters, UNANNOUNCED_LIMITS)).toMatchObject({
      protocolsOffered: offered,
    });
    expect(ids(hello({ protocolsOffered: none }))).toEqual(ids(hello()));
  });

  it("WELCOME says all that GREETING would have said", () => {
    const greeting = { limits: LIMITS, protocol: utf8("chat.v2"), instance: id(9) };
    const frame = welcomeFrame({ ...WELCOME, ...greeting });
    const read = (of: HandshakeFrame) => readGreeting(of.parameters, UNANNOUNCED_LIMITS, ABSENT);
    expect(read(frame)).toEqual(read(greetingFrame(greeting)));
    expect(isViolation(readWelcome(frame.parameters, UNANNOUNCED_LIMITS))).toBe(false);
  });

  it("WELCOME says nothing of it where there was one", () => {
    expect(ids(welcome())).not.toContain(Parameter.INSTANCE);
    expect(welcome().parameters.has(Parameter.HEARTBEAT_MS)).toBe(false);
  });
});

describe("GREETING", () => {
  it("says limits, heartbeat, protocol and instance, and is read as it was said", () => {
    const frame = greetingFrame({ limits: LIMITS, protocol: utf8("chat.v2"), instance: id(9) });
    expect(frame.type).toBe("greeting");
    expect(integer(frame.parameters, Parameter.REVISION, undefined)).toBe(1);
    expect(readGreeting(frame.parameters, UNANNOUNCED_LIMITS, ABSENT)).toEqual({
      limits: ANNOUNCED,
      protocol: utf8("chat.v2"),
      instance: id(9),
      heartbeatMs: 1234,
      heartbeatGraceMs: 567,
    });
  });

  it("HSK-09, RES-04: names neither protocol nor instance where there is none", () => {
    const frame = greetingFrame({ limits: LIMITS, protocol: none, instance: none });
    expect(ids(frame)).toEqual([Parameter.REVISION]);
    expect(readGreeting(frame.parameters, UNANNOUNCED_LIMITS, ABSENT)).toMatchObject({
      protocol: none,
      instance: none,
    });
  });

  it("LIM-02: fits a batch that everybody takes", () => {
    const frame = greetingFrame({ limits: LIMITS, protocol: utf8("p".repeat(200)), instance: id(9) });
    expect(encodeBatch(0, [frame]).length).toBeLessThanOrEqual(4096);
  });

  it("KAL-05: the heartbeat of the reader holds where none is announced", () => {
    expect(readGreeting(map(), UNANNOUNCED_LIMITS, ABSENT)).toMatchObject(ABSENT);
    const announced = map([Parameter.HEARTBEAT_MS, varint(99)], [Parameter.HEARTBEAT_GRACE_MS, varint(0)]);
    expect(readGreeting(announced, UNANNOUNCED_LIMITS, ABSENT)).toMatchObject({ heartbeatMs: 99, heartbeatGraceMs: 0 });
  });

  it("HSK-02, HSK-03: minds neither another revision nor parameters that it does not know", () => {
    const strange = map(
      [Parameter.REVISION, varint(99)],
      [0x3fff, utf8("?")],
      [Parameter.RESUME_TOKEN, utf8("x")],
      [Parameter.EPOCH, none],
    );
    expect(isViolation(readGreeting(strange, UNANNOUNCED_LIMITS, ABSENT))).toBe(false);
  });

  it.each<[string, [number, Uint8Array]]>([
    ["KAL-05: a heartbeat of 0 ms", [Parameter.HEARTBEAT_MS, varint(0)]],
    ["KAL-05: a heartbeat that is no integer", [Parameter.HEARTBEAT_MS, utf8("soon")]],
    ["KAL-05: a grace that is no integer", [Parameter.HEARTBEAT_GRACE_MS, none]],
    ["LIM-03: limits that make no sense", [Parameter.CHANNELS_MAX, varint(0)]],
    ["RES-04: an instance of 17 bytes", [Parameter.INSTANCE, id(0, 17)]],
  ])("%s is a violation", (_, pair) => {
    expect(readGreeting(map(pair), UNANNOUNCED_LIMITS, ABSENT)).toMatchObject(wrong);
  });

  it("RES-04: an instance has up to 16 bytes", () => {
    for (const length of [1, 15, 16]) {
      const greeting = readGreeting(map([Parameter.INSTANCE, id(0, length)]), UNANNOUNCED_LIMITS, ABSENT);
      expect(greeting).toMatchObject({ instance: id(0, length) });
    }
  });
});

describe("HELLO", () => {
  it("HSK-04: of a first attempt says the attempt and the limits, and neither epoch nor session", () => {
    const frame = hello();
    expect(ids(frame)).toEqual([Parameter.REVISION, Parameter.ATTEMPT, Parameter.PADDING]);
    expect(readHello(frame.parameters, UNANNOUNCED_LIMITS)).toEqual({ ...HELLO, limits: ANNOUNCED });
  });

  it.each<[string, Partial<Hello>]>([
    ["credentials", { auth: utf8("sécret") }],
    ["empty credentials, which are not none", { auth: none }],
    ["a later epoch", { epoch: 2 }],
    ["the highest epoch", { epoch: Number.MAX_SAFE_INTEGER }],
    ["RES-04: an attempt that must not begin anew", { epoch: 3, received: 0 }],
    ["RES-01: a session to resume", RESUME],
    ["RES-01: a session to resume of which nothing has come", { ...RESUME, received: 0 }],
    ["CHN-10: a batch that is to open a channel again", { epoch: 2, opening: 9 }],
    ["RES-04: an attempt whose batches only one server may have read", { epoch: 3, received: 0, reader: id(0xa1) }],
    ["all of it", { ...RESUME, auth: utf8("me"), received: Number.MAX_SAFE_INTEGER }],
  ])("is read as it was said: %s", (_, change) => {
    expect(readHello(hello(change).parameters, UNANNOUNCED_LIMITS)).toEqual({ ...HELLO, ...change, limits: ANNOUNCED });
  });

  it("HSK-05: is padded, however much it says", () => {
    for (const length of [0, 100, 1800, 2000, 10_000]) {
      expect(frameBytes(hello({ ...RESUME, auth: new Uint8Array(length) }))).toBeGreaterThanOrEqual(2048);
    }
    expect(hello({ auth: new Uint8Array(3000) }).parameters.has(Parameter.PADDING)).toBe(false);
  });

  it("keeps what it says, not the batch that it came in", () => {
    const parts = { attemptId: id(1), auth: utf8("me"), sessionId: id(50), token: id(100, 32) };
    const { attemptId, auth, sessionId, token } = parts;
    const read = readHello(
      map(
        [Parameter.ATTEMPT, attemptId],
        [Parameter.AUTH, auth],
        [Parameter.SESSION, sessionId],
        [Parameter.RESUME_TOKEN, token],
        [Parameter.RECEIVED, varint(0)],
      ),
      UNANNOUNCED_LIMITS,
    );
    for (const part of Object.values(parts)) part.fill(0);
    expect(read).toMatchObject({
      attemptId: id(1),
      auth: utf8("me"),
      resume: { sessionId: id(50), token: id(100, 32) },
    });
  });

  const attempt: [number, Uint8Array] = [Parameter.ATTEMPT, id(1)];
  const session: [number, Uint8Array] = [Parameter.SESSION, id(50)];
  const token: [number, Uint8Array] = [Parameter.RESUME_TOKEN, id(100, 32)];
  const received: [number, Uint8Array] = [Parameter.RECEIVED, varint(3)];

  it.each<[string, [number, Uint8Array][]]>([
    ["HSK-04: no attempt id", []],
    ["HSK-04: an attempt id of 15 bytes", [[Parameter.ATTEMPT, id(1, 15)]]],
    ["HSK-04: an attempt id of 17 bytes", [[Parameter.ATTEMPT, id(1, 17)]]],
    ["HSK-04: no attempt id, but all of a session", [session, token, received]],
    ["LIM-03: no channel", [attempt, ...limitParameters({ ...LIMITS, channelsMax: 0 })]],
    ["RES-03: an epoch of 0", [attempt, [Parameter.EPOCH, varint(0)]]],
    ["RES-03: an epoch that is no integer", [attempt, [Parameter.EPOCH, none]]],
    ["RES-03: an epoch with something behind it", [attempt, [Parameter.EPOCH, Uint8Array.of(2, 2)]]],
    ["RES-03: an epoch of 2^53", [attempt, [Parameter.EPOCH, Uint8Array.of(0xc0, 0x20, 0, 0, 0, 0, 0, 0)]]],
    ["RES-05: a counter that is no integer", [attempt, [Parameter.RECEIVED, Uint8Array.of(0x40)]]],
    ["CHN-10: a number that is no integer", [attempt, [Parameter.OPENING, none]]],
    ["RES-05: an empty counter", [attempt, session, token, [Parameter.RECEIVED, none]]],
    ["RES-02: a session without token", [attempt, session, received]],
    ["RES-02: a session without token and counter", [attempt, session]],
    ["RES-02: a token without session", [attempt, token, received]],
    ["RES-02: session and token without counter", [attempt, session, token]],
    ["RES-02: a session id of 15 bytes", [attempt, [Parameter.SESSION, id(0, 15)], token, received]],
    ["RES-02: an empty session id", [attempt, [Parameter.SESSION, none], token, received]],
    ["RES-02: a token of 31 bytes", [attempt, session, [Parameter.RESUME_TOKEN, id(0, 31)], received]],
    ["RES-02: a token of 33 bytes", [attempt, session, [Parameter.RESUME_TOKEN, id(0, 33)], received]],
  ])("%s is a violation", (_, pairs) => {
    expect(readHello(map(...pairs), UNANNOUNCED_LIMITS)).toMatchObject(wrong);
  });
});

describe("WELCOME", () => {
  it("RES-02: says session, token, window and counter, and is read as it was said", () => {
    const frame = welcome();
    expect(ids(frame)).toEqual([
      Parameter.REVISION,
      Parameter.SESSION,
      Parameter.RESUME_TOKEN,
      Parameter.RECEIVED,
      Parameter.PADDING,
    ]);
    expect(readWelcome(frame.parameters, UNANNOUNCED_LIMITS)).toEqual({ ...WELCOME, limits: ANNOUNCED });
  });

  it("RES-02: to a session that cannot be resumed has neither token nor window", () => {
    const frame = welcome({ token: undefined });
    expect([frame.parameters.has(Parameter.RESUME_TOKEN), frame.parameters.has(Parameter.RESUME_WINDOW_MS)]).toEqual([
      false,
      false,
    ]);
    expect(readWelcome(frame.parameters, UNANNOUNCED_LIMITS)).toMatchObject({ token: undefined, resumeWindowMs: 0 });
  });

  it("RES-05: a counter that is not given is 0", () => {
    const frame = welcome({ received: 0 });
    expect(frame.parameters.has(Parameter.RECEIVED)).toBe(false);
    expect(readWelcome(frame.parameters, UNANNOUNCED_LIMITS)).toMatchObject({ received: 0 });
  });

  it("HSK-05, HSK-09: is padded, and names the protocol where one was chosen", () => {
    for (const protocol of [none, utf8("chat.v2")]) {
      const frame = welcome({ protocol });
      expect(frameBytes(frame)).toBeGreaterThanOrEqual(2048);
      expect(frame.parameters.get(Parameter.PROTOCOL)).toEqual(protocol.length === 0 ? undefined : protocol);
    }
  });

  it("CHN-10: says what the server has yet to open again", () => {
    const frame = welcome({ opening: 77 });
    expect(readWelcome(frame.parameters, UNANNOUNCED_LIMITS)).toMatchObject({ opening: 77 });
    expect(welcome().parameters.has(Parameter.OPENING)).toBe(false);
  });

  it("LIM-07: limits replace what was known one by one", () => {
    const known = { ...ANNOUNCED, channelsMax: 5, batchBytesMax: 5000 };
    const parameters = map([Parameter.SESSION, id(50)], [Parameter.BATCH_BYTES_MAX, varint(9000)]);
    expect(readWelcome(parameters, known)).toMatchObject({ limits: { ...known, batchBytesMax: 9000 } });
  });

  it("keeps what it says, not the batch that it came in", () => {
    const [sessionId, token] = [id(50), id(100, 32)];
    const read = readWelcome(map([Parameter.SESSION, sessionId], [Parameter.RESUME_TOKEN, token]), UNANNOUNCED_LIMITS);
    sessionId.fill(0);
    token.fill(0);
    expect(read).toMatchObject({ sessionId: id(50), token: id(100, 32) });
  });

  const session: [number, Uint8Array] = [Parameter.SESSION, id(50)];

  it.each<[string, [number, Uint8Array][]]>([
    ["HSK-08: no session id", []],
    ["HSK-08: a session id of 17 bytes", [[Parameter.SESSION, id(0, 17)]]],
    ["RES-02: a token of 31 bytes", [session, [Parameter.RESUME_TOKEN, id(0, 31)]]],
    ["RES-02: an empty token", [session, [Parameter.RESUME_TOKEN, none]]],
    ["RES-05: a counter that is no integer", [session, [Parameter.RECEIVED, none]]],
    ["CHN-10: a number that is no integer", [session, [Parameter.OPENING, none]]],
    ["RES-01: a window that is no integer", [session, [Parameter.RESUME_WINDOW_MS, utf8("long")]]],
    ["LIM-03: limits that make no sense", [session, [Parameter.BATCH_BYTES_MAX, varint(1)]]],
  ])("%s is a violation", (_, pairs) => {
    expect(readWelcome(map(...pairs), UNANNOUNCED_LIMITS)).toMatchObject(wrong);
  });
});
