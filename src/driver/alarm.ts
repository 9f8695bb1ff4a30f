import type { Millis } from "../core/time.js";
import type { Host } from "./host.js";

/** What platforms take for a delay, ms: a longer one counts as none at all (HTML and Node keep it in 32 bits). */
export const TIMER_DELAY_MS_MAX: Millis = 2 ** 31 - 1;

/** One timer, for the next of several times. It may go off too early: whoever is called looks what is due, and sets it anew. */
export class Alarm {
  readonly #host: Pick<Host, "now" | "setTimer">;
  readonly #run: () => void;
  #at: Millis | undefined;
  #cancel: (() => void) | undefined;

  constructor(host: Pick<Host, "now" | "setTimer">, run: () => void) {
    this.#host = host;
    this.#run = run;
  }

  /** Goes off at `deadline`, or before that; `undefined` for never. */
  set(deadline: Millis | undefined): void {
    // Too early does no harm, and a new timer for every change costs more.
    if (deadline !== undefined && this.#at !== undefined && this.#at <= deadline) return;
    this.#cancel?.();
    this.#cancel = undefined;
    this.#at = deadline;
    if (deadline === undefined) return;
    const ring = () => {
      this.#at = undefined;
      this.#cancel = undefined;
      this.#run();
    };
    const delayMs = Math.max(0, deadline - this.#host.now());
    this.#cancel = this.#host.setTimer(ring, Math.min(delayMs, TIMER_DELAY_MS_MAX));
  }
}
