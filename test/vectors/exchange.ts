import type { SessionEvent } from "../../src/core/session/events.js";
import type { Session } from "../../src/core/session/session.js";
import { BatchReader } from "../../src/core/wire/decode.js";
import { testPorts } from "../support/ports.js";
import { ClientHost, type Host, type Outlet, ServerHost } from "./hosts.js";
import { type FrameVector, frameVectorOf, notationOf } from "./notation.js";

type EndName = "client" | "server";

/** The conversations of PROTOCOL.md, "A worked example": what is given, and what the two ends then say. */
export interface Exchange {
  readonly delayMs: number;
  readonly client: {
    readonly clockMs: number;
    readonly attemptId: string;
    readonly auth: string;
    readonly random: number;
  };
  readonly server: {
    readonly clockMs: number;
    readonly instance: string;
    readonly sessionId: string;
    readonly tokens: readonly string[];
    readonly protocol: string;
  };
  readonly inputs: readonly ExchangeInput[];
  readonly batches: readonly ExchangeBatch[];
  readonly events: readonly string[];
}

export type ExchangeInput = { readonly atMs: number; readonly end: EndName } & (
  | { readonly do: "dial" }
  | { readonly do: "open"; readonly transport: number }
  /** What is on the line is lost, and this end is told. */
  | { readonly do: "cut"; readonly transport: number }
  | { readonly do: "send"; readonly text: string }
  | { readonly do: "close"; readonly code: number; readonly reason: string }
);

export interface ExchangeBatch {
  readonly atMs: number;
  readonly from: EndName;
  readonly transport: number;
  /** Whether it has never arrived. */
  readonly lost?: true;
  readonly hex: string;
  readonly number: number;
  readonly frames: readonly FrameVector[];
}

interface Due {
  readonly atMs: number;
  readonly end: EndName;
  readonly run: (host: Host, now: number) => void;
  /** The batch that arrives, as an index. */
  readonly arriving?: { readonly transport: number; readonly index: number };
}

/** Heartbeats are not part of a conversation, and would go on for ever. */
const END_MS = 2000;

/** Lets two engines hold the conversation, and returns what went over the line and how it ended for each. */
export function hold(exchange: Exchange): { batches: ExchangeBatch[]; events: string[] } {
  const { client, server, delayMs } = exchange;
  const batches: ExchangeBatch[] = [];
  const events: string[] = [];
  const cut = new Set<number>();
  let queue: Due[] = [];
  let atMs = 0;

  const outlet = (from: EndName): Outlet => ({
    transmit(transport, batch) {
      const isLost = cut.has(transport);
      const index = batches.length;
      const lost = isLost ? { lost: true as const } : {};
      batches.push({ atMs, from, transport, ...lost, hex: notationOf(batch), ...decoded(batch) });
      if (isLost) return;
      const end = from === "client" ? "server" : "client";
      const run: Due["run"] = (host, now) => host.receive(transport, batch, now);
      queue.push({ atMs: atMs + delayMs, end, run, arriving: { transport, index } });
    },
    end: () => {},
    tell(event) {
      if (event.type !== "introduce") events.push(`${atMs} ${from} ${told(event)}`);
    },
  });
  const hosts: Record<EndName, Host> = {
    client: new ClientHost(client, outlet("client")),
    server: new ServerHost({ ...server, sessionIds: [server.sessionId] }, outlet("server")),
  };

  const lose = (transport: number): void => {
    cut.add(transport);
    for (const { arriving } of queue) {
      if (arriving?.transport !== transport) continue;
      const { hex, number, frames, ...where } = batches[arriving.index] as ExchangeBatch;
      batches[arriving.index] = { ...where, lost: true, hex, number, frames };
    }
    queue = queue.filter(({ arriving }) => arriving?.transport !== transport);
  };
  queue = exchange.inputs.map((input) => ({ atMs: input.atMs, end: input.end, run: applied(input, lose) }));

  for (;;) {
    for (const end of ["client", "server"] as const) {
      const deadline = hosts[end].nextDeadline();
      const dueMs = deadline === undefined ? Number.POSITIVE_INFINITY : deadline - exchange[end].clockMs;
      const isFirst = queue.every((entry) => entry.atMs > dueMs);
      if (isFirst && dueMs < END_MS) queue.push({ atMs: dueMs, end, run: (host, now) => host.handleDeadline(now) });
    }
    queue.sort((a, b) => a.atMs - b.atMs);
    const next = queue.shift();
    if (next === undefined) return { batches, events };
    atMs = next.atMs;
    next.run(hosts[next.end], atMs + exchange[next.end].clockMs);
  }
}

export function decoded(batch: Uint8Array): { number: number; frames: FrameVector[] } {
  const reader = new BatchReader(batch);
  const frames: FrameVector[] = [];
  for (let frame = reader.next(); frame !== undefined; frame = reader.next()) frames.push(frameVectorOf(frame));
  if (reader.violation !== undefined) throw new Error(reader.violation.reason);
  return { number: reader.number, frames };
}

/** Sends `text` as one message on the default channel. */
export function sendText(session: Session, text: string, now: number): void {
  const bytes = testPorts.encodeUtf8(text);
  session.send(0, { text: true, totalBytes: bytes.length, wantsProgress: false, bytes }, now);
}

function applied(input: ExchangeInput, lose: (transport: number) => void): Due["run"] {
  return (host, now) => {
    switch (input.do) {
      case "dial":
        if (!(host instanceof ClientHost)) throw new Error("only a client dials");
        return host.command((session) => session.start(now), now);
      case "open":
        return host.open(input.transport, now);
      case "cut":
        lose(input.transport);
        return host.cut(input.transport, now);
      case "send":
        return host.command((session) => sendText(session, input.text, now), now);
      case "close":
        return host.command((session) => session.close(input.code, input.reason, now), now);
    }
  };
}

function told(event: SessionEvent | { readonly type: "hello" }): string {
  switch (event.type) {
    case "dial":
      return `dial ${event.line}`;
    case "greeted":
      return `greeted ${event.protocol}`;
    case "message":
      return `message ${event.data}`;
    case "detached":
      return `detached ${event.line}`;
    case "resumed":
      return `resumed ${event.line}`;
    case "closed":
      return `closed ${event.code} ${event.reason} ${event.wasClean}`;
    default:
      return event.type;
  }
}
