import { describe, expect, it, test } from "vitest";
import type { Limits } from "../../src/core/limits.js";
import { BatchReader } from "../../src/core/wire/decode.js";
import { encodeBatch, frameBytes } from "../../src/core/wire/encode.js";
import { FrameType } from "../../src/core/wire/frame.js";
import { readVarint, varintBytes, varintBytesAt, writeVarint } from "../../src/core/wire/varint.js";
import { BatchStreamReader, batchStream } from "../../src/transport/http/batch-stream.js";
import { decoded, type Exchange, hold } from "./exchange.js";
import { ClientHost, type Host, type Outlet, ServerHost } from "./hosts.js";
import { bytesOf, type FrameVector, frameOf, frameVectorOf, notationOf, vectors } from "./notation.js";

interface Varints {
  readonly valid: readonly { hex: string; value: number; canonical: boolean }[];
  readonly invalid: readonly { hex: string; why: string }[];
}

interface Batches {
  readonly valid: readonly { title: string; hex: string; canonical: boolean; number: number; frames: FrameVector[] }[];
  readonly invalid: readonly { title: string; hex: string; framesBefore: number; code: number }[];
}

interface Streams {
  readonly streams: readonly {
    title: string;
    hex: string;
    batchBytesMax: number;
    batches: string[];
    heldBytes: number;
    code?: number;
  }[];
}

type State =
  | "server-awaiting-hello"
  | "server-authenticating"
  | "server-established"
  | "client-awaiting-greeting"
  | "client-awaiting-welcome"
  | "client-attached";

interface Sessions {
  readonly sessions: readonly {
    title: string;
    state: State;
    limits?: Partial<Limits>;
    batches: string[];
    abort?: number;
    /** The session is over, and the peer is not told. */
    silentEnd?: boolean;
    /** The code that the transport is ended with, and nothing else. */
    ends?: number;
    messages?: ({ text: string } | { binary: string })[];
    ackNumber?: number;
    /** Its application takes what comes on the default channel piece by piece. */
    takesPieces?: boolean;
    /** What it says of credit and verdicts. */
    says?: FrameVector[];
  }[];
}

const varints = vectors<Varints>("varints.json");
const batches = vectors<Batches>("batches.json");
const { streams } = vectors<Streams>("streams.json");
const { sessions } = vectors<Sessions>("sessions.json");
const exchange = vectors<Exchange>("exchange.json");
const resume = vectors<Exchange>("resume.json");

describe("varints", () => {
  test.each(varints.valid)("WIRE-02: $hex is $value", ({ hex, value, canonical }) => {
    const bytes = bytesOf(hex);
    expect(readVarint(bytes, 0)).toBe(value);
    expect(varintBytesAt(bytes, 0)).toBe(bytes.length);
    const written = new Uint8Array(varintBytes(value));
    expect(writeVarint(written, 0, value)).toBe(written.length);
    expect(notationOf(written) === hex).toBe(canonical);
  });

  test.each(varints.invalid)("WIRE-02: '$hex' is none ($why)", ({ hex }) => {
    expect(readVarint(bytesOf(hex), 0)).toBeUndefined();
  });
});

describe("batches", () => {
  test.each(batches.valid)("$title", ({ hex, canonical, number, frames }) => {
    const bytes = bytesOf(hex);
    expect(decoded(bytes)).toEqual({ number, frames });
    const encoded = encodeBatch(number, frames.map(frameOf));
    if (canonical) expect(notationOf(encoded)).toBe(hex);
    else expect(decoded(encoded)).toEqual({ number, frames });
    const sizes = frames.map((frame) => frameBytes(frameOf(frame)));
    expect(sizes.reduce((sum, size) => sum + size, varintBytes(number))).toBe(encoded.length);
  });

  test.each(batches.invalid)("$title", ({ hex, framesBefore, code }) => {
    const reader = new BatchReader(bytesOf(hex));
    let frames = 0;
    while (reader.next() !== undefined) frames += 1;
    expect({ frames, code: reader.violation?.code }).toEqual({ frames: framesBefore, code });
    // It stays at the violation.
    expect(reader.next()).toBeUndefined();
  });

  it("FRM-02: every frame type and every legal combination of flags has a vector", () => {
    const seen = new Set<number>();
    for (const { number, frames } of batches.valid) {
      for (const frame of frames) seen.add(encodeBatch(number, [frameOf(frame)])[varintBytes(number)] as number);
    }
    const { CHUNK, ...plain } = FrameType;
    const chunks = [0x0, 0x1, 0x2, 0x3, 0x5, 0x7, 0x9, 0xd].map((flags) => CHUNK | flags);
    expect([...seen].sort((a, b) => a - b)).toEqual([...Object.values(plain), ...chunks].sort((a, b) => a - b));
  });
});

describe("streams", () => {
  test.each(streams)("$title", ({ hex, batchBytesMax, batches, heldBytes, code }) => {
    const bytes = bytesOf(hex);
    for (const step of [bytes.length || 1, 1, 3]) {
      const reader = new BatchStreamReader(batchBytesMax);
      const read: string[] = [];
      for (let at = 0; at < bytes.length; at += step)
        read.push(...reader.push(bytes.subarray(at, at + step)).map(notationOf));
      expect({ read, code: reader.violation?.code, heldBytes: reader.heldBytes }).toEqual({
        read: batches,
        code,
        heldBytes,
      });
    }
  });

  it("BAT-06: a batch is framed as it is read", () => {
    const reader = new BatchStreamReader(4096);
    for (const { batches } of streams) {
      for (const batch of batches) expect(reader.push(batchStream([bytesOf(batch)])).map(notationOf)).toEqual([batch]);
    }
  });
});

