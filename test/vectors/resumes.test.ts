import { describe, expect, it, test } from "vitest";
import type { LineKind } from "../../src/core/dial/chooser.js";
import type { Session } from "../../src/core/session/session.js";
import { naiveDecode } from "../support/naive-decoder.js";
import { sendText } from "./exchange.js";
import { ClientHost, type Host, type Outlet, ServerHost } from "./hosts.js";
import { bytesOf, notationOf, vectors } from "./notation.js";

/** A session that loses its transports, seen from one end: what happens to it, and what it does then. */
interface Resume {
  readonly title: string;
  readonly end: "client" | "server";
  readonly resumeWindowMs?: number;
  readonly principals?: Readonly<Record<string, string>>;
  /** Of transport, that a client dials; a WebSocket where it is not given. */
  readonly kinds?: readonly LineKind[];
  readonly steps: readonly Step[];
}

type Step = { readonly then?: Partial<Outcome> } & (
  | { readonly open: number }
  | { readonly receive: number; readonly hex: string }
  | { readonly cut: number }
  | { readonly wait: number }
  | { readonly send: string | { readonly zeros: number } }
  | { readonly do: "suspend" | "wake" | "close" }
);

interface Hello {
  readonly attempt: string;
  readonly epoch: number;
  readonly session?: string;
  readonly token?: string;
  readonly received?: number;
}

/** What an end does in one step. */
interface Outcome {
  hello: Hello;
  welcome: { readonly session: string; readonly token?: string; readonly received: number };
  /** The code of its ABORT. */
  abort: number;
  detach: true;
  /** The number in its last ACK. */
  ack: number;
  /** Numbered batches, whole; or their number, where an ACK rides on them. */
  batches: (string | number)[];
  /** Transports that it ends. */
  ends: number[];
  messages: string[];
  /** The fates of messages that are lost. */
  unknown: string[];
  neverWritten: string[];
  /** What its application sees as the code of the end. */
  closed: number;
  sessions: number;
  /** The transports that it speaks on, in this order. */
  on: number[];
  /** PINGs and PONGs that it sends. */
  pings: number;
  pongs: number;
}

const file = vectors<{
  attempt: string;
  instance: string;
  sessions: string[];
  tokens: string[];
  resumes: Resume[];
}>("resumes.json");

describe("resumes", () => {
  test.each(file.resumes)("$title ($end)", ({ steps, ...resume }) => {
    const end = new EndOfVector(resume);
    for (const [index, step] of steps.entries()) {
      const outcome = end.take(step);
      const { ack, sessions, on, pings, pongs, ...then } = step.then ?? {};
      const told = { index, ...then };
      // While time passes, transports may come and go: only what is asked for is looked at.
      const ends = "wait" in step && then.ends === undefined ? {} : { ends: then.ends ?? [] };
      const none = { batches: [], messages: [], unknown: [], neverWritten: [] };
      expect({ index, ...outcome.listed("ends" in ends) }).toEqual({ ...none, ...told, ...ends });
      if (ack !== undefined) expect({ index, ack: outcome.ack }).toEqual({ index, ack });
      const { spoken } = outcome;
      if (on !== undefined) expect({ index, on: [...new Set(spoken.on)] }).toEqual({ index, on });
      if (pings !== undefined) expect({ index, pings: spoken.pings }).toEqual({ index, pings });
      if (pongs !== undefined) expect({ index, pongs: spoken.pongs }).toEqual({ index, pongs });
      if (sessions !== undefined) expect({ index, sessions: end.sessionsCount }).toEqual({ index, sessions });
    }
  });

  it("are as many as they were, for both ends", () => {
    const count = (end: string) => file.resumes.filter((resume) => resume.end === end).length;
    expect(count("server")).toBeGreaterThanOrEqual(61);
    expect(count("client")).toBeGreaterThanOrEqual(61);
  });
});

/** What one step has brought. */
class Tally {
  readonly outcome: Partial<Outcome> = {};
  readonly ends = new Set<number>();
  ack: number | undefined;
  readonly spoken: { on: number[]; pings: number; pongs: number } = { on: [], pings: 0, pongs: 0 };

  /** All but the ack, which may come in several ways. */
  listed(withEnds: boolean): Partial<Outcome> {
    const none = { batches: [], messages: [], unknown: [], neverWritten: [] };
    return { ...none, ...this.outcome, ...(withEnds ? { ends: [...this.ends] } : {}) };
  }

  add(key: "batches" | "messages" | "unknown" | "neverWritten", value: string | number): void {
    const list = (this.outcome[key] ?? []) as (string | number)[];
    this.outcome[key] = [...list, value] as never;
  }

