import { DEFAULT_LIMITS } from "../../src/core/limits.js";
import type { SessionEvent } from "../../src/core/session/events.js";
import { Session } from "../../src/core/session/session.js";
import { BatchReader } from "../../src/core/wire/decode.js";
import { testPorts } from "../support/ports.js";
import { bytesOf, type FrameVector, frameVectorOf, notationOf } from "./notation.js";

/** The conversation of PROTOCOL.md, "A worked example": what is given, and what the two ends then say. */
export interface Exchange {
  readonly delayMs: number;
  readonly client: { readonly clockMs: number; readonly attemptId: string; readonly auth: string };
  readonly server: { readonly clockMs: number; readonly sessionId: string; readonly protocol: string };
  readonly inputs: readonly ExchangeInput[];
  readonly batches: readonly ExchangeBatch[];
}

export type ExchangeInput =
  | { readonly atMs: number; readonly end: "client" | "server"; readonly do: "open" }
  | { readonly atMs: number; readonly end: "client" | "server"; readonly do: "send"; readonly text: string }
  | {
      readonly atMs: number;
      readonly end: "client" | "server";
      readonly do: "close";
      readonly code: number;
      readonly reason: string;
    };

export interface ExchangeBatch {
  readonly atMs: number;
  readonly from: "client" | "server";
  readonly hex: string;
  readonly number: number;
  readonly frames: readonly FrameVector[];
}

/** Lets two engines hold the conversation, and returns what went over the line and how it ended for each. */
export function hold(exchange: Omit<Exchange, "batches">): { batches: ExchangeBatch[]; events: string[] } {
  const { client, server, delayMs } = exchange;
  const sessions = {
    client: new Session({
      side: { role: "client", attemptId: bytesOf(client.attemptId), auth: testPorts.encodeUtf8(client.auth) },
      limits: DEFAULT_LIMITS,
      ports: testPorts,
    }),
    server: new Session({
      side: {
        role: "server",
        sessionId: bytesOf(server.sessionId),
        protocol: testPorts.encodeUtf8(server.protocol),
      },
      limits: { ...DEFAULT_LIMITS, handshakeTimeoutMs: 5000 },
      ports: testPorts,
    }),
  };
  const batches: ExchangeBatch[] = [];
  const events: string[] = [];
  const queue: { atMs: number; end: "client" | "server"; run: (session: Session, now: number) => void }[] =
    exchange.inputs.map((input) => ({ atMs: input.atMs, end: input.end, run: (s, now) => apply(input, s, now) }));

  const follow = (end: "client" | "server", atMs: number): void => {
    const now = atMs + exchange[end].clockMs;
    const session = sessions[end];
    for (
      let batch = session.pollTransmit(1 << 20, now);
      batch !== undefined;
      batch = session.pollTransmit(1 << 20, now)
    ) {
      const arrived = batch;
      batches.push({ atMs, from: end, hex: notationOf(batch), ...decoded(batch) });
      const to = end === "client" ? "server" : "client";
      queue.push({ atMs: atMs + delayMs, end: to, run: (s, at) => s.handleBatch(arrived, at) });
    }
    for (let event = session.pollEvent(); event !== undefined; event = session.pollEvent()) {
      events.push(`${atMs} ${end} ${told(event)}`);
      if (event.type === "hello") queue.push({ atMs, end, run: (s, at) => s.accept(bytesOf(server.sessionId), at) });
    }
  };

  for (;;) {
    for (const end of ["client", "server"] as const) {
      const deadline = sessions[end].nextDeadline();
      // Heartbeats are not part of the conversation, and would go on for ever.
      const atMs = deadline === undefined ? Number.POSITIVE_INFINITY : deadline - exchange[end].clockMs;
      const isFirst = queue.every((entry) => entry.atMs > atMs);
      if (isFirst && atMs < 1000) queue.push({ atMs, end, run: (s, now) => s.handleDeadline(now) });
    }
    queue.sort((a, b) => a.atMs - b.atMs);
    const next = queue.shift();
    if (next === undefined) return { batches, events };
    next.run(sessions[next.end], next.atMs + exchange[next.end].clockMs);
    follow(next.end, next.atMs);
  }
}

export function decoded(batch: Uint8Array): { number: number; frames: FrameVector[] } {
  const reader = new BatchReader(batch);
  const frames: FrameVector[] = [];
  for (let frame = reader.next(); frame !== undefined; frame = reader.next()) frames.push(frameVectorOf(frame));
  if (reader.violation !== undefined) throw new Error(reader.violation.reason);
  return { number: reader.number, frames };
}

function apply(input: ExchangeInput, session: Session, now: number): void {
  switch (input.do) {
    case "open":
      return session.handleTransportOpen(65 * 1024, now);
    case "send": {
      const bytes = testPorts.encodeUtf8(input.text);
      session.send(0, { text: true, totalBytes: bytes.length, wantsProgress: false, bytes }, now);
      return;
    }
    case "close":
      return session.close(input.code, input.reason, now);
  }
}

function told(event: SessionEvent): string {
  switch (event.type) {
    case "open":
      return `open ${event.protocol}`;
    case "message":
      return `message ${event.data}`;
    case "closed":
      return `closed ${event.code} ${event.reason} ${event.wasClean}`;
    default:
      return event.type;
  }
}
