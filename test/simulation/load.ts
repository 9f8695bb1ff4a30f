import type { Limits } from "../../src/core/limits.js";
import type { Deed } from "./app.js";
import type { LineModel } from "./line.js";
import type { Plan } from "./plan.js";

/** Faults over, everything has arrived within this. The longest silence before a line counts as dead is 35 s, a wait to dial 15 s. */
export const CALM_MS = 150_000;

/** What one end sends takes the line this long at the most: the rest of the time is for lines that have to be found dead. */
const LOAD_MS = CALM_MS / 2;

/** The plan, with less in the last of its messages where they are more than the line can carry in time. */
export function withinReach(plan: Plan): Plan {
  const { model, clientLimits, serverLimits, deeds } = plan;
  const leftBytes = { client: loadBytes(model, clientLimits), server: loadBytes(model, serverLimits) };
  const shorten = (deed: Deed, end: "client" | "server"): Deed => {
    if (deed.type !== "send") return deed;
    const size = Math.min(deed.size, leftBytes[end]);
    leftBytes[end] -= size;
    return { ...deed, size };
  };
  return {
    ...plan,
    deeds: deeds.map((group) => ({ ...group, deeds: group.deeds.map((deed) => shorten(deed, group.end)) })),
  };
}

/** A window in a round trip is all that goes through a line that is wider. */
function loadBytes({ delayMs, jitterMs, bytesPerMs }: LineModel, { windowBytes }: Limits): number {
  return Math.floor(Math.min(bytesPerMs, windowBytes / (2 * (delayMs + jitterMs))) * LOAD_MS);
}
