import { Chooser, type LineKind } from "../dial/chooser.js";
import { Dialer, type DialOptions } from "../dial/dialer.js";
import { type LineDeath, Outlook } from "../dial/outlook.js";
import type { SluiceError } from "../error.js";
import type { Millis } from "../time.js";
import { BatchReader } from "../wire/decode.js";
import type { Frame, Parameters, Violation } from "../wire/frame.js";
import { Candidates, type LineBatch } from "./candidates.js";
import { ClientLine } from "./client-line.js";
import { Hellos } from "./hellos.js";
import { Keepalive } from "./keepalive.js";
import { Session } from "./session.js";
import { type SessionEnd, violationError } from "./session-end.js";
import type { Requests, SessionOptions } from "./session-types.js";

/** Why a line is given up. */
export interface Loss {
  readonly error?: SluiceError | undefined;
  /** Whether it has broken off, or gone silent, and was not ended in order. */
  readonly isDeath?: boolean;
  /** Whether this end has given it up, as what should come does not. */
  readonly isSilent?: boolean;
  /** Whether the server has said that it does not want it. */
  readonly isRefused?: boolean;
  /** Whether it has said so, perhaps, because nothing that was sent on it has arrived. */
  readonly isUnheard?: boolean;
}

/**
 * The lines of a client: dials them, of the kinds that the `Chooser` names, reads those that do not carry the session, and
 * goes over from one to another (PROTOCOL.md, RES-17). What is said on them is the affair of `ClientHandshake`.
 */
export abstract class ClientLines extends Session {
  protected readonly dialer: Dialer;
  protected readonly chooser: Chooser;
  protected readonly outlook: Outlook;
  protected readonly hellos: Hellos = new Hellos();
  /** The line that carries the session, or is first to: that of `attachment`. */
  protected main: ClientLine | undefined;
  /** All others. There are none without `main`. */
  protected readonly beside: Candidates = new Candidates();
  /** Since when `main` has carried the session, if it has. */
  protected carriedSince: Millis = 0;
  #linesCount = 0;
  #sentAt: Millis = 0;

  constructor(options: SessionOptions & { readonly dial: DialOptions }) {
    super(options);
    const { kinds = ["websocket"], outlook = new Outlook(undefined, 0) } = options.dial;
    this.dialer = new Dialer(options.dial, () => options.ports.random());
    this.outlook = outlook;
    this.chooser = new Chooser(kinds, outlook);
  }

  override pollTransmit(budgetBytes: number, now: Millis, requests: Requests = "none"): Uint8Array | undefined {
    const batch = super.pollTransmit(budgetBytes, now, requests);
    if (batch !== undefined) this.#sentAt = now;
    return batch;
  }

  override pollBeside(now: Millis): LineBatch | undefined {
    return this.beside.pollTransmit() ?? this.#pollCopy(now);
  }

  /** What is copied to another line must tell no more than the HELLO on it has told (RES-05). */
  protected override get mayAckInBatches(): boolean {
    return super.mayAckInBatches && this.beside.all().every((line) => !line.hasEarlyData);
  }

  /** While another line carried the session, HELLO could not name every batch that is to open a channel (CHN-10). */
  protected override get isAckHeld(): boolean {
    const { openingNumber, lineNumber } = this.exchange.outbound;
    return openingNumber > Math.max(this.main?.toldOpening ?? 0, lineNumber);
  }

  protected override get helloBytesMax(): number {
    return this.main === undefined ? super.helloBytesMax : this.helloBytesMaxOf(this.main);
  }

  protected override abortNow(code: number, reason: string, error: SluiceError): void {
    if (!this.isClosed) this.beside.abort(code);
    super.abortNow(code, reason, error);
  }

  protected override end(end: SessionEnd, readNumberMax?: number): void {
    this.dialer.stop();
    this.chooser.stop();
    super.end(end, readNumberMax);
    this.beside.end();
  }

  /** The session, once it has been welcomed. */
  protected abstract readonly sessionId: Uint8Array | undefined;

  protected abstract handleGreeting(line: ClientLine, parameters: Parameters, now: Millis): Violation | undefined;
  protected abstract handleWelcome(line: ClientLine, parameters: Parameters, now: Millis): Violation | undefined;
  protected abstract handleAbort(line: ClientLine, code: number, reason: Uint8Array, now: Millis): void;

