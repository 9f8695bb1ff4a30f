import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { PARKED_BYTES } from "../../src/core/registry/budget.js";
import { runChild } from "../support/child.js";
import type { HeapReport } from "../support/heap-scenario.js";

const scenario = fileURLToPath(new URL("../support/heap-scenario.ts", import.meta.url));

/** Of a session that has ended, its attempt is remembered for two minutes: a key, a time, and their places in two tables. */
const REMEMBERED_BYTES = 256;

describe("the heap of a server that ten thousand clients have come to, and left", () => {
  let report: HeapReport;

  beforeAll(async () => {
    report = JSON.parse(await runChild(scenario, { nodeOptions: ["--expose-gc"] }));
    console.info(report);
  }, 120_000);

  it("has seen them all", () => {
    expect(report.sessions).toBe(10_000);
    expect(report.ends).toEqual({ closed: 1000, terminated: 900, expired: 8100 });
    expect(report.afterWaves).toHaveLength(10);
  });

  it("is back where it was, but for the attempts that are remembered", () => {
    // In the first waves code is compiled.
    const [, base = 0, ...later] = report.afterWaves;
    const remembered = ((report.sessions * later.length) / report.afterWaves.length) * REMEMBERED_BYTES;
    expect(later.at(-1)).toBeLessThan(base * 1.05 + remembered);
  });

  it("holds for a parked session what the budget says", () => {
    const median = [...report.perParked].sort((a, b) => a - b)[5] as number;
    expect(median).toBeGreaterThan(PARKED_BYTES * 0.7);
    expect(median).toBeLessThan(PARKED_BYTES * 1.2);
  });

  it("holds no resume token in clear", () => {
    expect(report.tokensMade).toBe(10_000);
    expect(report.tokensHeld).toBe(0);
  });
});
