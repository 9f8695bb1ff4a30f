import { keyOf } from "../bytes.js";
import type { DialOptions } from "../dial/dialer.js";
import { type Millis, millisToTicks } from "../time.js";
import { frameBytes } from "../wire/encode.js";
import type { AckFrame, Parameters, Violation } from "../wire/frame.js";
import { type Greeting, isViolation, readGreeting, readWelcome } from "../wire/handshake.js";
import { UNANNOUNCED_LIMITS } from "../wire/parameters.js";
import type { ClientLine } from "./client-line.js";
import { ClientLines } from "./client-lines.js";
import { Identity } from "./identity.js";
import { authTooLarge } from "./session-end.js";
import type { SessionOptions } from "./session-types.js";

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
 * How a client introduces itself on its lines, from the open transport to the WELCOME (PROTOCOL.md, HSK and RES). What
 * follows when it does not succeed is the affair of `ClientSession`.
 *
 * Invariant: HELLO leaves once on a line, with an epoch that no other has, and early data behind that of `main` only.
 */
export abstract class ClientHandshake extends ClientLines {
  protected readonly identity: Identity;
  readonly #protocolsOffered: Uint8Array;
  /** Whether any server has greeted: to the application the socket is open from then on. */
  protected isEverGreeted = false;

  constructor(options: ClientSessionOptions) {
    super(options);
    this.identity = new Identity(options.attemptId);
    this.#protocolsOffered = options.ports.encodeUtf8(options.protocolsOffered ?? "");
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
    const hello = this.identity.hello(said, instance);
    line.toldOpening = details.opening;
    line.askedAt = now;
    // The server has shown that it is one of ours (HSK-07). What another line carries is copied (RES-17).
    const isEarly = instance !== undefined && (line === this.main || this.attachment.isAttached);
    if (isEarly && line === this.main) this.exchange.handleAttached(now);
    line.attachment.introduce(epoch, hello, isEarly);
    if (line !== this.main && 1 + frameBytes(hello) > this.helloBytesMaxOf(line)) {
      this.lose(line, 1000, now, { error: authTooLarge() });
    }
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

  /** Whether a server has made the session: it can be resumed, or lost. */
  get isWelcomed(): boolean {
    return this.identity.isWelcomed;
  }

  protected override get sessionId(): Uint8Array | undefined {
    return this.identity.sessionId;
  }

  protected override handleNumberedSent(bytes: number): void {
    super.handleNumberedSent(bytes);
    const { state } = this.attachment;
    if (state.name === "awaiting-welcome" && state.instance !== undefined) this.identity.handleSent(state.instance);
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
    if (!this.identity.isWelcomed) this.handlePeerLimits(greeting.limits);
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
    const known = this.identity.sessionId;
    const isSame = known === undefined || keyOf(known) === keyOf(sessionId);
    if (!isSame || !this.exchange.outbound.canSettle(received)) {
      return { code: 1002, reason: "welcome to another session" };
    }
    const isMain = line === this.main;
    if (!isMain) this.promote(line, now);
    if (!isMain || state.earlyBytes === undefined) this.exchange.handleAttached(now, line.early);
    if (greeting !== undefined) this.#handleOpen(line, greeting);
    if (!this.identity.isWelcomed && !this.handlePeerLimits(welcome.limits)) return undefined;
    this.identity.handleWelcome(welcome);
    this.attachment.handleWelcome();
    this.dialer.handleWelcome();
    this.chooser.handleWelcome(line.kind, this.identity.canResume, now);
    this.abandonOutrun(state.epoch, now);
    this.carriedSince = now;
    const { keepaliveMs } = this.outlook;
    if (line.kind === "websocket" && keepaliveMs !== undefined) this.keepalive?.handleLearnt(keepaliveMs);
    // The server learns that its WELCOME has arrived (RES-02).
    this.unnumbered.push(this.#firstAck(now));
    this.handleAttached(line.number, sessionId, welcome, now);
    return undefined;
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
    this.isEverGreeted = true;
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