  /** A line is no more, or is given up. */
  protected abstract lose(line: ClientLine, transportCode: number, now: Millis, loss?: Loss): void;

  protected lineOf(number: number): ClientLine | undefined {
    if (this.isClosed) return undefined;
    return this.main?.number === number ? this.main : this.beside.get(number);
  }

  /** Nothing carries the session, and nothing is dialled. */
  protected race(now: Millis): void {
    this.chooser.begin(this.roundTripTimeMs, now);
    this.dialDue(now);
  }

  protected pollChooser(now: Millis): void {
    this.chooser.handleDeadline(now);
    this.dialDue(now);
  }

  protected dialDue(now: Millis): void {
    for (let kind = this.chooser.pollDial(); kind !== undefined; kind = this.chooser.pollDial()) this.#dial(kind, now);
  }

  protected redial(input: "deadline" | "hurry", now: Millis): void {
    if (!this.isClosed && this.dialer.poll(now, input)) this.race(now);
  }

  protected get roundTripTimeMs(): Millis | undefined {
    return this.exchange.outbound.path.smoothedRoundTripMs;
  }

  /** What a HELLO may take: where the server has not said it yet, what the line carries (HTTP-04). */
  protected helloBytesMaxOf({ attachment, batchBytesMax }: ClientLine): number {
    const { state } = attachment;
    const isGreeted = state.name !== "awaiting-welcome" || state.instance !== undefined;
    return isGreeted ? this.peerLimits.batchBytesMax : batchBytesMax;
  }

  /** What there is to say is said on `line`. What has not left on the one before is not meant for it. */
  protected speakOn(line: ClientLine, now: Millis): void {
    this.unnumbered.clear();
    this.transportBatchBytesMax = line.batchBytesMax;
    const { heartbeatMs: intervalMs, heartbeatGraceMs: graceMs } = line.heartbeat;
    this.keepalive = new Keepalive({ sendsPings: false, intervalMs, graceMs }, now);
  }

  /** `line` has been welcomed while another one carried the session, or was to. */
  protected promote(line: ClientLine, now: Millis): void {
    const old = this.main;
    this.beside.delete(line);
    if (old !== undefined) {
      // It may yet be welcomed itself.
      if (old.hasEarlyData) old.early.number = this.exchange.outbound.lineNumber;
      this.beside.add(old);
    }
    this.#seat(line);
    this.speakOn(line, now);
  }

  /** Lines that can bring nothing any more once `epoch` has been welcomed. */
  protected abandonOutrun(epoch: number, now: Millis): void {
    const isTrying = this.chooser.state.name === "trying";
    for (const line of this.beside.all()) {
      const isLater = (line.askedEpoch ?? epoch + 1) > epoch && !line.attachment.isAttached;
      const isTried = isTrying && line.kind === "websocket";
      if (isTried && isLater) continue;
      this.abandon(line, 1000);
      // That it was late says nothing of it.
      if (isTried) this.chooser.handleFailed(line.kind, true, now);
    }
  }

  protected abandon(line: ClientLine, transportCode: number): void {
    this.beside.delete(line);
    line.attachment.cut();
    this.emit({ type: "abandoned", line: line.number, transportCode });
  }

  protected abandonAll(): void {
    for (const line of this.beside.all()) this.abandon(line, 1000);
  }

  protected detachMain(transportCode: number, type: "detached" | "abandoned" = "detached"): void {
    this.detach(transportCode, type);
    this.main = undefined;
  }

  /** Whether another line goes on with what the last one has left. */
  protected succeed(now: Millis): boolean {
    const next = this.beside.best;
    if (next !== undefined) {
      this.#adopt(next, now);
      this.dialer.handleSuccession();
    }
    this.dialDue(now);
    return this.main !== undefined;
  }

  /** What has left on a line that ends, and has no answer, may have been read, unless it was refused. */
  protected doubt({ attachment }: ClientLine, isRefused: boolean): void {
    const { state } = attachment;
    const hasSent = attachment.isAttached || (state.name === "awaiting-welcome" && (state.earlyBytes ?? 0) > 0);
    if (hasSent && !isRefused) this.hellos.handleDoubt(this.exchange.outbound.sentNumber);
  }

