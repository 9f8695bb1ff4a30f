import { Machine, type Transitions } from "../machine.js";
import type { Millis } from "../time.js";

/** Why and how a session ends, in the terms of a WebSocket `close` event. 1005 stands for no code. */
export interface CloseInfo {
  readonly code: number;
  readonly reason: string;
}

/** The end of a session (PROTOCOL.md, CLS). */
export type ClosingState =
  /** Nobody has asked for the end. */
  | { readonly name: "open" }
  /** This end has asked: what was accepted leaves first, then CLOSE. */
  | { readonly name: "flushing"; readonly info: CloseInfo }
  /** Our CLOSE has left, the peer's is still to come. */
  | { readonly name: "awaiting-peer"; readonly info: CloseInfo }
  /** The peer's CLOSE has come first: what was accepted leaves, then our CLOSE. */
  | { readonly name: "replying"; readonly info: CloseInfo }
  /** Both have been exchanged, the peer's last: as soon as ours is acknowledged, too, this end ends the transport. */
  | { readonly name: "settling"; readonly info: CloseInfo }
  /** Both have been exchanged, ours last: the peer ends the transport. */
  | { readonly name: "lingering"; readonly info: CloseInfo }
  | { readonly name: "closed" };

export type ClosingInput = "local-close" | "close-sent" | "peer-close" | "end";

export const CLOSING_TRANSITIONS: Transitions<ClosingState["name"], ClosingInput> = {
  open: { "local-close": ["flushing"], "peer-close": ["replying"], end: ["closed"] },
  flushing: { "close-sent": ["awaiting-peer"], "peer-close": ["replying"], end: ["closed"] },
  "awaiting-peer": { "peer-close": ["settling"], end: ["closed"] },
  settling: { end: ["closed"] },
  replying: { "close-sent": ["lingering"], end: ["closed"] },
  lingering: { end: ["closed"] },
  closed: {},
};

/** The close handshake and its clock, which runs while nothing moves. */
export class Closing {
  readonly #machine = new Machine<ClosingState, ClosingInput>(CLOSING_TRANSITIONS, { name: "open" });
  readonly #timeoutMs: Millis;
  #deadline: Millis | undefined;

  constructor(timeoutMs: Millis) {
    this.#timeoutMs = timeoutMs;
  }

  /** The application asks for the end. `false` when it is under way already. */
  close(info: CloseInfo, now: Millis): boolean {
    if (!this.#machine.allows("local-close")) return false;
    this.#machine.enter("local-close", { name: "flushing", info });
    this.#deadline = now + this.#timeoutMs;
    return true;
  }

  /** The peer's CLOSE. Says what it completes; `undefined` when it may not come here (CLS-04). */
  handlePeerClose(info: CloseInfo, now: Millis): "reply" | "settle" | undefined {
    if (!this.#machine.allows("peer-close")) return undefined;
    const settles = this.state.name === "awaiting-peer";
    this.#machine.enter("peer-close", { name: settles ? "settling" : "replying", info });
    this.#deadline = now + this.#timeoutMs;
    return settles ? "settle" : "reply";
  }

  /** Bytes move, so the handshake is alive. */
  handleProgress(now: Millis): void {
    if (this.#deadline !== undefined) this.#deadline = now + this.#timeoutMs;
  }

  /** Our CLOSE has left. */
  handleSent(): void {
    const state = this.state;
    if (state.name === "flushing") this.#machine.enter("close-sent", { name: "awaiting-peer", info: state.info });
    if (state.name === "replying") this.#machine.enter("close-sent", { name: "lingering", info: state.info });
  }

  /** The session is over, however it came. */
  end(): void {
    this.#machine.enter("end", { name: "closed" });
    this.#deadline = undefined;
  }

  /** The code and reason of the CLOSE that waits for everything before it to leave. */
  get due(): CloseInfo | undefined {
    const state = this.state;
    return state.name === "flushing" || state.name === "replying" ? state.info : undefined;
  }

  /** Whether our CLOSE has left: nothing numbered follows it (CLS-01). */
  get isSent(): boolean {
    return this.state.name === "awaiting-peer" || this.isExchanged;
  }

  /** Whether the peer's CLOSE has come, and the session goes on: nothing numbered may follow it (CLS-01). */
  get isReceived(): boolean {
    return this.state.name === "replying" || this.isExchanged;
  }

  /** Whether both have said CLOSE: whatever happens now, the session ends cleanly (CLS-05). */
  get isExchanged(): boolean {
    return this.agreed !== undefined;
  }

  /** The code and reason that both have said CLOSE for; `undefined` while one of them has not. */
  get agreed(): CloseInfo | undefined {
    const { state } = this;
    return state.name === "settling" || state.name === "lingering" ? state.info : undefined;
  }

  get state(): ClosingState {
    return this.#machine.state;
  }

  get nextDeadline(): Millis | undefined {
    return this.#deadline;
  }
}
