import { EARLY_BYTES_MAX, type Limits } from "../limits.js";
import { Machine, type Transitions } from "../machine.js";
import type { Millis } from "../time.js";
import type { HandshakeFrame } from "../wire/frame.js";

/**
 * The session's hold on a transport (PROTOCOL.md, HSK and RES). A client walks from `dialling` to `attached`; a server is
 * handed transports whose HELLO has been decided on, and takes them at once. Every variant with an epoch belongs to the
 * transport of that epoch: what comes from another one is not for this session any more.
 */
export type AttachmentState =
  /** No transport: not dialled yet, waiting to dial again, or parked. */
  | { readonly name: "detached" }
  | { readonly name: "dialling"; readonly epoch: number }
  | { readonly name: "awaiting-greeting"; readonly epoch: number }
  /** Greeted; the host has yet to bring the credentials. */
  | { readonly name: "awaiting-auth"; readonly epoch: number; readonly instance: string }
  /** HELLO has left, and early data may. */
  | { readonly name: "awaiting-welcome"; readonly epoch: number; readonly early: EarlyData }
  /** Server: WELCOME is on its way, and whether it has arrived is not known yet. */
  | { readonly name: "unconfirmed"; readonly epoch: number }
  | { readonly name: "attached"; readonly epoch: number; readonly leaveAt: Millis | undefined }
  /** The server has asked to come back: nothing new is sent, so that nothing is in doubt when the transport ends. */
  | { readonly name: "leaving"; readonly epoch: number; readonly until: Millis }
  | { readonly name: "ended" };

/** What has left behind a HELLO that is not answered yet. */
export interface EarlyData {
  readonly bytes: number;
  /** The server has not read a batch beyond this one, if it refuses (HSK-07). */
  readonly readNumberMax: number;
}

export type AttachmentInput =
  | "dial"
  | "opened"
  | "greeted"
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
  dialling: { opened: ["awaiting-greeting"], cut: ["detached"], end: ["ended"] },
  "awaiting-greeting": { greeted: ["awaiting-auth"], cut: ["detached"], end: ["ended"] },
  "awaiting-auth": { auth: ["awaiting-welcome"], cut: ["detached"], end: ["ended"] },
  "awaiting-welcome": { early: ["awaiting-welcome"], welcome: ["attached"], cut: ["detached"], end: ["ended"] },
  unconfirmed: { confirmed: ["attached"], cut: ["detached"], end: ["ended"] },
  attached: { recall: ["attached"], leave: ["leaving"], cut: ["detached"], end: ["ended"] },
  leaving: { cut: ["detached"], end: ["ended"] },
  ended: {},
};

/** How long a client that has been asked to leave waits for the acks of what is on the line. Arbitrary. */
const LEAVE_TIMEOUT_MS = 2000;

/** The attachments of one session, one after the other, and the handshake frame that is due on the present one. */
export class Attachment {
  readonly #limits: Pick<Limits, "handshakeTimeoutMs">;
  readonly #machine = new Machine<AttachmentState, AttachmentInput>(ATTACHMENT_TRANSITIONS, { name: "detached" });
  #due: HandshakeFrame | undefined;
  #deadline: Millis | undefined;

  constructor(limits: Pick<Limits, "handshakeTimeoutMs">) {
    this.#limits = limits;
  }

  /** Client: a transport is being opened. */
  dial(epoch: number, now: Millis): void {
    this.#machine.enter("dial", { name: "dialling", epoch });
    this.#deadline = now + this.#limits.handshakeTimeoutMs;
  }

  handleOpen(epoch: number): void {
    this.#machine.enter("opened", { name: "awaiting-greeting", epoch });
  }

  /** @param instance whose memory it is that the server speaks from, as a key */
  handleGreeting(epoch: number, instance: string): void {
    this.#machine.enter("greeted", { name: "awaiting-auth", epoch, instance });
  }

  /** The credentials are there: `hello` leaves. */
  introduce(epoch: number, hello: HandshakeFrame, readNumberMax: number): void {
    this.#machine.enter("auth", { name: "awaiting-welcome", epoch, early: { bytes: 0, readNumberMax } });
    this.#due = hello;
  }

  /** A numbered batch has been handed to the transport. */
  handleSent(bytes: number): void {
    const { state } = this;
    if (state.name !== "awaiting-welcome") return;
    const early = { ...state.early, bytes: state.early.bytes + bytes };
    this.#machine.enter("early", { ...state, early });
  }

  handleWelcome(epoch: number): void {
    this.#machine.enter("welcome", { name: "attached", epoch, leaveAt: undefined });
    this.#deadline = undefined;
  }

  /** Server: the transport of a client that has been let in. */
  admit(epoch: number, welcome: HandshakeFrame): void {
    this.#machine.enter("admitted", { name: "unconfirmed", epoch });
    this.#due = welcome;
  }

  /** The client has its WELCOME. `false` when that was known. */
  confirm(): boolean {
    const { state } = this;
    if (state.name !== "unconfirmed") return false;
    this.#machine.enter("confirmed", { name: "attached", epoch: state.epoch, leaveAt: undefined });
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
      this.#machine.enter("leave", { name: "leaving", epoch: state.epoch, until: now + LEAVE_TIMEOUT_MS });
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

  /** Whose inputs are for this session; `undefined` while there is no transport. */
  get epoch(): number | undefined {
    return "epoch" in this.state ? this.state.epoch : undefined;
  }

  /** Whether both ends have agreed that this transport carries the session. */
  get isAttached(): boolean {
    return ["unconfirmed", "attached", "leaving"].includes(this.state.name);
  }

  /** Whether the other end of the transport is known to speak `sluice.v1`. */
  get isGreeted(): boolean {
    return this.isAttached || this.state.name === "awaiting-auth" || this.state.name === "awaiting-welcome";
  }

  /** How much may leave in numbered batches that have not left on this transport. */
  get allowanceBytes(): number {
    const { state } = this;
    if (state.name === "awaiting-welcome") return EARLY_BYTES_MAX - state.early.bytes;
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
