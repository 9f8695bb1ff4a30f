import type { Millis } from "../../src/core/time.js";
import type { Host } from "../../src/driver/host.js";
import { TestText, testPorts } from "./ports.js";

interface Timer {
  readonly at: Millis;
  readonly run: () => void;
}

/** A platform whose clock, timers and microtasks move only when a test says so. */
export class FakeHost implements Host {
  readonly encodeUtf8 = testPorts.encodeUtf8;
  readonly decodeUtf8 = testPorts.decodeUtf8;
  readonly readText = testPorts.readText;
  readonly contentOf = (text: string) => new TestText(text);
  /** What chance brings, always. */
  chance = 0.5;
  /** What callbacks have thrown. */
  readonly reports: unknown[] = [];
  /** How often a timer was set. */
  timersSet = 0;
  #now: Millis = 1000;
  #deferred: (() => void)[] = [];
  readonly #deferredLast: (() => void)[] = [];
  readonly #timers = new Set<Timer>();

  random(): number {
    return this.chance;
  }

  now(): Millis {
    return this.#now;
  }

  setTimer(run: () => void, delayMs: Millis): () => void {
    this.timersSet += 1;
    // As platforms have it, who keep it in 32 bits.
    const timer = { at: this.#now + (delayMs < 2 ** 31 ? delayMs : 1), run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  defer(run: () => void): void {
    this.#deferred.push(run);
  }

  deferLast(run: () => void): void {
    this.#deferredLast.push(run);
  }

  report(error: unknown): void {
    this.reports.push(error);
  }

  /** Ends the running script: runs what was deferred. Returns whether there was anything. */
  endTask(): boolean {
    const next = () => this.#deferred.shift() ?? this.#deferredLast.shift();
    let isAny = false;
    for (let run = next(); run !== undefined; run = next()) {
      run();
      isAny = true;
    }
    return isAny;
  }

  /** Lets time pass; each timer that is due runs in a task of its own, with `afterTask` behind it. */
  advance(ms: Millis, afterTask: () => void = () => this.endTask()): void {
    const end = this.#now + ms;
    afterTask();
    for (;;) {
      const next = [...this.#timers].sort((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > end) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
      afterTask();
    }
    this.#now = end;
  }

  /** The clock misbehaves, as no clock should: it goes back. */
  stepBack(ms: Millis): void {
    this.#now -= ms;
  }

  /** When the timers that are set will go off. */
  get timers(): Millis[] {
    return [...this.#timers].map(({ at }) => at).sort((a, b) => a - b);
  }

  /** How many scripts wait for the end of the task. */
  get deferredCount(): number {
    return this.#deferred.length + this.#deferredLast.length;
  }
}
