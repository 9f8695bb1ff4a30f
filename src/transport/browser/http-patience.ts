import type { HttpPlatform } from "./http-requests.js";

/** For how long requests of one direction may fail, ms, before the line is given up. */
const PATIENCE_MS = 10_000;

/** Waits between two tries, ms: doubled each time, half of it random. */
const WAIT_MIN_MS = 100;
const WAIT_MAX_MS = 2000;

/** How long the requests of one direction may fail, and when the next one is tried (HTTP-22). */
export class Patience {
  readonly #platform: HttpPlatform;
  readonly #patienceMs: number;
  #failures = 0;
  /** `out`: the next failure is one too many. Only that one: a request that is under way may be well. */
  #state: "calm" | "failing" | "out" | "stopped" = "calm";
  #cancelTimer: () => void = () => {};
  #endWait: () => void = () => {};

  constructor(platform: HttpPlatform, patienceMs: number = PATIENCE_MS) {
    this.#platform = platform;
    this.#patienceMs = patienceMs;
  }

  /** A request has got through. */
  handleSuccess(): void {
    if (this.#state === "stopped") return;
    this.#state = "calm";
    this.#failures = 0;
    this.#cancelTimer();
  }

  /** A request has failed. Resolves when it is time for the next one; to `false` where there is to be none. */
  async handleFailure(): Promise<boolean> {
    if (this.#state === "out" || this.#state === "stopped") return false;
    if (this.#state === "calm") {
      this.#state = "failing";
      this.#cancelTimer = this.#platform.setTimer(() => {
        this.#state = "out";
      }, this.#patienceMs);
    }
    this.#failures += 1;
    const most = Math.min(WAIT_MAX_MS, WAIT_MIN_MS * 2 ** (this.#failures - 1));
    await this.pause(most * (0.5 + this.#platform.random() / 2));
    return true;
  }

  /** Resolves in `delayMs`, or when `stop` is called. */
  pause(delayMs: number): Promise<void> {
    if (this.#state === "stopped") return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.#platform.setTimer(resolve, delayMs);
      this.#endWait = () => {
        cancel();
        resolve();
      };
    });
  }

  /** Ends every wait; there are no others. */
  stop(): void {
    this.#state = "stopped";
    this.#cancelTimer();
    this.#endWait();
  }
}
