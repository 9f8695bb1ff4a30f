import fc from "fast-check";
import { DEFAULT_LIMITS, type Limits } from "../../src/core/limits.js";
import { carriage, type Frame, type HandshakeFrame, Parameter, PRIORITIES } from "../../src/core/wire/frame.js";
import type { Greeting, Hello, Welcome } from "../../src/core/wire/handshake.js";

/** Integers of the protocol, the borders of their four sizes often among them. */
export const varints: fc.Arbitrary<number> = fc.oneof(
  fc.constantFrom(0, 1, 63, 64, 16_383, 16_384, 2 ** 30 - 1, 2 ** 30, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER),
  fc.nat(100),
  fc.maxSafeNat(),
);

const byte = fc.nat(255);
const upTo = (maxLength: number) => fc.uint8Array({ maxLength, size: "max" });
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const short = fc.uint8Array({ maxLength: 40 });
const closeCodes = fc
  .oneof(fc.constant(0), fc.integer({ min: 1000, max: 1020 }), fc.integer({ min: 1000, max: 4999 }))
  .filter((code) => ![1004, 1005, 1006, 1015].includes(code));

/** Those that are assigned, and any other. */
const parameterIds = fc.oneof(fc.constantFrom(...Object.values(Parameter)), varints);

const parameters = fc
  .uniqueArray(fc.tuple(parameterIds, fc.oneof(short, bytes(16), bytes(32))), { maxLength: 8, selector: ([id]) => id })
  .map((pairs) => new Map(pairs));

export const handshakes: fc.Arbitrary<HandshakeFrame> = fc.record<HandshakeFrame>({
  type: fc.constantFrom("greeting", "hello", "welcome"),
  parameters,
});

const chunks: fc.Arbitrary<Frame> = fc
  .record({
    channel: byte,
    first: fc.boolean(),
    last: fc.boolean(),
    text: fc.boolean(),
    total: fc.option(varints),
    fill: byte,
    size: fc.nat(60),
    extra: fc.nat(3000),
  })
  .map(({ channel, first, last, text, total, fill, size, extra }) => ({
    type: "chunk",
    channel,
    first,
    last,
    text: first && text,
    totalBytes: first && !last ? (total ?? undefined) : undefined,
    payload: new Uint8Array(last ? size : 1024 + extra).fill(fill),
  }));

/** Every kind of frame, with every value that it may have. */
export const frames: fc.Arbitrary<Frame> = fc.oneof(
  handshakes,
  { arbitrary: chunks, weight: 4 },
  fc.record({ type: fc.constant("ack"), number: varints, bytes: varints, receivedTicks: varints, delayTicks: varints }),
  fc.record({ type: fc.constantFrom("close", "abort"), code: closeCodes, reason: upTo(123) }),
  fc.record({ type: fc.constant("channel-credit"), channel: byte, bytes: varints }),
  fc.record({ type: fc.constantFrom("ping", "pong"), payload: upTo(125) }),
  fc.constant<Frame>({ type: "detach" }),
  fc.record({ type: fc.constant("goaway"), delayMs: varints }),
  fc.record({
    type: fc.constant("channel-open"),
    channel: byte,
    priority: fc.constantFrom(...PRIORITIES),
    name: upTo(256),
  }),
  fc.record({ type: fc.constantFrom("channel-close", "reset"), channel: byte }),
  fc.record({ type: fc.constant("reject"), channel: byte, message: varints, code: varints }),
  fc.record({ type: fc.constant("admit"), channel: byte, message: varints }),
) as fc.Arbitrary<Frame>;

/** Limits as an honest end announces them. */
export const limits: fc.Arbitrary<Limits> = fc
  .record({
    messageBytesMax: fc.integer({ min: 1, max: 2 ** 40 }),
    batchBytesMax: fc.integer({ min: 4096, max: 2 ** 31 }),
    channelsMax: fc.integer({ min: 1, max: 256 }),
    extra: fc.nat(2 ** 40),
    heartbeatMs: fc.integer({ min: 1, max: 1e6 }),
    heartbeatGraceMs: fc.integer({ min: 1, max: 1e6 }),
  })
  .map(({ extra, ...rest }) => ({ ...DEFAULT_LIMITS, ...rest, reassemblyBytesMax: rest.messageBytesMax + extra }));

/** What a GREETING, a HELLO and a WELCOME may say. */
export const greetings: fc.Arbitrary<Pick<Greeting, "protocol" | "instance">> = fc.record({
  protocol: short,
  instance: fc.uint8Array({ maxLength: 16 }),
});

export const hellos: fc.Arbitrary<Omit<Hello, "limits">> = fc
  .record({
    attemptId: bytes(16),
    epoch: varints.filter((epoch) => epoch > 0),
    auth: fc.option(fc.uint8Array({ maxLength: 3000 }), { nil: undefined }),
    resume: fc.option(fc.record({ sessionId: bytes(16), token: bytes(32) }), { nil: undefined }),
    received: varints,
    opening: varints,
    protocolsOffered: fc.option(fc.uint8Array({ minLength: 1, maxLength: 300 }), { nil: undefined }),
    reader: fc.option(fc.uint8Array({ minLength: 1, maxLength: 16 }), { nil: undefined }),
    isFirst: fc.boolean(),
  })
  .map(({ isFirst, ...hello }) => ({
    ...hello,
    received: hello.resume === undefined && isFirst ? undefined : hello.received,
  }));

export const welcomes: fc.Arbitrary<Omit<Welcome, "limits"> & { protocol: Uint8Array }> = fc
  .record({
    sessionId: bytes(16),
    token: fc.option(bytes(32), { nil: undefined }),
    resumeWindowMs: varints,
    received: varints,
    opening: varints,
    protocol: short,
  })
  // Where there is no token there is nothing to keep, and no window to speak of.
  .map((welcome) => (welcome.token === undefined ? { ...welcome, resumeWindowMs: 0 } : welcome));

/** A number and frames that may travel under it. */
export const batches: fc.Arbitrary<{ number: number; frames: Frame[] }> = fc
  .record({ number: fc.oneof(fc.constant(0), varints), frames: fc.array(frames, { minLength: 1, maxLength: 12 }) })
  .map(({ number, frames }) => ({
    number,
    frames: frames.filter(({ type }) => carriage(type) !== (number === 0 ? "numbered" : "unnumbered")),
  }))
  .filter(({ frames }) => frames.length > 0);

/** What line noise or an attacker makes of `bytes`: bits turned, pieces cut out, doubled, put in. */
export const mutated = (source: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> =>
  fc
    .tuple(source, fc.array(fc.tuple(fc.nat(4), fc.nat(), fc.nat(255), fc.nat(12)), { minLength: 1, maxLength: 6 }))
    .map(([bytes, changes]) => {
      let out = Array.from(bytes);
      for (const [kind, where, value, length] of changes) {
        const at = where % (out.length + 1);
        if (kind === 0 && out.length > 0) out[at % out.length] = value;
        else if (kind === 1 && out.length > 0)
          out[at % out.length] = (out[at % out.length] as number) ^ (1 << (value % 8));
        else if (kind === 2) out = [...out.slice(0, at), ...out.slice(at + length)];
        else if (kind === 3) out = [...out.slice(0, at), ...out.slice(at, at + length), ...out.slice(at)];
        else out = [...out.slice(0, at), value, ...out.slice(at)];
      }
      return Uint8Array.from(out);
    });
