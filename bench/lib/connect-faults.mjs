// @ts-check
import * as faults from "../../e2e/matrix/faults.mjs";

/** What happens to WebSockets, by name. @type {Record<string, import("../../e2e/matrix/faults.mjs").Fault>} */
export const FAULTS = {
  nothing: () => {},
  refused: faults.refused,
  hanging: faults.hanging,
  silent: faults.silent,
  killed: faults.killedAfter(200),
};

export const FAULT_NAMES = Object.keys(FAULTS);
