import { SluiceError } from "../core/error.js";

/** Whether what `authenticate` has returned lets the client in. */
export function isAdmitted(principal: unknown): boolean {
  return principal !== undefined && principal !== null && principal !== false;
}

/**
 * Names a principal, so that a session goes back only to the one it belongs to, and one principal cannot have them all:
 * a string, number or bigint is its own name, an object goes by its `id`, or else by all of its JSON. `true` says
 * that somebody was let in, not who: `undefined`.
 */
export function principalName(principal: unknown): string | undefined {
  switch (typeof principal) {
    case "undefined":
    case "boolean":
      return undefined;
    case "object": {
      const { id } = principal as { id?: unknown };
      if (typeof id === "string" || typeof id === "number" || typeof id === "bigint") return `${typeof id}:${id}`;
      return `json:${JSON.stringify(principal)}`;
    }
    default:
      return `${typeof principal}:${String(principal)}`;
  }
}

/** What is told of a client that `authenticate` has not let in, or has failed for. */
export function refusal(cause: unknown): SluiceError {
  if (cause instanceof SluiceError) return cause;
  return new SluiceError("ERR_REFUSED", "`authenticate` or `identify` has failed", { cause });
}

/** `authenticate` has said no. */
export function notAdmitted(): SluiceError {
  return new SluiceError("ERR_REFUSED", "`authenticate` has refused the client");
}
