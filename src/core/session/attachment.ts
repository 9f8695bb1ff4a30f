import { EARLY_BYTES_MAX, type Limits } from "../limits.js";
import { Machine, type Transitions } from "../machine.js";
import type { Millis } from "../time.js";
import type { HandshakeFrame } from "../wire/frame.js";

/**
 * A session's hold on a transport (PROTOCOL.md, HSK and RES). A client walks from `dialling` to `attached`; a server is
 * handed transports whose HELLO has been decided on, and takes them at once. `line` names the transport, as its host does:
 * by the number of the dial on the client, by its epoch on the server.
 */
export type AttachmentState =
  /** No transport: not dialled yet, waiting to dial again, or parked. */
  | { readonly name: "detached" }
  | { readonly name: "dialling"; readonly line: number }
  | { readonly name: "awaiting-greeting"; readonly line: number }
  /** Greeted, beside a transport that carries the session: this one has yet to show that it carries anything (RES-17). */
  | { readonly name: "proving"; readonly line: number; readonly instance: Uint8Array }
  /** The host has yet to bring the credentials. `instance`: who has greeted; `undefined` where nobody does (HTTP-04). */
  | { readonly name: "awaiting-auth"; readonly line: number; readonly instance: Uint8Array | undefined }
  | AwaitingWelcome
  /** Server: WELCOME is on its way, and whether it has arrived is not known yet. */
  | { readonly name: "unconfirmed"; readonly line: number }
  | { readonly name: "attached"; readonly line: number; readonly leaveAt: Millis | undefined }
  /** The server has asked to come back: nothing new is sent, so that nothing is in doubt when the transport ends. */
  | { readonly name: "leaving"; readonly line: number; readonly until: Millis }
  | { readonly name: "ended" };

/** HELLO has left. */
export interface AwaitingWelcome {
  readonly name: "awaiting-welcome";
  readonly line: number;
  /** What the HELLO has said (RES-03). */
  readonly epoch: number;
  readonly instance: Uint8Array | undefined;
  /** Bytes of numbered batches that have left behind the HELLO; `undefined` where none may (HSK-07). */
  readonly earlyBytes: number | undefined;
}

export type AttachmentInput =
  | "dial"
  | "opened"
  | "greeted"
  | "proved"
  | "auth"
  | "early"
  | "welcome"
  | "admitted"
  | "confirmed"
  | "recall"
  | "leave"
  | "cut"
  | "end";

export const ATTACHMENT_TRANSITIONS: Transitions<AttachmentState["name"], AttachmentInput> = {
  detached: { dial: ["dialling"], admitted: ["unconfirmed"], end: ["ended"] },
  dialling: { opened: ["awaiting-greeting", "awaiting-auth"], cut: ["detached"], end: ["ended"] },
  "awaiting-greeting": { greeted: ["awaiting-auth", "proving"], cut: ["detached"], end: ["ended"] },
  proving: { proved: ["awaiting-auth"], cut: ["detached"], end: ["ended"] },
  "awaiting-auth": { auth: ["awaiting-welcome"], cut: ["detached"], end: ["ended"] },
  "awaiting-welcome": { early: ["awaiting-welcome"], welcome: ["attached"], cut: ["detached"], end: ["ended"] },
  unconfirmed: { confirmed: ["attached"], cut: ["detached"], end: ["ended"] },
  attached: { recall: ["attached"], leave: ["leaving"], cut: ["detached"], end: ["ended"] },
  leaving: { cut: ["detached"], end: ["ended"] },
  ended: {},
};

/** How long a client that has been asked to leave waits for the acks of what is on the line. Arbitrary. */
const LEAVE_TIMEOUT_MS = 2000;

/**
 * The hold on one transport, or on several, one after the other, and the handshake frame that is due on it. A client has
 * one for every dial, as several may be in their handshake at a time; a server has one for the whole session.
 */
export class Attachment {
  readonly #limits: Pick<Limits, "handshakeTimeoutMs">;
  readonly #machine = new Machine<AttachmentState, AttachmentInput>(ATTACHMENT_TRANSITIONS, { name: "detached" });
  #due: HandshakeFrame | undefined;
  #deadline: Millis | undefined;

  constructor(limits: Pick<Limits, "handshakeTimeoutMs">) {
    this.#limits = limits;
  }

  /** Client: a transport is being opened. */
  dial(line: number, now: Millis): void {
    this.#machine.enter("dial", { name: "dialling", line });
    this.#deadline = now + this.#limits.handshakeTimeoutMs;
  }

  /** @param greets whether the server speaks first on it */
  handleOpen(greets: boolean): void {
    const { state } = this;
    if (state.name !== "dialling") return;
    const { line } = state;
    const next = greets ? { name: "awaiting-greeting", line } : { name: "awaiting-auth", line, instance: undefined };
    this.#machine.enter("opened", next as AttachmentState);
  }

