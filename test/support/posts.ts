import type { Millis } from "../../src/core/time.js";
import type { Agenda } from "./bottleneck.js";

/** A second POST leaves beside one of so many bytes, when that has used up half of the time that they take. */
const PAIR_BYTES = 4096;

interface Waiting {
  readonly bytes: number;
  readonly arrived: () => void;
}

interface Post {
  readonly bytes: number;
  readonly at: Millis;
}

/** What the uplink of an HTTP line does to what goes up: POSTs on a line, one or two at a time (HTTP-03). */
export class Posts {
  readonly #agenda: Agenda;
  readonly #postsMax: 1 | 2;
  readonly #answerMs: Millis;
  readonly #requestBytes: () => number;
  readonly #leave: (bytes: number, arrived: () => void) => void;
  readonly #handleReady: () => void;
  #waiting: Waiting[] = [];
  #underWay: readonly Post[] = [];
  #tookMs: Millis;

  /**
   * @param postsMax so many are under way at a time
   * @param roundTripMs half of it is how long an answer takes
   * @param requestBytes how much should go into one
   * @param leave puts something on the line
   * @param handleReady another one may leave
   */
  constructor(
    agenda: Agenda,
    postsMax: 1 | 2,
    roundTripMs: Millis,
    requestBytes: () => number,
    leave: (bytes: number, arrived: () => void) => void,
    handleReady: () => void,
  ) {
    this.#agenda = agenda;
    this.#postsMax = postsMax;
    this.#answerMs = roundTripMs / 2;
    this.#tookMs = roundTripMs;
    this.#requestBytes = requestBytes;
    this.#leave = leave;
    this.#handleReady = handleReady;
  }

  send(bytes: number, arrived: () => void): void {
    this.#waiting.push({ bytes, arrived });
    this.#agenda.at(this.#agenda.now, () => this.#pump());
  }

  get isBusy(): boolean {
    return !this.#mayPost || this.#waitingBytes >= this.#requestBytes();
  }

  get #mayPost(): boolean {
    const [post] = this.#underWay;
    const hasRoom = this.#underWay.length < this.#postsMax;
    return post === undefined || (hasRoom && this.#agenda.now >= this.#pairAt(post));
  }

  #pairAt({ bytes, at }: Post): Millis {
    return bytes >= PAIR_BYTES ? at + this.#tookMs / 2 : at;
  }

  get #waitingBytes(): number {
    return this.#waiting.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  #pump(): void {
    const last = this.#waiting.at(-1);
    if (last === undefined || !this.#mayPost) return;
    const post = { bytes: this.#waitingBytes, at: this.#agenda.now };
    this.#underWay = [...this.#underWay, post];
    const answered = (): void => {
      const tookMs = this.#agenda.now - post.at;
      this.#tookMs = Math.min(tookMs, this.#tookMs + (tookMs - this.#tookMs) / 4);
      this.#underWay = this.#underWay.filter((other) => other !== post);
      this.#awaitRoom();
    };
    for (const item of this.#waiting.splice(0)) {
      this.#leave(item.bytes, () => {
        item.arrived();
        if (item === last) this.#agenda.at(this.#agenda.now + this.#answerMs, answered);
      });
    }
    this.#awaitRoom();
  }

  #awaitRoom(): void {
    const [post] = this.#underWay;
    const at = post === undefined ? this.#agenda.now : this.#pairAt(post);
    this.#agenda.at(at, () => {
      if (!this.#mayPost) return;
      this.#handleReady();
      this.#pump();
    });
  }
}
