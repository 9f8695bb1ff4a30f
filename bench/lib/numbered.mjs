// @ts-check
/** Numbered messages: who sends them, what arrives of them, and what is wrong with what arrived. */

/**
 * @typedef {object} EndState
 * @property {number} sent
 * @property {number} arrived different messages, whole
 *
 * @typedef {object} EndLog
 * @property {number[]} numbers of what arrived whole, in the order of arrival
 * @property {number} damaged
 * @property {string[]} errors that `send` threw, the first of them
 * @property {number} sent
 */

/**
 * One end: sends its messages at an even pace as far as it is allowed to, and writes down what comes from the other
 * end. It travels into pages as text, so it uses nothing from outside.
 * @param {{ intervalMs: number }} pace
 */
export function createEnd({ intervalMs }) {
  /** Of every 20 messages: 11 of 20 bytes, 6 of 1 KiB, 2 of 40 KiB, 1 of 200 KiB. */
  const sizeOf = (/** @type {number} */ number) => {
    const place = number % 20;
    if (place === 13) return 200 * 1024;
    if (place % 10 === 6) return 40 * 1024;
    return place % 3 === 0 ? 1024 : 20;
  };
  const textOf = (/** @type {number} */ number) =>
    `${number} `.padEnd(sizeOf(number), String.fromCharCode(97 + (number % 26)));

  /** @type {(text: string) => void} */
  let send;
  let allowed = 0;
  let sent = 0;
  let damaged = 0;
  /** @type {number[]} */
  const numbers = [];
  const known = new Set();
  /** @type {string[]} */
  const errors = [];

  function sendNext() {
    if (sent >= allowed) return;
    const text = textOf(sent);
    sent += 1;
    try {
      send(text);
    } catch (error) {
      if (errors.length < 3) errors.push(String(error));
    }
  }

  return {
    /** @param {(text: string) => void} sendText */
    start(sendText) {
      send = sendText;
      setInterval(sendNext, intervalMs);
    },
    /** @param {number} count how many messages there may be, all in all */
    allow(count) {
      allowed = count;
    },
    /** @param {string} text */
    received(text) {
      const number = Number.parseInt(text, 10);
      if (text === textOf(number)) {
        numbers.push(number);
        known.add(number);
      } else {
        damaged += 1;
      }
    },
    /** @returns {EndState} */
    state: () => ({ sent, arrived: known.size }),
    /** @returns {EndLog} */
    log: () => ({ numbers, damaged, errors, sent }),
  };
}

/**
 * @param {number[]} numbers in the order of arrival
 * @param {number} total 0 to `total` - 1 were sent, in this order
 */
export function tally(numbers, total) {
  const seen = new Set();
  let highest = -1;
  let doubled = 0;
  let reordered = 0;
  for (const number of numbers) {
    if (seen.has(number)) {
      doubled += 1;
      continue;
    }
    seen.add(number);
    if (number < highest) reordered += 1;
    highest = Math.max(highest, number);
  }
  return { lost: total - seen.size, doubled, reordered };
}