  protected deathAt(isSilent: boolean, now: Millis): LineDeath {
    const receivedAt = this.keepalive?.receivedAt ?? now;
    return { ageMs: now - this.carriedSince, idleMs: now - Math.max(receivedAt, this.#sentAt), isSilent };
  }

  /** Reads a batch on a line that does not carry the session. */
  protected readBeside(line: ClientLine, batch: Uint8Array, now: Millis): void {
    const reader = new BatchReader(batch);
    let violation = this.#besideViolation(reader, batch);
    for (let frame = violation ?? reader.next(); frame !== undefined && "type" in frame; frame = reader.next()) {
      violation = this.#handleBesideFrame(line, frame, now);
      // It has been welcomed, and what is behind that is for the session.
      if (line === this.main) return this.readFrames(reader, now);
      if (this.beside.get(line.number) !== line) return;
      if (violation !== undefined) break;
    }
    violation ??= reader.violation;
    if (violation !== undefined) this.lose(line, violation.code, now, { error: violationError(violation) });
  }

  /** A line that gets on well needs no hedge: a HELLO on one would take the session there. */
  protected withdrawHedges(winner: ClientLine, now: Millis): void {
    for (const line of [...this.beside.all(), this.main]) {
      if (line === undefined || line === winner || line.kind === "websocket" || line.hasSpoken) continue;
      if (line === this.main) {
        this.detachMain(1000);
        this.#adopt(winner, now);
      } else {
        this.abandon(line, 1000);
      }
      this.chooser.handleWithdrawn(line.kind);
    }
  }

  /**
   * What leaves on the line that carries the session leaves on the one that is to take it over as well, so that the server
   * has it when it goes over: what comes later on the old line is not read any more (RES-17).
   */
  #pollCopy(now: Millis): LineBatch | undefined {
    if (!this.attachment.isAttached) return undefined;
    for (const line of this.beside.all()) {
      const next = line.hasEarlyData ? this.exchange.outbound.sentAfter(line.early.number) : undefined;
      if (next === undefined || next.batch.length > line.attachment.allowanceBytes) continue;
      line.handleCopied(next.number, next.batch.length, now);
      return { line: line.number, batch: next.batch };
    }
    return undefined;
  }

  #dial(kind: LineKind, now: Millis): void {
    this.#linesCount += 1;
    const line = new ClientLine(this.#linesCount, kind, this.limits, now);
    if (this.main === undefined) this.#seat(line);
    else this.beside.add(line);
    this.emit({ type: "dial", line: line.number, kind, sessionId: this.sessionId });
  }

  /** `line` carries the session from here on, or is the first to. */
  #seat(line: ClientLine): void {
    this.main = line;
    this.exchange.handleHandshake(line.askedAt);
    this.attachment = line.attachment;
  }

  /** The line before is gone, and this one, already in its handshake, is the next to carry the session. */
  #adopt(line: ClientLine, now: Millis): void {
    this.beside.delete(line);
    this.#seat(line);
    if (line.isOpen) this.speakOn(line, now);
    // There is nothing left to take over from, and so nothing to prove.
    if (line.attachment.state.name === "proving") this.#handleProved(line);
    if (line.hasEarlyData) this.exchange.handleAttached(now, line.early);
  }

  #besideViolation({ number }: BatchReader, batch: Uint8Array): Violation | undefined {
    if (batch.length > this.limits.batchBytesMax) return { code: 1009, reason: "batch too large" };
    return number > 0 ? { code: 1002, reason: "batch before the handshake is done" } : undefined;
  }

  #handleBesideFrame(line: ClientLine, frame: Frame, now: Millis): Violation | undefined {
    switch (frame.type) {
      case "greeting":
        return this.handleGreeting(line, frame.parameters, now);
      case "welcome":
        return this.handleWelcome(line, frame.parameters, now);
      case "abort":
        this.handleAbort(line, frame.code, frame.reason, now);
        return undefined;
      case "ping":
        line.unnumbered.pushPong(frame.payload);
        return undefined;
      case "pong":
        if (line.attachment.state.name === "proving" && line.isProof(frame.payload)) this.#handleProved(line);
        return undefined;
      case "ack":
      case "hello":
      case "detach":
        return { code: 1002, reason: `${frame.type} out of turn` };
      default:
        return undefined;
    }
  }

  #handleProved(line: ClientLine): void {
    line.attachment.handleProved();
    this.emit({ type: "introduce", line: line.number });
  }
}
