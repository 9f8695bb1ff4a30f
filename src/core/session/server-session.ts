import type { SluiceError } from "../error.js";
import { isDue, type Millis } from "../time.js";
import type { Violation } from "../wire/frame.js";
import { welcomeFrame } from "../wire/handshake.js";
import { isOverslept, Keepalive } from "./keepalive.js";
import { Session } from "./session.js";
import { abortedEnd, sessionLost, uncleanEnd } from "./session-end.js";
import type { Admission, RoleFrame, SessionOptions } from "./session-types.js";

/**
 * A client that has taken nothing of what is on its line for so long, ms, is parked: who comes back gets all of it. Twice
 * what a client itself waits (KAL-07), as it can dial and a server cannot.
 */
const STALL_MS = 30_000;

export interface ServerSessionOptions extends SessionOptions {
  readonly sessionId: Uint8Array;
  /** The application protocol chosen from the client's list, UTF-8. Empty for none. */
  readonly protocol: Uint8Array;
}

/** The server's end: it is handed transports whose clients have been let in, and waits for the next one between them. */
export class ServerSession extends Session {
  readonly #sessionId: Uint8Array;
  readonly #protocol: Uint8Array;
  #isWelcomed = false;

  constructor(options: ServerSessionOptions) {
    super(options);
    this.#sessionId = options.sessionId;
    this.#protocol = options.protocol;
  }

  /**
   * The client has been let in, for the first time or again. A transport that the session still has is cut before the
   * answer is made: what it brings from here on must not count.
   */
  attach(admission: Admission, now: Millis): void {
    this.begin(now);
    if (this.isClosed) return;
    const { hello, token, batchBytesMax, held } = admission;
    this.detach(1000);
    this.unnumbered.clear();
    this.attachment.admit(hello.epoch, this.#welcome(token, admission.instance));
    this.transportBatchBytesMax = batchBytesMax;
    const { heartbeatMs: intervalMs, heartbeatGraceMs: graceMs } = this.limits;
    this.keepalive = new Keepalive({ sendsPings: true, intervalMs, graceMs }, now);
    if (!this.#isWelcomed && !this.handlePeerLimits(hello.limits)) return;
    this.#isWelcomed = true;
    this.exchange.handleAttached(now);
    const { received = 0, opening } = hello;
    this.handleAttached(hello.epoch, this.#sessionId, { received, opening }, now);
    for (const { batch, receivedAt } of held) this.read(batch, receivedAt, now);
  }

  /** Asks the client to come back on another transport, in `delayMs`. */
  recall(delayMs: Millis, now: Millis): void {
    this.begin(now);
    if (this.attachment.isAttached) this.unnumbered.push({ type: "goaway", delayMs });
  }

  /** A pong that answers nothing; the client ignores it (KAL-02). */
  pong(payload: Uint8Array, now: Millis): void {
    this.begin(now);
    if (this.attachment.isAttached) this.unnumbered.pushPong(payload);
  }

  /**
   * Whether the session is there, and a client that says this of it can have known it (RES-05). It may say less than it has
   * acknowledged since, on a transport that still carries the session while another one is in its handshake.
   */
  canAttach(received: number): boolean {
    return !this.isClosed && received <= this.exchange.outbound.sentNumber;
  }

  protected override handleRoleFrame(frame: RoleFrame, now: Millis): Violation | undefined {
    switch (frame.type) {
      case "abort":
        this.end(abortedEnd(frame.code, this.ports.decodeUtf8(frame.reason) ?? ""));
        return undefined;
      case "detach":
        this.handleDeath(1000, now);
        return undefined;
      case "greeting":
      case "hello":
      case "welcome":
        return { code: 1002, reason: `${frame.type} out of turn` };
      case "goaway":
      case "close":
        return { code: 1002, reason: `${frame.type} out of turn` };
    }
  }

  protected override handleDeath(transportCode: number, _now: Millis, error?: SluiceError): void {
    const agreed = this.agreedEnd;
    const isKept = this.limits.resumeWindowMs > 0;
    // Both have said CLOSE: only for the peer to fetch ours is the session kept (CLS-05).
    if (agreed !== undefined && (this.exchange.isSettled || !isKept)) {
      this.end(agreed);
    } else if (isKept) {
      this.detach(transportCode);
    } else {
      this.end(uncleanEnd(error ?? sessionLost("The connection was lost, and sessions are not kept"), transportCode));
    }
  }

  protected override get roleDeadline(): Millis | undefined {
    return this.#stallDeadline;
  }

  protected override handleLineDeadlines(now: Millis): void {
    const deadline = this.#stallDeadline;
    if (!isDue(deadline, now)) return super.handleLineDeadlines(now);
    if (!isOverslept(deadline as Millis, now)) return this.handleDeath(1000, now);
    // The process itself has been asleep: what the client has said meanwhile waits to be read.
    this.exchange.outbound.handleWoken(now);
    super.handleLineDeadlines(now);
  }

  get #stallDeadline(): Millis | undefined {
    const since = this.attachment.isAttached ? this.exchange.outbound.waitingSince : undefined;
    return since === undefined ? undefined : since + STALL_MS;
  }

  #welcome(token: Uint8Array | undefined, instance: Uint8Array | undefined): ReturnType<typeof welcomeFrame> {
    return welcomeFrame({
      limits: this.limits,
      sessionId: this.#sessionId,
      token,
      resumeWindowMs: this.limits.resumeWindowMs,
      received: this.exchange.inbound.receivedNumber,
      opening: this.exchange.outbound.openingNumber,
      protocol: this.#protocol,
      instance,
    });
  }
}
