import { keyOf } from "../bytes.js";
import { Dialer, type DialOptions } from "../dial/dialer.js";
import { SluiceError } from "../error.js";
import { isDue, type Millis } from "../time.js";
import type { Parameters, Violation } from "../wire/frame.js";
import { isViolation, readGreeting, readWelcome } from "../wire/handshake.js";
import { UNANNOUNCED_LIMITS } from "../wire/parameters.js";
import { Identity } from "./identity.js";
import { isOverslept, Keepalive } from "./keepalive.js";
import { type RoleFrame, Session } from "./session.js";
import {
  abortedEnd,
  cleanEnd,
  connectFailed,
  type SessionEnd,
  sessionLost,
  uncleanEnd,
  violationError,
} from "./session-end.js";
import type { SessionOptions } from "./session-types.js";

/** A client that is not connected dials anew when the network comes back: an attempt this old is on the old one. */
const STALE_DIAL_MS = 1000;

/** What a page that is left may send beyond the window: as much as browsers let a page leave behind it (Fetch, keepalive). */
const FAREWELL_BYTES = 64 * 1024;

/** Attempts that fit into the close timeout at the least. Arbitrary. */
const CLOSING_ATTEMPTS = 5;

/** Codes of a server that wants to be asked again (ERR-01). */
const TRY_LATER: ReadonlySet<number> = new Set([1012, 1013]);

export interface ClientSessionOptions extends SessionOptions {
  /** Names this attempt, so that copies of the HELLO make one session (HSK-04). */
  readonly attemptId: Uint8Array;
  readonly dial: DialOptions;
}

/** The client's end: it dials, introduces itself, and comes back when the line is cut. */
export class ClientSession extends Session {
  readonly #dialer: Dialer;
  readonly #identity: Identity;
  /** Whether any server has greeted: to the application the socket is open from then on. */
  #isEverGreeted = false;
  /** Why the last attempt failed, where that is known. */
  #lastFailure: SluiceError | undefined;
  #dialledAt: Millis = 0;

  constructor(options: ClientSessionOptions) {
    super(options);
    this.#dialer = new Dialer(options.dial, () => options.ports.random());
    this.#identity = new Identity(options.attemptId);
  }

