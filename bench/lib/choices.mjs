// @ts-check
/** Options that name things. */

/**
 * @template {string} Name
 * @param {string} text names, separated by commas
 * @param {readonly Name[]} known
 * @returns {Name[]}
 */
export function chooseNames(text, known) {
  const names = text.split(",");
  const unknown = names.find((name) => !known.includes(/** @type {Name} */ (name)));
  if (unknown !== undefined) throw new Error(`no "${unknown}"; there are: ${known.join(", ")}`);
  return /** @type {Name[]} */ (names);
}

/**
 * @template {{ name: string }} Thing
 * @param {string} text names, separated by commas
 * @param {readonly Thing[]} known
 * @returns {Thing[]}
 */
export function chooseNamed(text, known) {
  const names = known.map((thing) => thing.name);
  return chooseNames(text, names).map((name) => /** @type {Thing} */ (known[names.indexOf(name)]));
}

/**
 * @typedef {object} LinkChoice
 * @property {string} name
 * @property {number} megabit
 * @property {number} roundTripTimeMs
 */

/** The lines that `all` means: from the edge of a village to an office. */
export const ALL_LINKS = "1/100,5/40,10/40,20/30,100/10";

/**
 * @param {string} text lines as Mbit/s and round trip in ms, separated by commas, or `all`
 * @returns {LinkChoice[]}
 */
export function parseLinks(text) {
  return (text === "all" ? ALL_LINKS : text).split(",").map((name) => {
    const match = /^(\d+(?:\.\d+)?)\/(\d+(?:\.\d+)?)$/.exec(name);
    const [megabit, roundTripTimeMs] = [Number(match?.[1]), Number(match?.[2])];
    if (match === null || megabit === 0) throw new Error(`a link is Mbit/s and ms, like 10/40, not "${name}"`);
    return { name, megabit, roundTripTimeMs };
  });
}

/**
 * @param {string} text
 * @returns {number}
 */
export function parseCount(text) {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`"${text}" is not a number of anything`);
  return value;
}