  /**
   * @param instance whose memory it is that the server speaks from
   * @param mustProve whether the line has to show first that it carries something, both ways
   */
  handleGreeting(instance: Uint8Array, mustProve: boolean): void {
    const { state } = this;
    if (state.name !== "awaiting-greeting") return;
    this.#machine.enter("greeted", { name: mustProve ? "proving" : "awaiting-auth", line: state.line, instance });
  }

  /** The line has shown it, or has no need to any more. */
  handleProved(): void {
    const { state } = this;
    if (state.name === "proving") this.#machine.enter("proved", { ...state, name: "awaiting-auth" });
  }

  /**
   * The credentials are there: `hello` leaves, as that of this epoch.
   * @param isEarly whether numbered batches may follow at once
   */
  introduce(epoch: number, hello: HandshakeFrame, isEarly: boolean): void {
    const { state } = this;
    if (state.name !== "awaiting-auth") return;
    const earlyBytes = isEarly ? 0 : undefined;
    this.#machine.enter("auth", { ...state, name: "awaiting-welcome", epoch, earlyBytes });
    this.#due = hello;
  }

  /** A numbered batch has been handed to the transport. */
  handleSent(bytes: number): void {
    const { state } = this;
    if (state.name !== "awaiting-welcome") return;
    this.#machine.enter("early", { ...state, earlyBytes: (state.earlyBytes ?? 0) + bytes });
  }

  handleWelcome(): void {
    const { state } = this;
    if (state.name !== "awaiting-welcome") return;
    this.#machine.enter("welcome", { name: "attached", line: state.line, leaveAt: undefined });
    this.#deadline = undefined;
  }

  /** Server: the transport of a client that has been let in. */
  admit(line: number, welcome: HandshakeFrame): void {
    this.#machine.enter("admitted", { name: "unconfirmed", line });
    this.#due = welcome;
  }

  /** The client has its WELCOME. `false` when that was known. */
  confirm(): boolean {
    const { state } = this;
    if (state.name !== "unconfirmed") return false;
    this.#machine.enter("confirmed", { name: "attached", line: state.line, leaveAt: undefined });
    return true;
  }

  /** The server asks to come back on another transport, some time from now. */
  recall(leaveAt: Millis): void {
    const { state } = this;
    if (state.name === "attached") this.#machine.enter("recall", { ...state, leaveAt });
  }

  /** Whether the time to leave has come, and everything on the line is settled, or has had its time. */
  pollLeave(isQuiet: boolean, now: Millis): boolean {
    const { state } = this;
    if (state.name === "attached" && state.leaveAt !== undefined && now >= state.leaveAt) {
      this.#machine.enter("leave", { name: "leaving", line: state.line, until: now + LEAVE_TIMEOUT_MS });
      return isQuiet;
    }
    return state.name === "leaving" && (isQuiet || now >= state.until);
  }

  /** The transport is gone, or is given up. */
  cut(): void {
    this.#machine.enter("cut", { name: "detached" });
    this.#deadline = undefined;
    this.#due = undefined;
  }

  end(): void {
    this.#machine.enter("end", { name: "ended" });
    this.#deadline = undefined;
    // What came behind the HELLO may have been the end: the client has to learn that it was let in, and read (HSK-07).
    if (this.#due?.type !== "welcome") this.#due = undefined;
  }

  /** The handshake frame that leaves next, alone in its batch. */
  pollFrame(): HandshakeFrame | undefined {
    const frame = this.#due;
    this.#due = undefined;
    return frame;
  }

  get state(): AttachmentState {
    return this.#machine.state;
  }

  /** The transport; `undefined` while there is none. */
  get line(): number | undefined {
    return "line" in this.state ? this.state.line : undefined;
  }

  /** Whether both ends have agreed that this transport carries the session. */
  get isAttached(): boolean {
    return ["unconfirmed", "attached", "leaving"].includes(this.state.name);
  }

  /** Whether the other end of the transport is known to speak `sluice.v1`, or has been spoken to as if it did. */
  get isGreeted(): boolean {
    const { state } = this;
    if (state.name === "awaiting-auth") return state.instance !== undefined;
    return this.isAttached || state.name === "proving" || state.name === "awaiting-welcome";
  }

  /** Whether HELLO has left, and WELCOME has not come. */
  get hasAsked(): boolean {
    return this.state.name === "awaiting-welcome";
  }

  /** How much may leave in numbered batches that have not left on this transport. */
  get allowanceBytes(): number {
    const { state } = this;
    if (state.name === "awaiting-welcome") {
      return state.earlyBytes === undefined ? 0 : EARLY_BYTES_MAX - state.earlyBytes;
    }
    return this.isAttached ? Number.POSITIVE_INFINITY : 0;
  }

  /** When the handshake has taken too long, or the time to leave has come. */
  get nextDeadline(): Millis | undefined {
    const { state } = this;
    if (state.name === "attached") return state.leaveAt;
    return state.name === "leaving" ? state.until : this.#deadline;
  }

  /** When a handshake that is under way has taken too long. */
  get handshakeDeadline(): Millis | undefined {
    return this.#deadline;
  }
}
