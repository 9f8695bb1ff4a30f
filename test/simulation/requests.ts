import type { World } from "./world.js";

/** How lines over HTTP carry: what goes up in POSTs, and what comes down in an event stream or in answers to polls. */
export interface RequestModel {
  /** POSTs under way at a time. */
  readonly postsMax: 1 | 2;
  readonly down: "sse" | "long-poll";
}

/** One direction that leaves in requests, or in answers to them: what is handed over while they are under way waits. */
export class RequestGate<Item> {
  readonly #world: World;
  readonly #requestsMax: number;
  readonly #delayMs: number;
  readonly #leave: (item: Item | (() => void)) => void;
  readonly #handleReady: () => void;
  #waiting: Item[] = [];
  #underWay = 0;
  #isScheduled = false;
  /** Requests that have left. */
  count = 0;

  /**
   * @param model how many at a time, and how long the answer takes, or the next poll
   * @param leave puts something on the line
   */
  constructor(
    world: World,
    model: { readonly requestsMax: number; readonly delayMs: number },
    leave: (item: Item | (() => void)) => void,
    handleReady: () => void,
  ) {
    this.#world = world;
    this.#requestsMax = model.requestsMax;
    this.#delayMs = model.delayMs;
    this.#leave = leave;
    this.#handleReady = handleReady;
  }

  /** What is sent in one go shares a request. */
  send(item: Item): void {
    this.#waiting.push(item);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#world.after(0, () => {
      this.#isScheduled = false;
      this.#pump();
    });
  }

  /** Whether what is sent now waits for another request than the next one. */
  get isBusy(): boolean {
    return this.#underWay >= this.#requestsMax;
  }

  #pump(): void {
    if (this.isBusy || this.#waiting.length === 0) return;
    this.count += 1;
    this.#underWay += 1;
    for (const item of this.#waiting.splice(0)) this.#leave(item);
    this.#leave(() => {
      this.#world.after(this.#delayMs, () => {
        this.#underWay -= 1;
        this.#handleReady();
        this.#pump();
      });
    });
  }
}
