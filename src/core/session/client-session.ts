import { keyOf } from "../bytes.js";
import type { DialOptions } from "../dial/dialer.js";
import { SluiceError } from "../error.js";
import { isDue, type Millis, millisToTicks } from "../time.js";
import { encodeBatch, frameBytes } from "../wire/encode.js";
import type { AckFrame, Parameters, Violation } from "../wire/frame.js";
import { type Greeting, isViolation, readGreeting, readWelcome } from "../wire/handshake.js";
import { UNANNOUNCED_LIMITS } from "../wire/parameters.js";
import type { ClientLine } from "./client-line.js";
import { ClientLines, type Loss } from "./client-lines.js";
import { Identity } from "./identity.js";
import { isOverslept } from "./keepalive.js";
import type { RoleFrame } from "./session.js";
import {
  abortedEnd,
  cleanEnd,
  connectFailed,
  type Death,
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

const AUTH_TOO_LARGE = "`auth` is over the limit of the server";

/** Codes of a server that wants to be asked again (ERR-01). */
const TRY_LATER: ReadonlySet<number> = new Set([1012, 1013]);

export interface ClientSessionOptions extends SessionOptions {
  /** Names this attempt, so that copies of the HELLO make one session (HSK-04). */
  readonly attemptId: Uint8Array;
  readonly dial: DialOptions;
  /** The application protocols, as in `Sec-WebSocket-Protocol`, for transports that cannot offer them there (HTTP-04). */
  readonly protocolsOffered?: string;
}

/** A GREETING, with its text read. */
type SaidGreeting = Omit<Greeting, "protocol"> & { readonly protocol: string };

/**
 * The client's end: it dials, introduces itself, and comes back when the line is cut. Several lines may be in their
 * handshake at a time; the first WELCOME decides who carries the session, and a later one may take it over (RES-17).
 */
export class ClientSession extends ClientLines {
  readonly #identity: Identity;
  readonly #protocolsOffered: Uint8Array;
  /** Whether any server has greeted: to the application the socket is open from then on. */
  #isEverGreeted = false;
  /** Why the last attempt failed, where that is known. */
  #lastFailure: SluiceError | undefined;

  constructor(options: ClientSessionOptions) {
    super(options);
    this.#identity = new Identity(options.attemptId);
    this.#protocolsOffered = options.ports.encodeUtf8(options.protocolsOffered ?? "");
  }

  /** Begins to connect. */
  start(now: Millis): void {
    this.begin(now);
    if (this.dialer.state.name !== "idle") return;
    this.dialer.start(now);
    this.race(now);
  }

  /** The credentials for the HELLO on a line that has asked to `introduce` itself. Too late does no harm. */
  provideAuth(number: number, auth: string | undefined, now: Millis): void {
    this.begin(now);
    const line = this.lineOf(number);
    if (line?.attachment.state.name !== "awaiting-auth") return;
    const { instance } = line.attachment.state;
    const { inbound, outbound } = this.exchange;
    const epoch = this.hellos.next();
    const bytes = auth === undefined ? undefined : this.ports.encodeUtf8(auth);
    const details = { received: inbound.receivedNumber, opening: outbound.openingNumber };
    const said = { limits: this.limits, epoch, auth: bytes, protocolsOffered: this.#protocolsOffered, ...details };
    const hello = this.#identity.hello(said, instance);
    line.toldOpening = details.opening;
    line.askedAt = now;
    // Nothing else carries the session, and the server has shown that it is one of ours (HSK-07).
    const isEarly = line === this.main && instance !== undefined;
    if (isEarly) this.exchange.handleAttached(now);
    line.attachment.introduce(epoch, hello, isEarly);
    if (line !== this.main && 1 + frameBytes(hello) > this.helloBytesMaxOf(line)) {
      this.lose(line, 1000, now, { error: new SluiceError("ERR_MESSAGE_TOO_LARGE", AUTH_TOO_LARGE) });
    }
  }

  override close(code: number, reason: string, now: Millis): void {
    if (!this.isClosed && !this.#isEverGreeted && this.exchange.sender.isDrained) {
      this.begin(now);
      // WHATWG WebSockets, `close()` while CONNECTING: the connection fails.
      this.end(uncleanEnd(new SluiceError("ERR_CONNECT_FAILED", "Closed before the connection was established")));
      return;
    }
    super.close(code, reason, now);
    this.redial("hurry", now);
  }

  /** The page is about to sleep, and may come back. The server is told, and keeps the session. */
  suspend(now: Millis): void {
    this.begin(now);
    if (this.isClosed) return;
    this.outlook.handleRoundTrip(this.roundTripTimeMs, now);
    this.chooser.rest();
    this.abandonAll();
    if (this.main !== undefined) this.#leave(now);
    this.dialer.suspend();
  }

  /** The page is awake again. */
  wake(now: Millis): void {
    this.begin(now);
    if (this.dialer.wake()) this.race(now);
  }

  /**
   * Something says that waiting is over, or that the line may have died unnoticed.
   * @param network whether it is another network: attempts on the old one are hopeless
   */
  hurry(network: "same" | "changed", now: Millis): void {
    this.begin(now);
    if (this.isClosed) return;
    const main = this.main;
    if (network === "changed") this.chooser.handleHint(now);
    if (this.attachment.isAttached) {
      this.#probe(now);
      this.pollChooser(now);
    } else if (network === "changed" && main !== undefined && now - main.dialledAt > STALE_DIAL_MS) {
      this.chooser.rest();
      this.abandonAll();
      this.lose(main, 1000, now);
    }
    this.redial("hurry", now);
  }

  /** What the platform thinks of the network. A hint. */
  handleOffline(isOffline: boolean, now: Millis): void {
    this.begin(now);
    this.dialer.handleOffline(isOffline);
    this.chooser.handleOffline(isOffline);
  }

  /**
   * The page goes, and does not come back: what follows leaves in the same breath, as far as a page that is left may
   * send. An `abort` with 1001 has to come behind it, as nobody will be there for a close handshake (CLS-11).
   */
  farewell(now: Millis): void {
    this.begin(now);
    this.overdraftBytes = FAREWELL_BYTES;
  }

  /**
   * A transport is open.
   * @param transport the largest batch that it carries, and whether the server speaks first on it
   */
  handleTransportOpen(
    number: number,
    transport: { readonly batchBytesMax: number; readonly greets: boolean },
    now: Millis,
  ): void {
    this.begin(now);
    const line = this.lineOf(number);
    if (line?.attachment.state.name !== "dialling") return;
    line.batchBytesMax = transport.batchBytesMax;
    line.attachment.handleOpen(transport.greets);
    if (line === this.main) this.speakOn(line, now);
    if (!transport.greets) this.emit({ type: "introduce", line: number });
  }

  override handleBatch(number: number, batch: Uint8Array, now: Millis): void {
    const candidate = this.isClosed ? undefined : this.beside.get(number);
    if (candidate === undefined) {
      super.handleBatch(number, batch, now);
    } else {
      this.begin(now);
      this.readBeside(candidate, batch, now);
    }
    // An ack may be all that leaving has waited for (RES-15).
    this.#pollLeave(now);
  }

  override handleTransportClosed(number: number, death: Death, now: Millis, error?: SluiceError): void {
    this.begin(now);
    const line = this.lineOf(number);
    if (line !== undefined) this.lose(line, 1000, now, { error, isDeath: death.code === 1006 });
  }

  override handleDeadline(now: Millis): void {
    super.handleDeadline(now);
    for (const line of this.isClosed ? [] : this.beside.overdue(now)) this.lose(line, 1000, now);
    if (this.isClosed) return;
    if (isDue(this.dialer.giveUpAt, now)) this.#giveUp(sessionLost("The session has expired"));
    this.redial("deadline", now);
    this.pollChooser(now);
  }

  /** Whether a server has made the session: it can be resumed, or lost. */
  get isWelcomed(): boolean {
    return this.#identity.isWelcomed;
  }

  protected override get sessionId(): Uint8Array | undefined {
    return this.#identity.sessionId;
  }

  protected override handleRoleFrame(frame: RoleFrame, now: Millis): Violation | undefined {
    const main = this.main as ClientLine;
    switch (frame.type) {
      case "greeting":
        return this.handleGreeting(main, frame.parameters, now);
      case "welcome":
        return this.handleWelcome(main, frame.parameters, now);
      case "abort":
        this.handleAbort(main, frame.code, frame.reason, now);
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
    if (this.main !== undefined) this.lose(this.main, transportCode, now, { error, isDeath: true, isSilent: true });
  }

  protected override get closeFailure(): SluiceError {
    return this.#isEverGreeted ? super.closeFailure : this.#connectFailure;
  }

  protected override get roleDeadlines(): (Millis | undefined)[] {
    return [this.dialer.nextDeadline, this.#stallDeadline, this.chooser.nextDeadline, this.beside.nextDeadline];
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
    this.dialer.handleProgress();
  }

  protected override handleNumberedSent(bytes: number): void {
    super.handleNumberedSent(bytes);
    const { state } = this.attachment;
    if (state.name === "awaiting-welcome" && state.instance !== undefined) this.#identity.handleSent(state.instance);
  }

  /** Who is not attached may be anybody; the session is safe with the server that knows it (ERR-05). */
  protected override fail(violation: Violation, now: Millis): void {
    const isAlone = this.beside.size === 0 && !this.chooser.hasReserve;
    if (this.attachment.isAttached || (!this.#identity.isBound && isAlone)) super.fail(violation, now);
    else this.handleDeath(violation.code, now, violationError(violation));
  }

  /** A line is no more, or is given up. */
  protected override lose(line: ClientLine, transportCode: number, now: Millis, loss: Loss = {}): void {
    const { error, isDeath = false, isSilent = false, isRefused = false, isUnheard = false } = loss;
    // What is said to a client that was not heard says nothing of the way up.
    const isLineWell = isRefused && !isUnheard;
    this.doubt(line, isRefused);
    if (isRefused && line === this.main && this.hellos.readNumberMax === 0) this.#identity.handleUnread();
    if (line !== this.main) {
      this.abandon(line, transportCode);
      this.#lastFailure = error ?? this.#lastFailure;
      this.chooser.handleFailed(line.kind, isLineWell, now);
      return this.dialDue(now);
    }
    const agreed = this.#agreedEnd;
    // Both have said CLOSE: only for the server to fetch ours is the session kept (CLS-05).
    if (agreed !== undefined && (this.exchange.isSettled || !this.#identity.canResume)) return this.end(agreed);
    if (this.attachment.isAttached) {
      this.outlook.handleRoundTrip(this.roundTripTimeMs, now);
      this.chooser.handleLost(isDeath ? this.deathAt(isSilent, now) : undefined, this.roundTripTimeMs, now);
    } else {
      this.chooser.handleFailed(line.kind, isLineWell, now);
    }
    const isAlone = this.beside.size === 0 && this.chooser.isResting;
    if (!this.#isEverGreeted && !this.dialer.retriesFirst && isAlone) {
      this.end(uncleanEnd(error ?? connectFailed("No connection could be made")));
    } else if (!this.#identity.canResume) {
      this.#giveUp(sessionLost("The connection was lost, and the server keeps no sessions"));
    } else {
      this.#limitLoss(now);
      // The server has fenced it, as it is giving the session to the next: that is no news but for this line (RES-09).
      const isFenced = !isDeath && this.attachment.isAttached && this.beside.best?.hasSpoken === true;
      this.detachMain(transportCode, isFenced ? "abandoned" : "detached");
      this.#lastFailure = error ?? this.#lastFailure;
      if (this.succeed(now)) return;
      // A close handshake gives up when nothing moves for its timeout: some attempts have to fit into that (CLS-06).
      this.dialer.handleFailure(now, this.isClosing ? this.limits.closeTimeoutMs / CLOSING_ATTEMPTS : undefined);
    }
  }

  protected override handleGreeting(line: ClientLine, parameters: Parameters, now: Millis): Violation | undefined {
    if (line.attachment.state.name !== "awaiting-greeting") return { code: 1002, reason: "greeting out of turn" };
    const greeting = this.#readGreeting(parameters);
    if (isViolation(greeting)) return greeting;
    line.heartbeat = greeting;
    this.chooser.handleGreeted(line.kind);
    const mustProve = this.attachment.isAttached;
    line.attachment.handleGreeting(greeting.instance, mustProve);
    if (mustProve) {
      line.askForProof();
      return undefined;
    }
    this.withdrawHedges(line, now);
    this.#handleOpen(line, greeting);
    this.emit({ type: "introduce", line: line.number });
    // What a session has agreed on holds for all its transports (LIM-07).
    if (!this.#identity.isWelcomed) this.handlePeerLimits(greeting.limits);
    return undefined;
  }

  protected override handleWelcome(line: ClientLine, parameters: Parameters, now: Millis): Violation | undefined {
    const { state } = line.attachment;
    if (state.name !== "awaiting-welcome") return { code: 1002, reason: "welcome out of turn" };
    const welcome = readWelcome(parameters, this.peerLimits);
    if (isViolation(welcome)) return welcome;
    // Where nobody greets, WELCOME says it all (HTTP-04).
    const greeting = state.instance === undefined ? this.#readGreeting(parameters) : undefined;
    if (greeting !== undefined && isViolation(greeting)) return greeting;
    const { sessionId, received } = welcome;
    const known = this.#identity.sessionId;
    const isSame = known === undefined || keyOf(known) === keyOf(sessionId);
    if (!isSame || !this.exchange.outbound.canSettle(received)) {
      return { code: 1002, reason: "welcome to another session" };
    }
    const isMain = line === this.main;
    if (!isMain) this.promote(line, now);
    if (!isMain || state.earlyBytes === undefined) this.exchange.handleAttached(now, line.sentNumber);
    if (greeting !== undefined) this.#handleOpen(line, greeting);
    if (!this.#identity.isWelcomed && !this.handlePeerLimits(welcome.limits)) return undefined;
    this.#identity.handleWelcome(welcome);
    this.attachment.handleWelcome();
    this.dialer.handleWelcome();
    this.chooser.handleWelcome(line.kind, this.#identity.canResume, now);
    this.abandonOutrun(state.epoch);
    this.carriedSince = now;
    const { keepaliveMs } = this.outlook;
    if (line.kind === "websocket" && keepaliveMs !== undefined) this.keepalive?.handleLearnt(keepaliveMs);
    // The server learns that its WELCOME has arrived (RES-02).
    this.unnumbered.push(this.#firstAck(now));
    this.handleAttached(line.number, sessionId, welcome, now);
    return undefined;
  }

  protected override handleAbort(line: ClientLine, code: number, reasonBytes: Uint8Array, now: Millis): void {
    const reason = this.ports.decodeUtf8(reasonBytes) ?? "";
    const isMain = line === this.main;
    if (isMain && this.attachment.isAttached) {
      if (!TRY_LATER.has(code)) return this.end(abortedEnd(code, reason));
      return this.#giveUp(sessionLost("The server has ended the session, and wants to be asked again"));
    }
    const error = new SluiceError("ERR_REFUSED", `The server refused the session: ${code} ${reason}`);
    const epoch = line.askedEpoch;
    const isTransient = TRY_LATER.has(code);
    if (epoch !== undefined && !isTransient) this.hellos.handleRefused({ epoch, code, reason });
    const others = [...this.beside.all(), this.main].filter((other) => other !== undefined && other !== line);
    // Somebody carries the session, or may be let in yet.
    const isOpen = others.some((other) => other?.hasSpoken);
    const { verdict, readNumberMax } = this.hellos;
    // Before the HELLO nothing was refused but this transport.
    const isOver = epoch === undefined ? !this.#identity.isBound && others.length === 0 : verdict !== undefined;
    // A server that has waited in vain for a HELLO says what one says that has too much to do (HSK-10).
    const isUnheard = code === 1013 && line.hasSpoken;
    if (isTransient || isOpen || !isOver) return this.lose(line, 1000, now, { error, isRefused: true, isUnheard });
    // What was sent behind an earlier HELLO may have been read.
    const isLost = this.#identity.isWelcomed || readNumberMax > 0;
    if (isLost) this.#giveUp(sessionLost("The server does not know the session any more"), readNumberMax);
    else this.end(abortedEnd(verdict?.code ?? code, verdict?.reason ?? reason, error), 0);
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
    if (this.isClosed) return true;
    this.chooser.handleLost(undefined, this.roundTripTimeMs, now);
    if (!this.succeed(now)) this.dialer.handleRecall(now);
    return true;
  }

  /** Says that this transport is left, and the session is not. */
  #leave(now: Millis): void {
    const agreed = this.#agreedEnd;
    // There is nothing to come back for.
    if (agreed !== undefined && this.exchange.isSettled) return this.end(agreed);
    const main = this.main as ClientLine;
    if (this.attachment.isAttached) this.beside.bid(main.number, encodeBatch(0, [{ type: "detach" }]));
    this.doubt(main, false);
    this.#limitLoss(now);
    this.detachMain(1000);
  }

  /** The server notices late that the transport is gone, and then waits for its window: afterwards nothing is left. */
  #limitLoss(now: Millis): void {
    if (!this.#identity.isWelcomed) return;
    this.dialer.limit(now + this.#identity.resumeWindowMs + (this.keepalive?.patienceMs ?? 0));
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

  #readGreeting(parameters: Parameters): SaidGreeting | Violation {
    const greeting = readGreeting(parameters, UNANNOUNCED_LIMITS, this.limits);
    if (isViolation(greeting)) return greeting;
    const protocol = this.ports.decodeUtf8(greeting.protocol);
    return protocol === undefined ? { code: 1007, reason: "protocol name is not UTF-8" } : { ...greeting, protocol };
  }

  /** The server has said who it is: to the application the socket is open, if it was not. */
  #handleOpen(line: ClientLine, greeting: SaidGreeting): void {
    const { protocol, heartbeatMs, heartbeatGraceMs } = greeting;
    if (line === this.main) this.keepalive?.handleAnnounced(heartbeatMs, heartbeatGraceMs);
    this.#isEverGreeted = true;
    this.emit({ type: "greeted", line: line.number, protocol });
  }

  #firstAck(now: Millis): AckFrame {
    const { acks } = this.exchange.inbound;
    if (!this.isAckHeld) return acks.restate(now);
    // What has been accepted meanwhile is said behind the batches that HELLO could not name.
    acks.handleDuplicate(now);
    return { type: "ack", number: 0, bytes: 0, receivedTicks: millisToTicks(now), delayTicks: 0 };
  }
}
