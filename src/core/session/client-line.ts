import type { LineKind } from "../dial/chooser.js";
import { BATCH_BYTES_MIN, type Limits, PING_BYTES_MAX } from "../limits.js";
import type { EarlySent } from "../send/in-flight.js";
import type { Millis } from "../time.js";
import { Attachment } from "./attachment.js";
import { UnnumberedQueue } from "./unnumbered-queue.js";

/** How often the server will be heard on a transport. */
export interface Heartbeat {
  readonly heartbeatMs: Millis;
  readonly heartbeatGraceMs: Millis;
}

/** What a line has to bring back before it may take over from another one: 2 KiB, like HELLO and WELCOME (HSK-05). */
const PROOF_PINGS = 16;

/** A transport that a client has dialled, by the number of the dial. */
export class ClientLine {
  readonly number: number;
  readonly kind: LineKind;
  readonly dialledAt: Millis;
  readonly attachment: Attachment;
  /** What is to be said on it beside the handshake, while it does not carry the session. */
  readonly unnumbered: UnnumberedQueue = new UnnumberedQueue();
  /** The largest batch that it carries. */
  batchBytesMax: number = BATCH_BYTES_MIN;
  /** As announced on it. */
  heartbeat: Heartbeat;
  /** What has left on it as early data, while another line carries the session. */
  readonly early: { number: EarlySent["number"]; readonly times: Map<number, Millis> } = {
    number: 0,
    times: new Map(),
  };
  /** When its HELLO has left. */
  askedAt: Millis | undefined;
  /** What its HELLO has named as the last batch that opens a channel (CHN-10). */
  toldOpening = 0;

  constructor(number: number, kind: LineKind, limits: Limits, now: Millis) {
    this.number = number;
    this.kind = kind;
    this.dialledAt = now;
    this.heartbeat = limits;
    this.attachment = new Attachment(limits);
    this.attachment.dial(number, now);
  }

  /** A batch that leaves on another line has left on this one too. */
  handleCopied(number: number, bytes: number, now: Millis): void {
    this.attachment.handleSent(bytes);
    this.early.number = number;
    this.early.times.set(number, now);
  }

  /** Asks for the proof that it carries what a session needs, both ways. */
  askForProof(): void {
    for (let i = 0; i < PROOF_PINGS; i++) this.unnumbered.push({ type: "ping", payload: proofPayload(i) });
  }

  /** Whether this is the answer to all of it: of pongs that wait the oldest may be left out (KAL-02). */
  isProof(pong: Uint8Array): boolean {
    return pong.length === PING_BYTES_MAX && pong[0] === PROOF_PINGS - 1;
  }

  /** Whether it has been opened. */
  get isOpen(): boolean {
    const { name } = this.attachment.state;
    return name !== "dialling" && name !== "detached" && name !== "ended";
  }

  /** Whether numbered batches may have left behind its HELLO, which is not answered. */
  get hasEarlyData(): boolean {
    const { state } = this.attachment;
    return state.name === "awaiting-welcome" && state.earlyBytes !== undefined;
  }

  /** Whether HELLO has left on it. */
  get hasSpoken(): boolean {
    return this.attachment.hasAsked || this.attachment.isAttached;
  }

  /** The epoch of its HELLO, while that is not answered. */
  get askedEpoch(): number | undefined {
    const { state } = this.attachment;
    return state.name === "awaiting-welcome" ? state.epoch : undefined;
  }
}

function proofPayload(index: number): Uint8Array {
  const payload = new Uint8Array(PING_BYTES_MAX);
  payload[0] = index;
  return payload;
}
