import type { Millis } from "../time.js";
import type { PathModel } from "./path-model.js";
import { QUEUE_MS } from "./queue-target.js";

/**
 * What leaves in requests: nothing, the acks of batches, or the batches themselves. `posts`: of what should go into one request,
 * one at a time or, half a round trip apart, two.
 */
export type Requests = "none" | "acks" | "batches" | "posts";

/**
 * Where batches or acks go in requests, they wait for the next one: a round trip, or what acks keep between
 * them at least, ms (ACK-06). So much more has to be under way.
 */
const REQUEST_MS_MIN = 50;
/** POSTs are waited for no shorter than this: each costs both ends some work. Arbitrary. */
const POST_MS_MIN = 30;

/**
 * And no shorter than acks keep between them: the peer may take the line for a longer one (ACK-06). What came of a window in
 * such a time would else be taken for all that the line carries, and the next window be smaller still.
 */
const ACK_GAP_MS_MAX = 250;
const ACK_GAP_WEIGHT = 1 / 8;

/** How long something waits for the next request, be it an ack or the room that it makes (PROTOCOL.md, HTTP). */
export class RequestWait {
  readonly #path: Pick<PathModel, "roundTripMs">;
  #requests: Requests = "none";
  /** How long acks keep between them, where they are waited for. */
  #ackGapMs: Millis = 0;
  /** When room was last made for sure: by an ack, or as nothing was on the line. */
  #openedAt: Millis = 0;

  constructor(path: Pick<PathModel, "roundTripMs">) {
    this.#path = path;
  }

  handleRequests(requests: Requests): void {
    this.#requests = requests;
  }

  /** What leaves now finds nothing on the line. */
  handleIdle(now: Millis): void {
    this.#openedAt = now;
  }

  /** @param isLimited whether what the sender had no room for has waited for this ack */
  handleAck(isLimited: boolean, now: Millis): void {
    if (isLimited) this.#ackGapMs += (Math.min(ACK_GAP_MS_MAX, now - this.#openedAt) - this.#ackGapMs) * ACK_GAP_WEIGHT;
    this.#openedAt = now;
  }

  /** 0 where nothing leaves in requests. */
  get ms(): Millis {
    if (this.#requests === "none") return 0;
    const roundTripMs = this.#path.roundTripMs ?? 0;
    const leastMs = this.#requests === "posts" ? POST_MS_MIN : Math.max(REQUEST_MS_MIN, roundTripMs + QUEUE_MS);
    return Math.max(leastMs, roundTripMs, this.#ackGapMs);
  }

  /**
   * For how long not all of the window is open yet. An ack that goes by request tells at once of what has come piece by
   * piece: from one to the next the window opens at the pace of the line, or each would send a burst.
   */
  shutMs(now: Millis): Millis {
    return this.#requests === "acks" ? Math.max(0, this.#openedAt + this.ms - now) : 0;
  }

  get requests(): Requests {
    return this.#requests;
  }
}
