import { Random } from "./random.js";

interface Entry {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** What a checker has found wrong. `check` names the rule. */
export class Violation extends Error {
  readonly check: string;

  constructor(check: string, message: string) {
    super(`${check}: ${message}`);
    this.check = check;
  }
}

/** More happenings than this in one schedule, or at one moment, mean that something goes round in circles. */
const STEPS_MAX = 200_000;
const STEPS_AT_ONCE_MAX = 5_000;

/** Virtual time: what is to happen, in order. One seed decides everything. */
export class World {
  readonly random: Random;
  /** What the habits of consumers are drawn from: by themselves, so that they change nothing else of a story. */
  readonly habits: Random;
  /** Where the story goes; `undefined` while nobody listens, so that nothing is spent on telling it. */
  tell: ((line: string) => void) | undefined;
  #now = 0;
  #order = 0;
  #steps = 0;
  #stepsAtOnce = 0;
  readonly #heap: Entry[] = [];

  constructor(seed: number) {
    this.random = new Random(seed);
    this.habits = new Random(seed ^ 0x5bd1e995);
  }

  get now(): number {
    return this.#now;
  }

  get steps(): number {
    return this.#steps;
  }

  at(time: number, run: () => void): void {
    const heap = this.#heap;
    this.#order += 1;
    const entry = { at: Math.max(time, this.#now), order: this.#order, run };
    let index = heap.length;
    heap.push(entry);
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = heap[above] as Entry;
      if (isEarlier(parent, entry)) break;
      heap[index] = parent;
      index = above;
    }
    heap[index] = entry;
  }

  after(ms: number, run: () => void): void {
    this.at(this.#now + ms, run);
  }

  /** Lets time pass until `until`, or until `isDone`, which is asked after every happening. */
  run(until: number, isDone: () => boolean = () => false): boolean {
    for (let next = this.#heap[0]; next !== undefined && next.at <= until; next = this.#heap[0]) {
      this.#take();
      this.#stepsAtOnce = next.at > this.#now ? 0 : this.#stepsAtOnce + 1;
      this.#steps += 1;
      if (this.#steps > STEPS_MAX || this.#stepsAtOnce > STEPS_AT_ONCE_MAX) {
        throw new Violation("livelock", `${this.#steps} steps, ${this.#stepsAtOnce} of them at ${this.#now} ms`);
      }
      this.#now = next.at;
      next.run();
      if (isDone()) return true;
    }
    this.#now = Math.max(this.#now, until);
    return isDone();
  }

  #take(): void {
    const heap = this.#heap;
    const last = heap.pop() as Entry;
    const count = heap.length;
    if (count === 0) return;
    let index = 0;
    for (;;) {
      let below = 2 * index + 1;
      if (below >= count) break;
      if (below + 1 < count && isEarlier(heap[below + 1] as Entry, heap[below] as Entry)) below += 1;
      const child = heap[below] as Entry;
      if (isEarlier(last, child)) break;
      heap[index] = child;
      index = below;
    }
    heap[index] = last;
  }
}

/** A host's time in the world's, never rounded to just before it: an alarm would ring too early for ever. */
export function worldTime(hostTime: number, skewMs: number): number {
  return skewMs === 0 ? hostTime : hostTime - skewMs + 0.001;
}

function isEarlier(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/**
 * The one timer of a host, in the host's own time. It may come too early, never too late; while `gridMs` is set it comes
 * only at multiples of that, as in a hidden page.
 */
export class Alarm {
  gridMs = 0;
  readonly #world: World;
  readonly #deadline: () => number | undefined;
  readonly #ring: () => void;
  #armedFor: number | undefined;
  #generation = 0;

  /** @param deadline in the world's time */
  constructor(world: World, deadline: () => number | undefined, ring: () => void) {
    this.#world = world;
    this.#deadline = deadline;
    this.#ring = ring;
  }

  /** Call whenever the deadline may have changed. */
  arm(): void {
    const deadline = this.#deadline();
    if (deadline === undefined) return this.cancel();
    if (this.#armedFor !== undefined && this.#armedFor <= deadline) return;
    this.#armedFor = deadline;
    this.#generation += 1;
    const generation = this.#generation;
    const due = Math.max(deadline, this.#world.now);
    const at = this.gridMs > 0 ? Math.ceil((due + 0.001) / this.gridMs) * this.gridMs : due;
    this.#world.at(at, () => {
      if (generation !== this.#generation) return;
      this.#armedFor = undefined;
      this.#ring();
    });
  }

  /** The grid or the host's clock has changed. */
  rearm(): void {
    this.cancel();
    this.arm();
  }

  cancel(): void {
    this.#armedFor = undefined;
    this.#generation += 1;
  }
}
