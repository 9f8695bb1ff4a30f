import type { Frame, Priority } from "../../src/core/wire/frame.js";

/**
 * A second decoder, written from the layout of the frames alone and sharing no code with the first: integers are
 * `BigInt`, bounds are numbers, whatever is wrong is thrown. Slow and plain on purpose.
 */
export function naiveDecode(batch: Uint8Array): { number: number; frames: Frame[]; isValid: boolean } {
  const frames: Frame[] = [];
  const input = new Input(batch);
  let number = 0;
  try {
    number = input.integer();
    if (input.isEmpty) throw new Wrong();
    while (!input.isEmpty) {
      const { frame, travels } = readFrame(input);
      if (travels === "numbered" && number === 0) throw new Wrong();
      if (travels === "unnumbered" && number !== 0) throw new Wrong();
      frames.push(frame);
    }
    return { number, frames, isValid: true };
  } catch (error) {
    if (!(error instanceof Wrong)) throw error;
    return { number, frames, isValid: false };
  }
}

class Wrong extends Error {}

class Input {
  #rest: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#rest = bytes;
  }

  get isEmpty(): boolean {
    return this.#rest.length === 0;
  }

  byte(): number {
    return this.bytes(1)[0] as number;
  }

  integer(): number {
    const first = this.byte();
    const size = [1, 2, 4, 8][first >> 6] as number;
    let value = BigInt(first % 64);
    for (let i = 1; i < size; i++) value = value * 256n + BigInt(this.byte());
    if (value > 2n ** 53n - 1n) throw new Wrong();
    return Number(value);
  }

  bytes(count: number): Uint8Array {
    if (count > this.#rest.length) throw new Wrong();
    const taken = this.#rest.slice(0, count);
    this.#rest = this.#rest.subarray(count);
    return taken;
  }

  field(bytesMax: number): Uint8Array {
    const size = this.integer();
    if (size > bytesMax) throw new Wrong();
    return this.bytes(size);
  }
}

type Travels = "numbered" | "unnumbered" | "either";

function readFrame(input: Input): { frame: Frame; travels: Travels } {
  const type = input.byte();
  if (type >= 0x40 && type <= 0x4f) return { frame: readChunk(input, type - 0x40), travels: "numbered" };
  switch (type) {
    case 1:
      return { frame: { type: "greeting", parameters: readParameters(input) }, travels: "unnumbered" };
    case 2:
      return { frame: { type: "hello", parameters: readParameters(input) }, travels: "unnumbered" };
    case 3:
      return { frame: { type: "welcome", parameters: readParameters(input) }, travels: "unnumbered" };
    case 4: {
      const [number, bytes] = [input.integer(), input.integer()];
      const [receivedTicks, delayTicks] = [input.integer(), input.integer()];
      return { frame: { type: "ack", number, bytes, receivedTicks, delayTicks }, travels: "either" };
    }
    case 5: {
      const channel = input.byte();
      return { frame: { type: "channel-credit", channel, bytes: input.integer() }, travels: "either" };
    }
    case 7:
      return { frame: { type: "ping", payload: input.field(125) }, travels: "unnumbered" };
    case 8:
      return { frame: { type: "pong", payload: input.field(125) }, travels: "unnumbered" };
    case 9:
      return { frame: { type: "abort", ...readEnd(input) }, travels: "unnumbered" };
    case 10:
      return { frame: { type: "detach" }, travels: "unnumbered" };
    case 11:
      return { frame: { type: "goaway", delayMs: input.integer() }, travels: "unnumbered" };
    case 16:
      return { frame: { type: "close", ...readEnd(input) }, travels: "numbered" };
    case 17: {
      const channel = input.byte();
      const urgency = input.byte();
      if (urgency > 2) throw new Wrong();
      const priority = (["high", "normal", "low"] as Priority[])[urgency] as Priority;
      return { frame: { type: "channel-open", channel, priority, name: input.field(256) }, travels: "numbered" };
    }
    case 18:
      return { frame: { type: "channel-close", channel: input.byte() }, travels: "numbered" };
    case 19:
      return { frame: { type: "reset", channel: input.byte() }, travels: "numbered" };
    case 20: {
      const channel = input.byte();
      const [message, code] = [input.integer(), input.integer()];
      return { frame: { type: "reject", channel, message, code }, travels: "numbered" };
    }
    case 21: {
      const channel = input.byte();
      return { frame: { type: "admit", channel, message: input.integer() }, travels: "numbered" };
    }
    default:
      throw new Wrong();
  }
}

function readChunk(input: Input, flags: number): Frame {
  const [first, last, text, total] = [1, 2, 4, 8].map((flag) => Math.floor(flags / flag) % 2 === 1);
  const channel = input.byte();
  if (text && !first) throw new Wrong();
  if (total && (!first || last)) throw new Wrong();
  const totalBytes = total ? input.integer() : undefined;
  const payload = input.bytes(input.integer());
  if (!last && payload.length < 1024) throw new Wrong();
  return {
    type: "chunk",
    channel,
    first: first === true,
    last: last === true,
    text: text === true,
    totalBytes,
    payload,
  };
}

function readEnd(input: Input): { code: number; reason: Uint8Array } {
  const code = input.integer();
  if (code !== 0 && (code < 1000 || code > 4999 || [1004, 1005, 1006, 1015].includes(code))) throw new Wrong();
  return { code, reason: input.field(123) };
}

function readParameters(input: Input): Map<number, Uint8Array> {
  const inside = new Input(input.bytes(input.integer()));
  const parameters = new Map<number, Uint8Array>();
  while (!inside.isEmpty) {
    const id = inside.integer();
    const value = inside.bytes(inside.integer());
    if (parameters.has(id) || parameters.size === 64) throw new Wrong();
    parameters.set(id, value);
  }
  return parameters;
}
