import { SluiceError } from "./error.js";

/** Asserts what must hold whatever peers and applications do. A failure is a defect of ours, never of theirs. */
export function invariant(holds: boolean, what: string): asserts holds {
  if (!holds) throw new SluiceError("ERR_INTERNAL", `Broken invariant: ${what}`);
}

/** Ends a switch over a closed union: a new member that is not handled fails to compile. */
export function unreachable(value: never): never {
  throw new SluiceError("ERR_INTERNAL", `Unreachable case: ${String(value)}`);
}
