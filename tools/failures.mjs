// @ts-check
/** Which test cases have failed, read from the report of whatever has run them, and how `npm test` tells of them at its end. */
import { basename, relative } from "node:path";
import { stripVTControlCharacters } from "node:util";

/**
 * @typedef {object} Failure
 * @property {string} [file] relative to the root of the project, where the report knows it
 * @property {string} [title]
 * @property {string} [error] in one or more lines
 * @property {boolean} [isFlaky] it has failed, and passed when it was tried again
 */

/** What is said about more failures than this helps nobody. */
const FAILURES_MAX = 20;

/** Lines of one failure. */
const LINES_MAX = 9;

/** Of all failures together, that they and the summary are found at the end of a log of which little is kept. */
const ALL_LINES_MAX = 72;

const LINE_CHARACTERS_MAX = 200;

/** Frames in other people's code, and the lines of code around the one that failed. */
const NOISE = /^\s*at .*(node_modules|node:internal)|^\s+(\d+ )?\|/;

/**
 * @param {any} report of vitest's json reporter
 * @param {string} root
 * @returns {Failure[]}
 */
export function failedInVitest({ testResults = [] }, root) {
  return testResults.flatMap((/** @type {any} */ { name, status, message, assertionResults }) => {
    const file = relative(root, name);
    const failed = assertionResults.filter((/** @type {any} */ result) => result.status === "failed");
    // A file that does not load has no cases.
    if (failed.length === 0 && status === "failed") return [{ file, error: message }];
    return failed.map((/** @type {any} */ { fullName, failureMessages }) => ({
      file,
      title: fullName,
      error: failureMessages.join("\n"),
    }));
  });
}

/**
 * @param {any} report of Playwright's json reporter
 * @param {string} root
 * @returns {Failure[]}
 */
export function failedInPlaywright({ config, suites = [], errors = [] }, root) {
  const folder = relative(root, config.rootDir);
  return [
    ...suites.flatMap((/** @type {any} */ suite) => failedInSuite(suite, { root, folder, groups: [] })),
    // Outside of any test: a file that does not load, or the time for all of them is over.
    ...errors.map((/** @type {any} */ error) => ({ title: "outside of the tests", error: textOf(error, root) })),
  ];
}

/**
 * The cases of interop, of the simulation and of the mutants, whose reports are ours.
 * @param {any} report
 * @returns {Failure[]}
 */
export function failedInOurs({ cells = [], failures = [], missingTransitions = [], mutants = [] }) {
  return [
    ...cells
      .filter((/** @type {any} */ { fault }) => fault !== undefined)
      .map((/** @type {any} */ { library, title, fault }) => ({ title: `${library}: ${title}`, error: fault })),
    ...failures.map((/** @type {any} */ { seed, profile, message }) => ({
      title: `seed ${seed} (${profile})`,
      error: message,
    })),
    ...(missingTransitions.length > 0
      ? [{ title: "transitions that no schedule has taken", error: missingTransitions.join("\n") }]
      : []),
    ...mutants
      .filter((/** @type {any} */ { problem }) => problem !== undefined)
      .map((/** @type {any} */ { name, problem }) => ({ title: name, error: problem })),
  ];
}

/**
 * @param {(Failure & { step: string })[]} failures
 * @returns {string[]} lines
 */
export function tellFailures(failures) {
  const told = failures.slice(0, FAILURES_MAX);
  const linesMax = Math.min(LINES_MAX, Math.floor(ALL_LINES_MAX / Math.max(1, told.length)));
  const lines = told.flatMap(({ step, file, title, error, isFlaky }) => {
    const head = [isFlaky ? `${step} (flaky)` : step, file, title].filter((part) => part !== undefined).join(" > ");
    return [head, ...linesOf(error).map((text) => `    ${text}`)].slice(0, linesMax).map(shortened);
  });
  if (told.length < failures.length) lines.push(`and ${failures.length - told.length} more`);
  return lines;
}

/**
 * @param {any} suite a file, or a group of tests in it
 * @param {{ root: string, folder: string, groups: string[] }} around
 * @returns {Failure[]}
 */
function failedInSuite({ file, title: group, specs = [], suites = [] }, { root, folder, groups }) {
  const within = group === file || group === basename(file) ? groups : [...groups, group];
  const failed = specs.flatMap((/** @type {any} */ { title, tests }) =>
    tests
      .filter((/** @type {any} */ { status }) => status === "unexpected" || status === "flaky")
      .map((/** @type {any} */ { status, results }) => ({
        file: `${folder}/${file}`,
        title: [...within, title].join(" > "),
        error: results
          .flatMap((/** @type {any} */ { errors }) => errors.map((/** @type {any} */ error) => textOf(error, root)))
          .join("\n"),
        isFlaky: status === "flaky",
      })),
  );
  return [
    ...failed,
    ...suites.flatMap((/** @type {any} */ inner) => failedInSuite(inner, { root, folder, groups: within })),
  ];
}

/**
 * Where it is stands first: behind a long message it would be left out.
 * @param {{ message?: string, stack?: string, location?: { file: string, line: number } }} error
 * @param {string} root
 */
function textOf({ message, stack, location }, root) {
  const where = location === undefined ? "" : `${relative(root, location.file)}:${location.line}: `;
  return where + (message ?? stack ?? "");
}

/** @param {string | undefined} text */
function linesOf(text = "") {
  return stripVTControlCharacters(text)
    .split("\n")
    .map((part) => part.trimEnd())
    .filter((part) => part !== "" && !NOISE.test(part));
}

/** @param {string} text */
function shortened(text) {
  return text.length > LINE_CHARACTERS_MAX ? `${text.slice(0, LINE_CHARACTERS_MAX - 1)}…` : text;
}
