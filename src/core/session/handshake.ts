import { EARLY_BYTES_MAX, type Limits } from "../limits.js";
import type { Millis } from "../time.js";
import { type HandshakeFrame, Parameter, type Parameters, type Violation } from "../wire/frame.js";
import {
  type AnnouncedLimits,
  integer,
  limitParameters,
  padded,
  REVISION,
  readLimits,
  UNANNOUNCED_LIMITS,
  varint,
} from "../wire/parameters.js";
import { Machine, type Transitions } from "./machine.js";

/** Bytes of an attempt id and of a session id: 128 bits (HSK-04, HSK-08). */
export const ID_BYTES = 16;

/** A batch that waits for the application's decision. */
export interface HeldBatch {
  readonly batch: Uint8Array;
  readonly receivedAt: Millis;
}

/** From the open transport to an established session (PROTOCOL.md, HSK). Each role walks its own way through it. */
export type HandshakeState =
  | { readonly name: "idle" }
  | { readonly name: "awaiting-greeting" }
  | { readonly name: "awaiting-auth" }
  | { readonly name: "awaiting-welcome" }
  | { readonly name: "awaiting-hello" }
  /** Early data waits until the application has decided; at most `EARLY_BYTES_MAX`. */
  | { readonly name: "authenticating"; readonly held: HeldBatch[]; readonly heldBytes: number }
  | { readonly name: "established" }
  | { readonly name: "ended" };

export type HandshakeInput = "dialled" | "greeted" | "hello" | "auth" | "welcome" | "accepted" | "hold" | "end";

export const HANDSHAKE_TRANSITIONS: Transitions<HandshakeState["name"], HandshakeInput> = {
  idle: { dialled: ["awaiting-greeting", "awaiting-hello"], end: ["ended"] },
  "awaiting-greeting": { greeted: ["awaiting-auth", "awaiting-welcome"], end: ["ended"] },
  "awaiting-auth": { auth: ["awaiting-welcome"], end: ["ended"] },
  "awaiting-welcome": { welcome: ["established"], end: ["ended"] },
  "awaiting-hello": { hello: ["authenticating"], end: ["ended"] },
  authenticating: { accepted: ["established"], hold: ["authenticating"], end: ["ended"] },
  established: { end: ["ended"] },
  ended: {},
};

/** What differs between the two ends. */
export type Side =
  | {
      readonly role: "client";
      /** Names this attempt, so that copies of the HELLO make one session (HSK-04). */
      readonly attemptId: Uint8Array;
      /** What `authenticate` on the server gets; `"pending"` until `provideAuth`. */
      readonly auth: Uint8Array | "pending" | undefined;
    }
  | {
      readonly role: "server";
      readonly sessionId: Uint8Array;
      /** The application protocol chosen from the client's list, UTF-8. Empty for none. */
      readonly protocol: Uint8Array;
    };

/** What an accepted handshake frame tells. */
export type HandshakeOutcome =
  | {
      readonly type: "greeting";
      readonly limits: AnnouncedLimits;
      readonly protocol: Uint8Array;
      readonly heartbeatMs: Millis;
      readonly heartbeatGraceMs: Millis;
    }
  | {
      readonly type: "hello";
      readonly limits: AnnouncedLimits;
      readonly attemptId: Uint8Array;
      readonly auth: Uint8Array | undefined;
    }
  | { readonly type: "welcome"; readonly limits: AnnouncedLimits; readonly sessionId: Uint8Array }
  | { readonly type: "violation"; readonly violation: Violation };

export class Handshake {
  readonly #side: Side;
  readonly #limits: Limits;
  readonly #machine = new Machine<HandshakeState, HandshakeInput>(HANDSHAKE_TRANSITIONS, { name: "idle" });
  #auth: Uint8Array | "pending" | undefined;
  #peerLimits = UNANNOUNCED_LIMITS;
  #due: HandshakeFrame | undefined;
  #deadline: Millis | undefined;

  constructor(side: Side, limits: Limits) {
    this.#side = side;
    this.#limits = limits;
    this.#auth = side.role === "client" ? side.auth : undefined;
  }

  /** A transport is open: the server greets, the client waits for that. */
  handleTransportOpen(now: Millis): void {
    this.#deadline = now + this.#limits.handshakeTimeoutMs;
    if (this.#side.role === "client") {
      this.#machine.enter("dialled", { name: "awaiting-greeting" });
      return;
    }
    this.#machine.enter("dialled", { name: "awaiting-hello" });
    this.#due = { type: "greeting", parameters: this.#greeting(this.#side.protocol) };
  }

  /** The client's credentials are there. */
  provideAuth(auth: Uint8Array | undefined): void {
    this.#auth = auth;
    if (this.state.name !== "awaiting-auth") return;
    this.#machine.enter("auth", { name: "awaiting-welcome" });
    this.#due = this.#hello();
  }

