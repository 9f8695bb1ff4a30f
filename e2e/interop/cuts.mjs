/** How many items the producer may be ahead of a cut that has not come yet: these are on their way when it comes. */
const AHEAD = 20;

/**
 * Cuts the line when the consumer has had so many items, with others on their way. The producer waits there, so that the
 * rest is sent after the cut and not before: without that, a fast library would be done before the first one.
 */
export class Cuts {
  #received = 0;
  #produced = 0;
  #cut;
  #points;

  /**
   * @param {number[]} points counts of received items at which to cut
   * @param {() => void} cut
   */
  constructor(points, cut) {
    this.#cut = cut;
    this.#points = points.map((at) => {
      const point = { at, done() {}, isDone: Promise.resolve() };
      point.isDone = new Promise((resolve) => {
        point.done = resolve;
      });
      return point;
    });
  }

  /** The consumer has an item. */
  received() {
    this.#received += 1;
    const point = this.#points.find(({ at }) => at === this.#received);
    if (point === undefined) return;
    this.#cut();
    point.done();
  }

  /** Resolves when the producer may send its next item. */
  async next() {
    this.#produced += 1;
    for (const { at, isDone } of this.#points) if (this.#produced === at + AHEAD) await isDone;
    // In turns with the consumer, as sends of one moment would all be on their way before it has the first.
    await new Promise((resolve) => setImmediate(resolve));
  }
}
