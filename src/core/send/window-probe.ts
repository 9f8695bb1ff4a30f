/** One round in so many asks for more, and goes on with it while that helps: the window would else never grow. */
const PROBE_ROUNDS = 8;
const PROBE_GAIN = 1.15;
const PROBE_GROWTH = 1.05;

/** Asks for more now and then, and goes on as long as that helps: what a round has asked for shows in the next but one. */
export class WindowProbe {
  #isOn = false;
  /** The last round that has asked, and the bandwidth before it. */
  #atRound = 0;
  #rate = 0;

  /**
   * A round trip is over.
   * @param count its number
   * @param rate the bandwidth, in bytes per ms
   * @param isLimited whether the sender was held back
   * @param isCalm whether no more than the queue that is meant to be stands in the line
   */
  handleRound(count: number, rate: number, isLimited: boolean, isCalm: boolean): void {
    const age = count - this.#atRound;
    const hasHelped = age === 2 && rate > this.#rate * PROBE_GROWTH && isCalm;
    this.#isOn = isLimited && (hasHelped || age >= PROBE_ROUNDS);
    if (!this.#isOn) return;
    this.#atRound = count;
    this.#rate = rate;
  }

  /** How much more than the line and its queue hold is asked for. */
  get gain(): number {
    return this.#isOn ? PROBE_GAIN : 1;
  }
}