  /** Begins to connect. */
  start(now: Millis): void {
    this.begin(now);
    if (this.#dialer.state.name === "idle") this.#dial(this.#dialer.start(now), now);
  }

  /** The credentials for the HELLO on the transport of this epoch, which has `greeted`. Too late does no harm. */
  provideAuth(epoch: number, auth: string | undefined, now: Millis): void {
    this.begin(now);
    const { state } = this.attachment;
    if (state.name !== "awaiting-auth" || state.epoch !== epoch) return;
    const { inbound, outbound } = this.exchange;
    const bytes = auth === undefined ? undefined : this.ports.encodeUtf8(auth);
    const details = { received: inbound.receivedNumber, opening: outbound.openingNumber };
    const hello = this.#identity.hello({ limits: this.limits, epoch, auth: bytes, ...details }, state.instance);
    this.exchange.handleAttached(now);
    this.attachment.introduce(epoch, hello, outbound.sentNumber);
  }

  override close(code: number, reason: string, now: Millis): void {
    if (!this.isClosed && !this.#isEverGreeted && this.exchange.sender.isDrained) {
      this.begin(now);
      // WHATWG WebSockets, `close()` while CONNECTING: the connection fails.
      this.end(uncleanEnd(new SluiceError("ERR_CONNECT_FAILED", "Closed before the connection was established")));
      return;
    }
    super.close(code, reason, now);
    this.#redial("hurry", now);
  }

  /** The page is about to sleep, and may come back. The server is told, and keeps the session. */
  suspend(now: Millis): void {
    this.begin(now);
    if (this.isClosed) return;
    if (this.attachment.epoch !== undefined) this.#leave(now);
    this.#dialer.suspend();
  }

  /** The page is awake again. */
  wake(now: Millis): void {
    this.begin(now);
    const epoch = this.#dialer.wake();
    if (epoch !== undefined) this.#dial(epoch, now);
  }

  /**
   * Something says that waiting is over, or that the line may have died unnoticed.
   * @param network whether it is another network: attempts on the old one are hopeless
   */
  hurry(network: "same" | "changed", now: Millis): void {
    this.begin(now);
    if (this.isClosed) return;
    if (this.attachment.isAttached) {
      this.#probe(now);
    } else if (network === "changed" && this.attachment.epoch !== undefined && now - this.#dialledAt > STALE_DIAL_MS) {
      this.handleDeath(1000, now);
    }
    this.#redial("hurry", now);
  }

  /** What the platform thinks of the network. A hint. */
  handleOffline(isOffline: boolean, now: Millis): void {
    this.begin(now);
    this.#dialer.handleOffline(isOffline);
  }

  /**
   * The page goes, and does not come back: what follows leaves in the same breath, as far as a page that is left may
   * send. An `abort` with 1001 has to come behind it, as nobody will be there for a close handshake (CLS-11).
   */
  farewell(now: Millis): void {
    this.begin(now);
    this.overdraftBytes = FAREWELL_BYTES;
  }

  /** A transport is open. `batchBytesMax`: the largest batch that it carries. */
  handleTransportOpen(epoch: number, batchBytesMax: number, now: Millis): void {
    this.begin(now);
    const { state } = this.attachment;
    if (state.name !== "dialling" || state.epoch !== epoch) return;
    // What has not left on the transport before is not meant for this one.
    this.unnumbered.clear();
    this.transportBatchBytesMax = batchBytesMax;
    const { heartbeatMs: intervalMs, heartbeatGraceMs: graceMs } = this.limits;
    this.keepalive = new Keepalive({ sendsPings: false, intervalMs, graceMs }, now);
    this.attachment.handleOpen(epoch);
  }

  override handleBatch(epoch: number, batch: Uint8Array, now: Millis): void {
    super.handleBatch(epoch, batch, now);
    // An ack may be all that leaving has waited for (RES-15).
    this.#pollLeave(now);
  }

  override handleDeadline(now: Millis): void {
    super.handleDeadline(now);
    if (this.isClosed) return;
    if (isDue(this.#dialer.giveUpAt, now)) this.#giveUp(sessionLost("The session has expired"));
    this.#redial("deadline", now);
  }

  /** Whether a server has made the session: it can be resumed, or lost. */
  get isWelcomed(): boolean {
    return this.#identity.isWelcomed;
  }

  protected override handleRoleFrame(frame: RoleFrame, now: Millis): Violation | undefined {
    switch (frame.type) {
      case "greeting":
        return this.#handleGreeting(frame.parameters);
      case "welcome":
        return this.#handleWelcome(frame.parameters, now);
      case "abort":
        this.#handleAbort(frame.code, frame.reason, now);
        return undefined;
      case "goaway":
        this.attachment.recall(now + frame.delayMs);
        return undefined;
      case "hello":
      case "detach":
      case "close":
        return { code: 1002, reason: `${frame.type} out of turn` };
    }
  }

  protected override handleDeath(transportCode: number, now: Millis, error?: SluiceError): void {
    const agreed = this.#agreedEnd;
    const isOver = this.exchange.isSettled || !this.#identity.canResume;
    // Both have said CLOSE: only for the server to fetch ours is the session kept (CLS-05).
    if (agreed !== undefined && isOver) {
      this.end(agreed);
    } else if (!this.#isEverGreeted && !this.#dialer.retriesFirst) {
      this.end(uncleanEnd(error ?? connectFailed("No connection could be made")));
    } else if (!this.#identity.canResume) {
      this.#giveUp(sessionLost("The connection was lost, and the server keeps no sessions"));
    } else {
      this.#limitLoss(now);
      this.detach(transportCode);
      // A close handshake gives up when nothing moves for its timeout: some attempts have to fit into that (CLS-06).
      this.#dialer.handleFailure(now, this.isClosing ? this.limits.closeTimeoutMs / CLOSING_ATTEMPTS : undefined);
      this.#lastFailure = error ?? this.#lastFailure;
    }
  }

  protected override get closeFailure(): SluiceError {
    return this.#isEverGreeted ? super.closeFailure : this.#connectFailure;
  }

  protected override get roleDeadlines(): (Millis | undefined)[] {
    return [this.#dialer.nextDeadline, this.#stallDeadline];
  }

  protected override handleLineDeadlines(now: Millis): void {
    if (isDue(this.attachment.handshakeDeadline, now)) {
      return this.handleDeath(1000, now, connectFailed("The handshake took too long"));
    }
    if (this.#pollLeave(now)) return;
    const stallDeadline = this.#stallDeadline;
    if (stallDeadline !== undefined && now >= stallDeadline) {
      if (!isOverslept(stallDeadline, now)) return this.handleDeath(1000, now);
      this.exchange.outbound.handleWoken(now);
      this.#probe(now);
    }
    super.handleLineDeadlines(now);
  }

  protected override handleProgress(): void {
    this.#dialer.handleProgress();
  }

  protected override handleNumberedSent(bytes: number): void {
    super.handleNumberedSent(bytes);
    this.#identity.handleSent();
  }

  /** Who is not attached may be anybody; the session is safe with the server that knows it (ERR-05). */
  protected override fail(violation: Violation, now: Millis): void {
    if (this.attachment.isAttached || !this.#identity.isBound) super.fail(violation, now);
    else this.handleDeath(violation.code, now, violationError(violation));
  }

  protected override end(end: SessionEnd, readNumberMax?: number): void {
    this.#dialer.stop();
    super.end(end, readNumberMax);
  }

  #dial(epoch: number, now: Millis): void {
    this.#dialledAt = now;
    this.attachment.dial(epoch, now);
    this.emit({ type: "dial", epoch, sessionId: this.#identity.sessionId });
  }

  #redial(input: "deadline" | "hurry", now: Millis): void {
    const epoch = this.isClosed ? undefined : this.#dialer.poll(now, input);
    if (epoch !== undefined) this.#dial(epoch, now);
  }

  #probe(now: Millis): void {
    this.keepalive?.probe(now);
    this.unnumbered.push({ type: "ping", payload: new Uint8Array(0) });
  }

  /** When our batches have been on the line for too long without an ack: only who can dial has a use for that. */
  get #stallDeadline(): Millis | undefined {
    return this.attachment.isAttached ? this.exchange.outbound.stallDeadline : undefined;
  }

  /** Leaves for another transport, when the server has asked for that and the time has come. */
  #pollLeave(now: Millis): boolean {
    if (!this.attachment.pollLeave(this.exchange.outbound.isQuiet, now)) return false;
    this.#leave(now);
    if (!this.isClosed) this.#dialer.handleRecall(now);
    return true;
  }

  /** Says that this transport is left, and the session is not. */
  #leave(now: Millis): void {
    const agreed = this.#agreedEnd;
    // There is nothing to come back for.
    if (agreed !== undefined && this.exchange.isSettled) return this.end(agreed);
    const isHeard = this.attachment.isAttached;
    this.#limitLoss(now);
    this.detach(1000);
    if (isHeard) this.unnumbered.push({ type: "detach" });
  }

  /** The server notices late that the transport is gone, and then waits for its window: afterwards nothing is left. */
  #limitLoss(now: Millis): void {
    if (!this.#identity.isWelcomed) return;
    this.#dialer.limit(now + this.#identity.resumeWindowMs + (this.keepalive?.patienceMs ?? 0));
  }

  /** The session cannot be had, or not any more. */
  #giveUp(lost: SluiceError, readNumberMax?: number): void {
    // A server that has our CLOSE forgets the session, whether or not its last ack has arrived (CLS-05).
    this.end(this.#agreedEnd ?? uncleanEnd(this.#identity.isBound ? lost : this.#connectFailure), readNumberMax);
  }

  /** The end that both have asked for; `undefined` while one of them has not. */
  get #agreedEnd(): SessionEnd | undefined {
    const { state } = this.exchange.closing;
    return state.name === "settling" || state.name === "lingering" ? cleanEnd(state.info) : undefined;
  }

  get #connectFailure(): SluiceError {
    return this.#lastFailure ?? connectFailed("No connection could be made in time");
  }

