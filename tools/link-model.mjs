// @ts-check
/**
 * One direction of an emulated line: a bounded queue, then a serialiser of a fixed rate, then a fixed delay.
 *
 * Pure: time is handed in, nothing here owns a timer or a socket, so it is tested without waiting.
 *
 * Invariant: what has left the serialiser between two moments never exceeds rate × time between them, and items
 * come out in the order in which they went in. When something is polled late, later items are not late for
 * it: every departure is computed from the one before it, never from the moment of the call.
 */

/**
 * @typedef {object} LineSettings
 * @property {number} rateBitsPerSecond Infinity: no serialisation time. 0: the line stands still.
 * @property {number} delayMs from the end of serialisation to the arrival
 * @property {number} queueBytesMax what may wait for the serialiser before `roomBytes` is 0
 */

/**
 * @template T
 * @typedef {{ item: T, bytes: number, bitsLeft: number, pushedAt: number }} Waiting
 */

/**
 * @template T
 * @typedef {{ item: T, bytes: number, arrivesAt: number }} Flying
 */

/** @template T */
export class Line {
  /** @type {LineSettings} */
  #settings;
  /** @type {Fifo<Waiting<T>>} */
  #waiting = new Fifo();
  /** @type {Fifo<Flying<T>>} */
  #flying = new Fifo();
  #waitingBytes = 0;
  #flyingBytes = 0;
  /** When the serialiser finished its last item; it may lie before `now` while the line is idle. */
  #freeAt = Number.NEGATIVE_INFINITY;
  /** Arrivals never overtake each other, not even when the delay shrinks. */
  #lastArrivesAt = Number.NEGATIVE_INFINITY;

  /** @param {LineSettings} settings */
  constructor(settings) {
    this.#settings = checked(settings);
  }

  /**
   * Puts an item at the end of the queue. The bound is the caller's to respect (`roomBytes`): a line does not drop.
   * @param {T} item
   * @param {number} bytes 0 for a marker, which takes its place in the order and no time on the wire
   * @param {number} now
   */
  push(item, bytes, now) {
    this.#serialise(now);
    this.#waiting.push({ item, bytes, bitsLeft: bytes * 8, pushedAt: now });
    this.#waitingBytes += bytes;
  }

  /**
   * Changes the line while it runs. The rest of the item on the wire continues at the new rate; what already flies
   * keeps its arrival.
   * @param {Partial<LineSettings>} changes
   * @param {number} now
   */
  set(changes, now) {
    this.#serialise(now);
    const head = this.#waiting.peek();
    if (head !== undefined) {
      const startedAt = Math.max(this.#freeAt, head.pushedAt);
      head.bitsLeft -= ((now - startedAt) * this.#settings.rateBitsPerSecond) / 1000;
      this.#freeAt = now;
    }
    this.#settings = checked({ ...this.#settings, ...changes });
  }

  /** Forgets everything under way: a cut. */
  clear() {
    this.#waiting.clear();
    this.#flying.clear();
    this.#waitingBytes = 0;
    this.#flyingBytes = 0;
    this.#freeAt = Number.NEGATIVE_INFINITY;
    this.#lastArrivesAt = Number.NEGATIVE_INFINITY;
  }

  /**
   * The next item that has arrived by `now`, with its exact arrival.
   * @param {number} now
   * @returns {Flying<T> | undefined}
   */
  poll(now) {
    this.#serialise(now);
    const head = this.#flying.peek();
    if (head === undefined || head.arrivesAt > now) return undefined;
    this.#flying.shift();
    this.#flyingBytes -= head.bytes;
    return head;
  }

  /**
   * When `poll` will have something; undefined when nothing is under way or the line stands still.
   * @returns {number | undefined}
   */
  nextArrivalAt() {
    const flying = this.#flying.peek();
    if (flying !== undefined) return flying.arrivesAt;
    const departsAt = this.nextDepartureAt();
    return departsAt === undefined ? undefined : Math.max(departsAt + this.#settings.delayMs, this.#lastArrivesAt);
  }

  /**
   * When the item on the wire leaves the queue and makes room.
   * @returns {number | undefined}
   */
  nextDepartureAt() {
    const head = this.#waiting.peek();
    if (head === undefined) return undefined;
    const departsAt = this.#departureOf(head);
    return Number.isFinite(departsAt) ? departsAt : undefined;
  }

  /**
   * Bytes the queue would still take.
   * @param {number} now
   */
  roomBytes(now) {
    this.#serialise(now);
    return Math.max(0, this.#settings.queueBytesMax - this.#waitingBytes);
  }

  /** Bytes waiting for the serialiser, the item on the wire included, as of the last call with a time. */
  get queuedBytes() {
    return this.#waitingBytes;
  }

  /** Bytes on their way to the other end, as of the last call with a time. */
  get flyingBytes() {
    return this.#flyingBytes;
  }

  get settings() {
    return { ...this.#settings };
  }

  /** @param {number} now */
  #serialise(now) {
    for (;;) {
      const head = this.#waiting.peek();
      if (head === undefined) return;
      const departsAt = this.#departureOf(head);
      if (departsAt > now) return;
      this.#waiting.shift();
      this.#waitingBytes -= head.bytes;
      this.#freeAt = departsAt;
      this.#lastArrivesAt = Math.max(departsAt + this.#settings.delayMs, this.#lastArrivesAt);
      this.#flying.push({ item: head.item, bytes: head.bytes, arrivesAt: this.#lastArrivesAt });
      this.#flyingBytes += head.bytes;
    }
  }

  /** @param {Waiting<T>} head */
  #departureOf(head) {
    const startsAt = Math.max(this.#freeAt, head.pushedAt);
    if (head.bitsLeft === 0) return startsAt;
    return startsAt + (head.bitsLeft / this.#settings.rateBitsPerSecond) * 1000;
  }
}

/**
 * A queue on an array whose dead front is cut off now and then, so that a shift costs nothing.
 * @template T
 */
class Fifo {
  /** @type {T[]} */
  #items = [];
  #head = 0;

  /** @param {T} item */
  push(item) {
    this.#items.push(item);
  }

  shift() {
    this.#head += 1;
    // 1024 is arbitrary: large enough to be rare, small enough not to matter.
    if (this.#head === this.#items.length) this.clear();
    else if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
  }

  /** @returns {T | undefined} */
  peek() {
    return this.#items[this.#head];
  }

  clear() {
    this.#items = [];
    this.#head = 0;
  }
}

/**
 * @param {LineSettings} settings
 * @returns {LineSettings}
 */
function checked(settings) {
  const { rateBitsPerSecond, delayMs, queueBytesMax } = settings;
  if (!(rateBitsPerSecond >= 0)) throw new RangeError(`a line's rate is at least 0 bit/s, not ${rateBitsPerSecond}`);
  if (!(delayMs >= 0 && delayMs < Infinity)) throw new RangeError(`a line's delay is at least 0 ms, not ${delayMs}`);
  if (!(queueBytesMax >= 1)) throw new RangeError(`a line's queue holds at least 1 byte, not ${queueBytesMax}`);
  return settings;
}