describe("sessions", () => {
  test.each(sessions)("$title", ({ state, limits, batches, abort, silentEnd, ends, ...rest }) => {
    const { messages, ackNumber, says, takesPieces = false } = rest;
    const end = ended(state, limits ?? {}, takesPieces);
    for (const batch of batches) end.receive(bytesOf(batch));
    end.wait(20);
    expect({ abort: end.aborts.at(0)?.code, aborts: end.aborts.length }).toEqual({
      abort,
      aborts: abort === undefined ? 0 : 1,
    });
    expect(end.isClosed).toBe(abort !== undefined || silentEnd === true);
    expect(end.transportCode !== undefined).toBe(end.isClosed || ends !== undefined);
    if (ends !== undefined) expect(end.transportCode).toBe(ends);
    // ERR-02: the peer learns the code, and no more.
    for (const { reason } of end.aborts) expect(reason).toBe("");
    if (messages !== undefined) expect(end.messages).toEqual(messages);
    if (ackNumber !== undefined) expect(end.acks.at(-1)?.number).toBe(ackNumber);
    if (says !== undefined) expect(end.says).toEqual(says);
  });
});

describe("the worked examples", () => {
  it("are what two engines say", () => {
    for (const example of [exchange, resume]) {
      const { batches, events } = example;
      expect(hold(example)).toEqual({ batches, events });
    }
  });

  it("RES-06: a cut line loses batches, and no message", () => {
    const lost = resume.batches.filter((batch) => batch.lost);
    expect(lost.map(({ number }) => number)).toEqual([1, 2]);
    for (const { from, hex } of lost) {
      const again = resume.batches.filter((batch) => batch.from === from && batch.hex === hex && !batch.lost);
      expect(again.map(({ transport }) => transport)).toEqual([2]);
    }
    const received = resume.events.filter((event) => event.includes(" message "));
    expect(received.map((event) => event.split(" ").at(-1)).sort()).toEqual(["one", "three", "two"]);
  });
});

describe("how much there is", () => {
  it("no file has lost its vectors", () => {
    expect(varints.valid.length + varints.invalid.length).toBeGreaterThanOrEqual(25);
    expect(batches.valid.length).toBeGreaterThanOrEqual(39);
    expect(batches.invalid.length).toBeGreaterThanOrEqual(66);
    expect(streams.length).toBeGreaterThanOrEqual(10);
    expect(sessions.length).toBeGreaterThanOrEqual(100);
    expect(exchange.batches.length).toBe(9);
    expect(resume.batches.length).toBe(17);
  });

  it("frames survive the way into a vector and back", () => {
    for (const { frames } of batches.valid) {
      for (const frame of frames) expect(frameVectorOf(frameOf(frame))).toEqual(frame);
    }
  });
});

interface AckOrAbort {
  readonly number: number;
  readonly code: number;
  readonly reason: string;
}

/** One end in the state that a vector asks for, and what it says from there on. */
function ended(state: State, limits: Partial<Limits>, takesPieces: boolean) {
  const messages: ({ text: string } | { binary: string })[] = [];
  const acks: AckOrAbort[] = [];
  const aborts: AckOrAbort[] = [];
  const says: FrameVector[] = [];
  let transportCode: number | undefined;
  let isSessionClosed = false;
  const outlet: Outlet = {
    transmit(_, batch) {
      for (const frame of decoded(batch).frames) {
        if (frame.type === "ack") acks.push(frame as unknown as AckOrAbort);
        if (frame.type === "abort") aborts.push(frame as unknown as AckOrAbort);
        if (["channel-credit", "reject", "admit"].includes(frame.type)) says.push(frame);
      }
    },
    end(_, code) {
      transportCode ??= code;
    },
    tell(event) {
      if (event.type === "closed") isSessionClosed = true;
      if (event.type !== "message") return;
      const { data } = event;
      messages.push(typeof data === "string" ? { text: data } : { binary: notationOf(data) });
    },
  };
  const { host, begun } = state.startsWith("server") ? server(state, limits, outlet) : client(state, limits, outlet);
  let now = 0;
  const receive = (batch: Uint8Array) => {
    now += 1;
    host.receive(1, batch, now);
  };

  host.open(1, now);
  for (const { hex } of begun) receive(bytesOf(hex));
  if (takesPieces) host.command((session) => session.receive(0, "incoming", now), now);
  const hasSession = !(state === "server-awaiting-hello" || state === "server-authenticating");

  return {
    receive,
    wait(ms: number) {
      now += ms;
      host.handleDeadline(now);
    },
    /** Whether the session is over or, where there is none yet, the transport. */
    get isClosed() {
      return hasSession ? isSessionClosed : transportCode !== undefined;
    },
    get transportCode() {
      return transportCode;
    },
    messages,
    acks,
    aborts,
    says,
  };
}

type Begun = { readonly host: Host; readonly begun: readonly { hex: string }[] };

function server(state: State, limits: Partial<Limits>, outlet: Outlet): Begun {
  const { sessionId, tokens, instance, protocol } = exchange.server;
  const decides = state !== "server-authenticating";
  const host = new ServerHost({ sessionIds: [sessionId], tokens, instance, protocol, limits, decides }, outlet);
  const hello = exchange.batches.slice(1, 2);
  return { host, begun: state === "server-awaiting-hello" ? [] : hello };
}

function client(state: State, limits: Partial<Limits>, outlet: Outlet): Begun {
  const host = new ClientHost({ ...exchange.client, limits }, outlet);
  host.command((session) => session.start(0), 0);
  const [greeting, , welcome] = exchange.batches;
  if (greeting === undefined || welcome === undefined) throw new Error("the worked example begins with a handshake");
  if (state === "client-awaiting-greeting") return { host, begun: [] };
  return { host, begun: state === "client-attached" ? [greeting, welcome] : [greeting] };
}
