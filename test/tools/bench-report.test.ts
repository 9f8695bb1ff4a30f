import { describe, expect, test } from "vitest";
import { renderChart } from "../../bench/lib/chart.mjs";
import { describeLink, notesOf, ratiosTo } from "../../bench/lib/hol-report.mjs";
import { summarise } from "../../bench/lib/statistics.mjs";
import { number, table } from "../../bench/lib/table.mjs";

/** A contender with `transfers` transfers of 100 lines each. */
function contender(name: string, { latencyMs, goodputMegabit, transfers = 5, clockErrorMs = 0.1 }: Measured) {
  const one = { goodputMegabit, latenciesMs: Array.from({ length: 100 }, () => latencyMs), clockErrorMs };
  const all = Array.from({ length: transfers }, () => one);
  return {
    name,
    title: `the ${name}`,
    note: name === "sluice" ? "default options" : undefined,
    latencyMs: summarise(all.flatMap((transfer) => transfer.latenciesMs)),
    goodputMegabit,
    transfers: all,
  };
}
interface Measured {
  latencyMs: number;
  goodputMegabit: number;
  transfers?: number;
  clockErrorMs?: number;
}

function result(
  direction: "up" | "down",
  contenders = [
    contender("native", { latencyMs: 6000, goodputMegabit: 10 }),
    contender("sluice", { latencyMs: 50, goodputMegabit: 9.5 }),
  ],
) {
  return {
    browser: "Chromium 156.0.1",
    link: { name: "10/40", megabit: 10, roundTripTimeMs: 40 },
    direction,
    fileBytes: 8 * 1024 * 1024,
    intervalMs: 50,
    floorMs: summarise([21, 22]),
    emulatorLatenessMeanMs: 0.5,
    contenders,
  };
}

describe("percentiles", () => {
  test("are values that were measured, by nearest rank", () => {
    const values = Array.from({ length: 200 }, (_, index) => 200 - index);
    expect(summarise(values)).toEqual({ count: 200, p50: 100, p95: 190, p99: 198, max: 200 });
    expect(summarise([7])).toEqual({ count: 1, p50: 7, p95: 7, p99: 7, max: 7 });
  });

  test("of nothing are no numbers", () => {
    expect(summarise([]).p99).toBeNaN();
    expect(number(summarise([]).p99)).toBe("");
  });
});

test("a table is Markdown, its columns lined up", () => {
  expect(table(["", "p50"], [["native", "1,000"]])).toBe(
    "|        |   p50 |\n| ------ | ----: |\n| native | 1,000 |\n",
  );
});

describe("the report of hol", () => {
  test("gives numbers, and ratios to the native WebSocket of the same run", () => {
    const { contenders } = result("up");
    expect(contenders.map((one) => ratiosTo(contenders, one))).toEqual([
      { p99: 1, goodput: 1 },
      { p99: 120, goodput: 0.95 },
    ]);
    const text = describeLink(result("up"));
    expect(text).toContain("Chromium 156.0.1; 10 Mbit/s, 40 ms round trip, emulated; up");
    expect(text).toMatch(
      /\| the sluice +\| +50 \| +50 \| +50 \| +50 \| +9\.50 \| +1 : 120\.0 \| +95 % \| +500 \/ 5 \|/,
    );
    expect(text).not.toContain("Not for quoting");
  });

  test("has no ratios where the native one was not measured", () => {
    const alone = [contender("sluice", { latencyMs: 50, goodputMegabit: 9.5 })];
    expect(ratiosTo(alone, alone[0] as (typeof alone)[number])).toBeUndefined();
    expect(describeLink(result("up", alone))).not.toContain("1 :");
  });

  test("says who had too few lines or transfers", () => {
    const few = [contender("native", { latencyMs: 1, goodputMegabit: 1 })];
    few.push(contender("gate", { latencyMs: 1, goodputMegabit: 1, transfers: 4 }));
    expect(describeLink(result("up", few))).toContain(
      "Not for quoting, fewer than 500 lines or 5 transfers: the gate.",
    );
  });

  test("notes what has to be known once, and clocks that were compared badly", () => {
    const notes = notesOf([result("up"), result("down")]);
    expect(notes.filter((note) => note === "the sluice: default options.")).toHaveLength(1);
    expect(notes.join()).not.toContain("clocks");
    const bad = [contender("native", { latencyMs: 1, goodputMegabit: 1, clockErrorMs: 4 })];
    expect(notesOf([result("up", bad)]).join()).toContain("A comparison of clocks was only good to 4.0 ms");
  });
});

describe("the chart of hol", () => {
  const svg = renderChart([result("up"), result("down")]);

  test("names every contender once, and its 99th percentile and goodput in each panel", () => {
    expect(svg.match(/>the native</g)).toHaveLength(1);
    expect(svg.match(/>6,000 ms</g)).toHaveLength(2);
    expect(svg.match(/>95 %</g)).toHaveLength(2);
    expect(svg).toContain(">Chromium 156, page to server<");
    expect(svg).toContain(">Chromium 156, server to page<");
  });

  test("has an axis of whole powers of ten around everything", () => {
    for (const tick of ["10 ms", "100 ms", "1 s", "10 s"]) expect(svg).toContain(`>${tick}<`);
    expect(svg).not.toContain(">1 ms<");
    expect(svg).not.toContain(">100 s<");
  });

  test("places a bar by the logarithm of its latency", () => {
    const [native, sluice] = [...svg.matchAll(/<circle [^>]*cx="([\d.]+)"/g)].map((match) => Number(match[1]));
    // log10(6000) - log10(50), of the three powers of ten that 260 pixels show.
    expect((native as number) - (sluice as number)).toBeCloseTo((Math.log10(6000 / 50) / 3) * 260, 0);
  });

  test("escapes what it is given", () => {
    const odd = [contender("a<b&c", { latencyMs: 20, goodputMegabit: 1 })];
    expect(renderChart([result("up", odd)])).toContain("the a&lt;b&amp;c");
  });
});
