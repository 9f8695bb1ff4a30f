import { CHOOSER_TRANSITIONS } from "../../src/core/dial/chooser.js";
import { DIALER_TRANSITIONS } from "../../src/core/dial/dialer.js";
import { RECEPTION_TRANSITIONS } from "../../src/core/registry/reception.js";
import { ATTACHMENT_TRANSITIONS } from "../../src/core/session/attachment.js";
import { CLOSING_TRANSITIONS } from "../../src/core/session/closing.js";

type Table = Readonly<Record<string, Readonly<Partial<Record<string, readonly string[]>>>>>;

const TABLES: Readonly<Record<string, Table>> = {
  attachment: ATTACHMENT_TRANSITIONS,
  chooser: CHOOSER_TRANSITIONS,
  closing: CLOSING_TRANSITIONS,
  dialer: DIALER_TRANSITIONS,
  reception: RECEPTION_TRANSITIONS,
};

const names = new Map<unknown, string>(Object.entries(TABLES).map(([name, table]) => [table, name]));
const reached = new Map<string, number>();

declare global {
  /** What the bundler makes `Machine.enter` call; there is no such call in the engine itself. */
  var sluiceTransition: ((table: unknown, from: string, input: string, to: string) => void) | undefined;
}

globalThis.sluiceTransition = (table, from, input, to) => {
  const key = `${names.get(table)}: ${from} > ${input} > ${to}`;
  reached.set(key, (reached.get(key) ?? 0) + 1);
};

/** How often each transition of the engine's state tables was taken, those that never were included. */
export function transitionCounts(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const [name, table] of Object.entries(TABLES)) {
    for (const [from, row] of Object.entries(table)) {
      for (const [input, targets] of Object.entries(row)) {
        for (const to of targets ?? []) {
          const key = `${name}: ${from} > ${input} > ${to}`;
          counts[key] = reached.get(key) ?? 0;
        }
      }
    }
  }
  return counts;
}

export function forgetTransitions(): void {
  reached.clear();
}
