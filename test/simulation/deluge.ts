import type { Limits } from "../../src/core/limits.js";
import type { Deed } from "./app.js";
import type { Fault } from "./faults.js";
import type { Cut, LineModel } from "./line.js";
import type { Plan } from "./plan.js";
import type { Random } from "./random.js";

interface Deluge extends Pick<Plan, "deeds" | "faults"> {
  readonly limits: Partial<Limits>;
  readonly model: Partial<LineModel>;
}

/** So much that the window opens beyond what may leave with a resume, and then a cut: more has to be sent again. */
export function makeDeluge(random: Random, channel: string, spanMs: number): Deluge {
  const windowBytes = 64 * 1024;
  const deed: Deed = { type: "send", channel, size: 12_000, as: "bytes" };
  const at = random.unit() * spanMs;
  const deeds = Array.from({ length: 5 }, (_, i) => {
    return { at: at + i * 300, end: "client", deeds: Array<Deed>(10).fill(deed), onResumed: false } as const;
  });
  const cut: Cut = { tellClientMs: 0, tellServerMs: undefined, lateMs: undefined };
  const faults: Fault[] = [{ moment: { at: at + 1200 + random.unit() * 200 }, trouble: { kind: "cut", cut } }];
  return {
    deeds,
    faults,
    limits: { windowBytes, replayBytesMax: 2 * windowBytes },
    // Long and wide: it is the window that bounds what is on its way.
    model: { delayMs: random.scale(60, 150), bytesPerMs: Number.POSITIVE_INFINITY, budgetBytes: 128 * 1024 },
  };
}
