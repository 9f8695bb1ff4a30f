import type { Memory, Remembered } from "../core/dial/outlook.js";
import { measuredRoundTripMs } from "./page-timing.js";

/** The part of `Storage` that is used. */
export interface StorageLike {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

/** What was learnt of a network longer ago than this may be about another one. */
const REMEMBERED_MS = 30 * 60_000;

/** Longer times than these nobody has written down. */
const NUMBERS: Readonly<Record<keyof Remembered, number>> = {
  blockedForMs: REMEMBERED_MS,
  keepaliveMs: 60_000,
  lifetimeMs: 24 * 3_600_000,
  roundTripTimeMs: 60_000,
};

/**
 * Remembers what was learnt about WebSockets to the origin of `url`, across pages. A storage that does not work, or has
 * something else in it, is as good as none. The round trip is that of the last session, else what the browser has measured.
 */
export function outlookMemory(storage: StorageLike | undefined, url: string): Memory {
  const key = `sluice:${new URL(url).host}`;
  return {
    load() {
      let remembered: Remembered = {};
      try {
        remembered = read(storage?.getItem(key) ?? "", Date.now());
      } catch {
        // Forbidden, or not ours.
      }
      return { ...remembered, roundTripTimeMs: remembered.roundTripTimeMs ?? measuredRoundTripMs(url) };
    },
    save(remembered) {
      try {
        storage?.setItem(key, JSON.stringify({ ...remembered, at: Date.now() }));
      } catch {
        // Full, or forbidden.
      }
    },
  };
}

/** The page's own; `undefined` where there is none, or it may not be used. */
export function pageStorage(): StorageLike | undefined {
  try {
    // Node has one too by now, and warns of its use.
    return globalThis.document === undefined ? undefined : globalThis.localStorage;
  } catch {
    return undefined;
  }
}

function read(text: string, now: number): Remembered {
  const found: unknown = text === "" ? undefined : JSON.parse(text);
  if (typeof found !== "object" || found === null) return {};
  const entries = new Map<string, unknown>(Object.entries(found));
  const ageMs = now - Number(entries.get("at"));
  // A clock that was set back says nothing.
  if (!(ageMs >= 0 && ageMs < REMEMBERED_MS)) return {};
  const known: Partial<Record<keyof Remembered, number>> = {};
  for (const [name, max] of Object.entries(NUMBERS) as [keyof Remembered, number][]) {
    const value = entries.get(name);
    if (typeof value === "number" && value > 0 && value <= max) known[name] = value;
  }
  const { blockedForMs } = known;
  if (blockedForMs !== undefined) known.blockedForMs = Math.max(0, blockedForMs - ageMs);
  return known;
}
