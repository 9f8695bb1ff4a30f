// @ts-check
/** What one end has sent beside what the other has got: latencies and goodput, or an error where anything is wrong. */

/**
 * @typedef {import("./end.mjs").Sent} Sent
 * @typedef {import("./end.mjs").Arrived} Arrived
 */

/**
 * One-way latencies of the lines, in their order.
 * @param {Sent} sent
 * @param {Arrived} arrived
 * @param {{ aheadMs: number, lineText: string }} context how far the receiver's clock is ahead of the sender's
 * @returns {number[]}
 */
export function latenciesOf({ sentAt }, { lines }, { aheadMs, lineText }) {
  if (lines.length !== sentAt.length) throw new Error(`${lines.length} of ${sentAt.length} lines have arrived`);
  return lines.map(({ text, at }, index) => {
    if (text !== `${index} ${lineText}`) throw new Error(`line ${index} arrived as "${text}"`);
    return at - aheadMs - /** @type {number} */ (sentAt[index]);
  });
}

/**
 * @param {Sent} sent
 * @param {Arrived} arrived
 * @param {{ aheadMs: number, lineText: string, fileBytes: number }} context
 */
export function judgeTransfer(sent, arrived, context) {
  const { file } = arrived;
  const { aheadMs, fileBytes } = context;
  if (file === undefined) throw new Error("the file has not arrived");
  if (file.bytes !== fileBytes || file.digest !== sent.digest) throw new Error("the file arrived damaged");
  const fileArrivedAt = file.at - aheadMs;
  return {
    goodputMegabit: (fileBytes * 8) / (fileArrivedAt - sent.startedAt) / 1000,
    // Lines sent after the arrival, while the sender did not know of it, had nothing to wait for.
    latenciesMs: latenciesOf(sent, arrived, context).filter(
      (_, index) => /** @type {number} */ (sent.sentAt[index]) < fileArrivedAt,
    ),
  };
}