  #handleGreeting(parameters: Parameters): Violation | undefined {
    const { state } = this.attachment;
    if (state.name !== "awaiting-greeting") return { code: 1002, reason: "greeting out of turn" };
    const greeting = readGreeting(parameters, UNANNOUNCED_LIMITS, this.limits);
    if (isViolation(greeting)) return greeting;
    const protocol = this.ports.decodeUtf8(greeting.protocol);
    if (protocol === undefined) return { code: 1007, reason: "protocol name is not UTF-8" };
    this.keepalive?.handleAnnounced(greeting.heartbeatMs, greeting.heartbeatGraceMs);
    this.attachment.handleGreeting(state.epoch, keyOf(greeting.instance));
    this.emit({ type: "greeted", epoch: state.epoch, protocol });
    this.#isEverGreeted = true;
    // What a session has agreed on holds for all its transports (LIM-07).
    if (!this.#identity.isWelcomed) this.handlePeerLimits(greeting.limits);
    return undefined;
  }

  #handleWelcome(parameters: Parameters, now: Millis): Violation | undefined {
    const { state } = this.attachment;
    if (state.name !== "awaiting-welcome") return { code: 1002, reason: "welcome out of turn" };
    const welcome = readWelcome(parameters, this.peerLimits);
    if (isViolation(welcome)) return welcome;
    const { sessionId, received } = welcome;
    const known = this.#identity.sessionId;
    const isSame = known === undefined || keyOf(known) === keyOf(sessionId);
    if (!isSame || !this.exchange.outbound.canSettle(received)) {
      return { code: 1002, reason: "welcome to another session" };
    }
    if (!this.#identity.isWelcomed && !this.handlePeerLimits(welcome.limits)) return undefined;
    this.#identity.handleWelcome(welcome);
    this.attachment.handleWelcome(state.epoch);
    this.#dialer.handleWelcome();
    // The server learns that its WELCOME has arrived (RES-02).
    this.unnumbered.push(this.exchange.inbound.acks.restate(now));
    this.handleAttached(state.epoch, sessionId, welcome, now);
    return undefined;
  }

  #handleAbort(code: number, reasonBytes: Uint8Array, now: Millis): void {
    const reason = this.ports.decodeUtf8(reasonBytes) ?? "";
    const { state } = this.attachment;
    if (this.attachment.isAttached) {
      if (!TRY_LATER.has(code)) return this.end(abortedEnd(code, reason));
      return this.#giveUp(sessionLost("The server has ended the session, and wants to be asked again"));
    }
    const refused = new SluiceError("ERR_REFUSED", `The server refused the session: ${code} ${reason}`);
    const early = state.name === "awaiting-welcome" ? state.early : undefined;
    // Overload passes, and before the HELLO nothing was refused but this transport.
    const isTransient = TRY_LATER.has(code) || (early === undefined && this.#identity.isBound);
    if (isTransient) return this.handleDeath(1000, now, refused);
    // What was sent behind an earlier HELLO may have been read.
    const isLost = this.#identity.isWelcomed || (early?.readNumberMax ?? 0) > 0;
    if (isLost) this.#giveUp(sessionLost("The server does not know the session any more"), early?.readNumberMax);
    else this.end(abortedEnd(code, reason, refused), 0);
  }
}