  handleBatch(transport: number, batch: Uint8Array): void {
    this.spoken.on.push(transport);
    const { number, frames, isValid } = naiveDecode(batch);
    if (!isValid) throw new Error("an end has broken the protocol");
    if (number > 0) this.add("batches", frames.some(({ type }) => type === "ack") ? number : notationOf(batch));
    for (const frame of frames) {
      if (frame.type === "hello") this.outcome.hello = helloOf(frame.parameters);
      if (frame.type === "welcome") this.outcome.welcome = welcomeOf(frame.parameters);
      if (frame.type === "abort") this.outcome.abort = frame.code;
      if (frame.type === "detach") this.outcome.detach = true;
      if (frame.type === "ack") this.ack = frame.number;
      if (frame.type === "ping") this.spoken.pings += 1;
      if (frame.type === "pong") this.spoken.pongs += 1;
    }
  }
}

/** The end that a vector is for, with the transports, the clock and the application in the hand of its steps. */
class EndOfVector {
  readonly #host: Host;
  #now = 0;
  #tally = new Tally();
  readonly #texts: string[] = [];

  constructor({ end, resumeWindowMs, principals, kinds }: Omit<Resume, "steps">) {
    const limits = resumeWindowMs === undefined ? {} : { resumeWindowMs };
    this.#host =
      end === "client"
        ? new ClientHost({ attemptId: file.attempt, auth: "secret", random: 0, limits, kinds }, this.#outlet())
        : new ServerHost(
            {
              sessionIds: file.sessions,
              tokens: file.tokens,
              instance: file.instance,
              protocol: "chat.v2",
              limits,
              principals: principals ?? {},
            },
            this.#outlet(),
          );
    if (this.#host instanceof ClientHost) this.#host.command((session) => session.start(0), 0);
  }

  get sessionsCount(): number | undefined {
    return this.#host instanceof ServerHost ? this.#host.sessionsCount : undefined;
  }

  take(step: Step): Tally {
    this.#tally = new Tally();
    const host = this.#host;
    if ("open" in step) {
      // A client dials as soon as it may: its random number is 0.
      this.#pass(0);
      host.open(step.open, this.#now);
    } else if ("receive" in step) {
      host.receive(step.receive, bytesOf(step.hex), this.#now);
    } else if ("cut" in step) {
      host.cut(step.cut, this.#now);
      // It has ended already.
      this.#tally.ends.delete(step.cut);
    } else if ("wait" in step) {
      this.#pass(step.wait);
    } else if ("send" in step) {
      const { send } = step;
      host.command((session) => this.#send(session, send), this.#now);
    } else {
      this.#do(step.do);
    }
    return this.#tally;
  }

  #pass(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      const deadline = this.#host.nextDeadline();
      if (deadline === undefined || deadline > until) break;
      this.#now = Math.max(this.#now, deadline);
      this.#host.handleDeadline(this.#now);
    }
    this.#now = until;
  }

  #send(session: Session, what: string | { readonly zeros: number }): void {
    if (typeof what === "string") {
      this.#texts.push(what);
      return sendText(session, what, this.#now);
    }
    this.#texts.push("");
    const bytes = new Uint8Array(what.zeros);
    session.send(0, { text: false, totalBytes: bytes.length, wantsProgress: false, bytes }, this.#now);
  }

  #do(what: "suspend" | "wake" | "close"): void {
    const host = this.#host;
    if (!(host instanceof ClientHost)) throw new Error(`only a client does ${what}`);
    host.command((session) => {
      if (what === "suspend") session.suspend(this.#now);
      else if (what === "wake") session.wake(this.#now);
      else session.close(1000, "", this.#now);
    }, this.#now);
  }

  #outlet(): Outlet {
    return {
      transmit: (transport, batch) => this.#tally.handleBatch(transport, batch),
      end: (transport) => this.#tally.ends.add(transport),
      tell: (event) => {
        const tally = this.#tally;
        if (event.type === "message") tally.add("messages", String(event.data));
        if (event.type === "closed") tally.outcome.closed = event.code;
        if (event.type !== "dropped") return;
        const text = this.#texts[event.message - 1] ?? "?";
        tally.add(event.fate === "unknown" ? "unknown" : "neverWritten", text);
      },
    };
  }
}

/** The integer of a parameter, read once more without our codec. */
function integer(value: Uint8Array | undefined, absent: number): number {
  if (value === undefined) return absent;
  const [first = 0, ...rest] = value;
  return rest.reduce((sum, byte) => sum * 256 + byte, first % 64);
}

function helloOf(parameters: ReadonlyMap<number, Uint8Array>): Hello {
  const [attempt, session, token] = [3, 5, 6]
    .map((id) => parameters.get(id))
    .map((value) => value && notationOf(value));
  return {
    attempt: attempt ?? "",
    epoch: integer(parameters.get(7), 1),
    ...(session === undefined ? {} : { session }),
    ...(token === undefined ? {} : { token }),
    ...(parameters.has(8) ? { received: integer(parameters.get(8), 0) } : {}),
  };
}

function welcomeOf(parameters: ReadonlyMap<number, Uint8Array>): Outcome["welcome"] {
  const [session, token] = [5, 6].map((id) => parameters.get(id)).map((value) => value && notationOf(value));
  const received = integer(parameters.get(8), 0);
  return { session: session ?? "", ...(token === undefined ? {} : { token }), received };
}