  /** The application on the server lets the client in. Returns the batches held meanwhile. */
  accept(): HeldBatch[] {
    const state = this.state;
    if (state.name !== "authenticating" || this.#side.role !== "server") return [];
    this.#machine.enter("accepted", { name: "established" });
    this.#deadline = undefined;
    this.#due = { type: "welcome", parameters: this.#welcome(this.#side) };
    return state.held;
  }

  /** Keeps a numbered batch that came before `accept`. `false` when it is too much, or nothing may come yet (HSK-07). */
  hold(batch: Uint8Array, receivedAt: Millis): boolean {
    const state = this.state;
    if (state.name !== "authenticating") return false;
    const heldBytes = state.heldBytes + batch.length;
    if (heldBytes > EARLY_BYTES_MAX) return false;
    state.held.push({ batch, receivedAt });
    this.#machine.enter("hold", { name: "authenticating", held: state.held, heldBytes });
    return true;
  }

  handleFrame(frame: HandshakeFrame): HandshakeOutcome {
    const limits = readLimits(frame.parameters, this.#peerLimits);
    if (limits === undefined) return violation("limits make no sense");
    this.#peerLimits = limits;
    switch (frame.type) {
      case "greeting":
        return this.#handleGreeting(frame.parameters, limits);
      case "hello":
        return this.#handleHello(frame.parameters, limits);
      case "welcome":
        return this.#handleWelcome(frame.parameters, limits);
    }
  }

  end(): void {
    this.#machine.enter("end", { name: "ended" });
    this.#deadline = undefined;
    this.#due = undefined;
  }

  /** The handshake frame that leaves next, alone in its batch. */
  pollFrame(): HandshakeFrame | undefined {
    const frame = this.#due;
    this.#due = undefined;
    return frame;
  }

  /** How much may leave in numbered batches, given what has left so far. */
  roomBytes(sentBytes: number): number {
    switch (this.state.name) {
      case "established":
        return Number.POSITIVE_INFINITY;
      case "awaiting-welcome":
        return EARLY_BYTES_MAX - sentBytes;
      default:
        return 0;
    }
  }

  /** Whether this end speaks first, and so keeps the heartbeat. */
  get greets(): boolean {
    return this.#side.role === "server";
  }

  /** Whether the peer is known to speak `sluice.v1`: a server that has greeted, or any client. */
  get isGreeted(): boolean {
    return this.greets || !["idle", "awaiting-greeting", "ended"].includes(this.state.name);
  }

  get state(): HandshakeState {
    return this.#machine.state;
  }

  /** When the handshake has taken too long. */
  get nextDeadline(): Millis | undefined {
    return this.#deadline;
  }

  #handleGreeting(parameters: Parameters, limits: AnnouncedLimits): HandshakeOutcome {
    if (this.state.name !== "awaiting-greeting") return violation("greeting out of turn");
    const heartbeatMs = integer(parameters, Parameter.HEARTBEAT_MS, this.#limits.heartbeatMs);
    const heartbeatGraceMs = integer(parameters, Parameter.HEARTBEAT_GRACE_MS, this.#limits.heartbeatGraceMs);
    if (heartbeatMs === undefined || heartbeatMs === 0 || heartbeatGraceMs === undefined) {
      return violation("heartbeat makes no sense");
    }
    if (this.#auth === "pending") {
      this.#machine.enter("greeted", { name: "awaiting-auth" });
    } else {
      this.#machine.enter("greeted", { name: "awaiting-welcome" });
      this.#due = this.#hello();
    }
    const protocol = parameters.get(Parameter.PROTOCOL) ?? new Uint8Array(0);
    return { type: "greeting", limits, protocol, heartbeatMs, heartbeatGraceMs };
  }

  #handleHello(parameters: Parameters, limits: AnnouncedLimits): HandshakeOutcome {
    if (this.state.name !== "awaiting-hello") return violation("hello out of turn");
    const attemptId = parameters.get(Parameter.ATTEMPT);
    if (attemptId?.length !== ID_BYTES) return violation("hello without an attempt id");
    this.#machine.enter("hello", { name: "authenticating", held: [], heldBytes: 0 });
    return { type: "hello", limits, attemptId: attemptId.slice(), auth: parameters.get(Parameter.AUTH)?.slice() };
  }

  #handleWelcome(parameters: Parameters, limits: AnnouncedLimits): HandshakeOutcome {
    if (this.state.name !== "awaiting-welcome") return violation("welcome out of turn");
    const sessionId = parameters.get(Parameter.SESSION);
    if (sessionId?.length !== ID_BYTES) return violation("welcome without a session id");
    this.#machine.enter("welcome", { name: "established" });
    this.#deadline = undefined;
    return { type: "welcome", limits, sessionId: sessionId.slice() };
  }

  #greeting(protocol: Uint8Array): Parameters {
    return new Map([
      [Parameter.REVISION, varint(REVISION)],
      ...(protocol.length > 0 ? ([[Parameter.PROTOCOL, protocol]] as const) : []),
      ...limitParameters(this.#limits),
      [Parameter.HEARTBEAT_MS, varint(this.#limits.heartbeatMs)],
      [Parameter.HEARTBEAT_GRACE_MS, varint(this.#limits.heartbeatGraceMs)],
    ]);
  }

  #hello(): HandshakeFrame {
    const parameters: [number, Uint8Array][] = [[Parameter.REVISION, varint(REVISION)]];
    if (this.#side.role === "client") parameters.push([Parameter.ATTEMPT, this.#side.attemptId]);
    if (this.#auth !== undefined && this.#auth !== "pending") parameters.push([Parameter.AUTH, this.#auth]);
    parameters.push(...limitParameters(this.#limits));
    return { type: "hello", parameters: padded(parameters) };
  }

  #welcome(side: { sessionId: Uint8Array; protocol: Uint8Array }): Parameters {
    const parameters: [number, Uint8Array][] = [
      [Parameter.REVISION, varint(REVISION)],
      [Parameter.SESSION, side.sessionId],
      ...limitParameters(this.#limits),
    ];
    if (side.protocol.length > 0) parameters.push([Parameter.PROTOCOL, side.protocol]);
    return padded(parameters);
  }
}

function violation(reason: string): HandshakeOutcome {
  return { type: "violation", violation: { code: 1002, reason } };
}
