import { keyOf } from "../bytes.js";
import type { Limits } from "../limits.js";
import type { Millis } from "../time.js";
import type { HandshakeFrame } from "../wire/frame.js";
import { helloFrame, type Welcome } from "../wire/handshake.js";

/**
 * How a client makes itself known: by its attempt until the server has welcomed it, by session and token from then on
 * (PROTOCOL.md, HSK-04, RES-02 to RES-04).
 */
export class Identity {
  readonly #attemptId: Uint8Array;
  #welcome: Pick<Welcome, "sessionId" | "token" | "resumeWindowMs"> | undefined;
  /** The instance that may have read batches of this attempt. */
  #reader: Uint8Array | undefined;

  constructor(attemptId: Uint8Array) {
    this.#attemptId = attemptId;
  }

  /**
   * The HELLO for a transport.
   * @param greeter the instance that has greeted on it, empty where the server names none; `undefined` where nobody greets
   */
  hello(details: HelloDetails, greeter: Uint8Array | undefined): HandshakeFrame {
    const { limits, epoch, auth, received, opening, protocolsOffered } = details;
    const { sessionId, token } = this.#welcome ?? {};
    const resume = sessionId !== undefined && token !== undefined ? { sessionId, token } : undefined;
    // Another server cannot know whether the one before has read what was sent: it must not begin anew (RES-04).
    const isAnother = this.#reader !== undefined && !isSame(this.#reader, greeter);
    const wantsKnown = resume !== undefined || isAnother;
    return helloFrame({
      limits,
      attemptId: this.#attemptId,
      epoch,
      auth,
      resume,
      received: wantsKnown ? received : undefined,
      opening,
      protocolsOffered: greeter === undefined ? protocolsOffered : undefined,
      // Who is not known is told whom it is about, and can see for itself.
      reader: greeter === undefined && resume === undefined ? this.#reader : undefined,
    });
  }

  /** A numbered batch has left behind a HELLO: `instance`, which has greeted, may read it. */
  handleSent(instance: Uint8Array): void {
    this.#reader ??= instance;
  }

  /** No server has read a batch, or will: what has left was turned down together with its HELLO (HSK-07). */
  handleUnread(): void {
    this.#reader = undefined;
  }

  handleWelcome(welcome: Welcome): void {
    const { sessionId, token, resumeWindowMs } = welcome;
    this.#welcome = { sessionId, token, resumeWindowMs };
  }

  /** Whether the next HELLO can ask for a session that exists already, and for no other. */
  get isBound(): boolean {
    return this.#welcome !== undefined || this.#reader !== undefined;
  }

  /** Whether there has been a WELCOME. */
  get isWelcomed(): boolean {
    return this.#welcome !== undefined;
  }

  /** Whether the session can outlive its transport. Before the first WELCOME the attempt can be repeated. */
  get canResume(): boolean {
    return this.#welcome === undefined || (this.#welcome.token !== undefined && this.#welcome.resumeWindowMs > 0);
  }

  /** How long the server keeps the session without a transport. */
  get resumeWindowMs(): Millis {
    return this.#welcome?.resumeWindowMs ?? 0;
  }

  get sessionId(): Uint8Array | undefined {
    return this.#welcome?.sessionId;
  }
}

interface HelloDetails {
  readonly limits: Limits;
  readonly epoch: number;
  readonly auth: Uint8Array | undefined;
  readonly received: number;
  readonly opening: number;
  /** For a server that no request has told them (HTTP-04), UTF-8. */
  readonly protocolsOffered: Uint8Array;
}

/** Nobody is the same as one that is not named. */
function isSame(reader: Uint8Array, greeter: Uint8Array | undefined): boolean {
  return greeter !== undefined && greeter.length > 0 && keyOf(reader) === keyOf(greeter);
}
