// @ts-check
/**
 * Numbered messages of several sizes, and what is counted at the far end. Runs in the page too, where it is evaluated as
 * text: it sees nothing of its module.
 */

/** The sizes that take turns, bytes; the last one is cut into chunks. */
export const SIZES = [20, 300, 1024, 40_000, 20, 20, 150_000];

/** A message with its number and a filling that depends on it. @param {number} number @param {number} size */
export function numbered(number, size) {
  return `${number}:`.padEnd(size, String.fromCharCode(97 + (number % 26)));
}

/** Takes what arrives, in the order in which it arrives. */
export class Ledger {
  /** @param {number[]} sizes */
  constructor(sizes) {
    this.sizes = sizes;
    this.seen = new Set();
    this.last = -1;
    this.doubled = 0;
    this.reordered = 0;
    this.damaged = 0;
  }

  /** @param {string} text */
  take(text) {
    const number = Number.parseInt(text, 10);
    const size = /** @type {number} */ (this.sizes[number % this.sizes.length]);
    if (text !== `${number}:`.padEnd(size, String.fromCharCode(97 + (number % 26)))) this.damaged += 1;
    if (this.seen.has(number)) this.doubled += 1;
    else if (number < this.last) this.reordered += 1;
    this.seen.add(number);
    this.last = Math.max(this.last, number);
  }

  /** @param {number} sent */
  report(sent) {
    return {
      lost: sent - this.seen.size,
      doubled: this.doubled,
      reordered: this.reordered,
      damaged: this.damaged,
    };
  }
}

export const NOTHING_WRONG = { lost: 0, doubled: 0, reordered: 0, damaged: 0 };
