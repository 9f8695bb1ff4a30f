import { SluiceError } from "../error.js";
import { isDue, type Millis, sooner } from "../time.js";
import { encodeBatch } from "../wire/encode.js";
import type { Violation } from "../wire/frame.js";
import { ClientHandshake } from "./client-handshake.js";
import type { ClientLine } from "./client-line.js";
import type { Loss } from "./client-lines.js";
import { isOverslept } from "./keepalive.js";
import {
  abortedEnd,
  connectFailed,
  type Death,
  sessionLost,
  TRY_LATER,
  uncleanEnd,
  violationError,
} from "./session-end.js";
import type { RoleFrame } from "./session-types.js";

/** A client that is not connected dials anew when the network comes back: an attempt this old is on the old one. */
const STALE_DIAL_MS = 1000;

/** What a page that is left may send beyond the window: as much as browsers let a page leave behind it (Fetch, keepalive). */
const FAREWELL_BYTES = 64 * 1024;

/** Attempts that fit into the close timeout at the least. Arbitrary. */
const CLOSING_ATTEMPTS = 5;

/**
 * The client's end: it dials, introduces itself, and comes back when the line is cut. Several lines may be in their
 * handshake at a time; the first WELCOME decides who carries the session, and a later one may take it over (RES-17).
 */
export class ClientSession extends ClientHandshake {
  /** Why the last attempt failed, where that is known. */
  #lastFailure: SluiceError | undefined;

  /** Begins to connect. */
  start(now: Millis): void {
    this.begin(now);
    if (this.dialer.state.name !== "idle") return;
    this.dialer.start(now);
    this.race(now);
  }

  override close(code: number, reason: string, now: Millis): void {
    if (!this.isClosed && !this.isEverGreeted && this.exchange.sender.isDrained) {
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
    if (!this.dialer.wake()) return;
    if (this.identity.canResume) this.race(now);
    else this.#giveUp(notKept());
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

  /** Whoever has dialled this line takes it for blocked, though it has not failed: another kind of transport may join in. */
  hasten(number: number, now: Millis): void {
    this.begin(now);
    if (this.lineOf(number)?.attachment.isGreeted !== false) return;
    this.chooser.hasten();
    this.dialDue(now);
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
    return this.isEverGreeted ? super.closeFailure : this.#connectFailure;
  }

  protected override get roleDeadline(): Millis | undefined {
    const ofDialling = sooner(this.dialer.nextDeadline, this.chooser.nextDeadline);
    return sooner(sooner(ofDialling, this.#stallDeadline), this.beside.nextDeadline);
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

  /** Who is not attached may be anybody; the session is safe with the server that knows it (ERR-05). */
  protected override fail(violation: Violation, now: Millis): void {
    const isAlone = this.beside.size === 0 && !this.chooser.hasReserve;
    if (this.attachment.isAttached || (!this.identity.isBound && isAlone)) super.fail(violation, now);
    else this.handleDeath(violation.code, now, violationError(violation));
  }

  /** A line is no more, or is given up. */
  protected override lose(line: ClientLine, transportCode: number, now: Millis, loss: Loss = {}): void {
    const { error, isDeath = false, isSilent = false, isRefused = false, isUnheard = false } = loss;
    // What is said to a client that was not heard says nothing of the way up.
    const isLineWell = isRefused && !isUnheard;
    this.doubt(line, isRefused);
    if (isRefused && line === this.main && this.hellos.readNumberMax === 0) this.identity.handleUnread();
    if (line !== this.main) {
      this.abandon(line, transportCode);
      this.#lastFailure = error ?? this.#lastFailure;
      this.chooser.handleFailed(line.kind, isLineWell, now);
      return this.dialDue(now);
    }
    const agreed = this.agreedEnd;
    // Both have said CLOSE: only for the server to fetch ours is the session kept (CLS-05).
    if (agreed !== undefined && (this.exchange.isSettled || !this.identity.canResume)) return this.end(agreed);
    if (this.attachment.isAttached) {
      this.outlook.handleRoundTrip(this.roundTripTimeMs, now);
      this.chooser.handleLost(isDeath ? this.deathAt(isSilent, now) : undefined, this.roundTripTimeMs, now);
    } else {
      this.chooser.handleFailed(line.kind, isLineWell, now);
    }
    const isAlone = this.beside.size === 0 && this.chooser.isResting;
    if (!this.isEverGreeted && !this.dialer.retriesFirst && isAlone) {
      this.end(uncleanEnd(error ?? connectFailed("No connection could be made")));
    } else if (!this.identity.canResume) {
      this.#giveUp(notKept());
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
    const isOver = epoch === undefined ? !this.identity.isBound && others.length === 0 : verdict !== undefined;
    // A server that has waited in vain for a HELLO says what one says that has too much to do (HSK-10).
    const isUnheard = code === 1013 && line.hasSpoken;
    if (isTransient || isOpen || !isOver) return this.lose(line, 1000, now, { error, isRefused: true, isUnheard });
    // What was sent behind an earlier HELLO may have been read.
    const isLost = this.identity.isWelcomed || readNumberMax > 0;
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
    if (!this.identity.canResume) this.#giveUp(notKept());
    if (this.isClosed) return true;
    this.chooser.handleLost(undefined, this.roundTripTimeMs, now);
    if (!this.succeed(now)) this.dialer.handleRecall(now);
    return true;
  }

  /** Says that this transport is left, and the session is not. */
  #leave(now: Millis): void {
    const agreed = this.agreedEnd;
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
    if (!this.identity.isWelcomed) return;
    this.dialer.limit(now + this.identity.resumeWindowMs + (this.keepalive?.patienceMs ?? 0));
  }

  /** The session cannot be had, or not any more. */
  #giveUp(lost: SluiceError, readNumberMax?: number): void {
    // A server that has our CLOSE forgets the session, whether or not its last ack has arrived (CLS-05).
    this.end(this.agreedEnd ?? uncleanEnd(this.identity.isBound ? lost : this.#connectFailure), readNumberMax);
  }

  get #connectFailure(): SluiceError {
    return this.#lastFailure ?? connectFailed("No connection could be made in time");
  }
}

function notKept(): SluiceError {
  return sessionLost("The connection was lost, and the server keeps no sessions");
}
