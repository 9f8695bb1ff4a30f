import { describe, expect, test } from "vitest";
import { describeCost } from "../../bench/lib/cost-report.mjs";
import { descendantsOf } from "../../bench/lib/process-memory.mjs";

const cpuMs = (page: number, network: number, server: number) => ({ page, network, server });
const native = {
  name: "native",
  title: "native",
  results: [
    {
      direction: "up" as const,
      messagesPerSecond: 10_000,
      messages: 20_000,
      burstCpuMs: cpuMs(600, 300, 100),
      mebibytes: 40,
      fileCpuMs: cpuMs(200, 40, 160),
    },
  ],
};
const ours = {
  name: "sluice",
  title: "ours",
  results: [
    {
      direction: "up" as const,
      messagesPerSecond: 65_000,
      messages: 40_000,
      burstCpuMs: cpuMs(400, 20, 80),
      mebibytes: 80,
      fileCpuMs: cpuMs(800, 80, 720),
    },
  ],
};

describe("the report of cost", () => {
  const text = describeCost("Chromium 156", [native, ours], { bytes: 64, count: 20_000 });

  test("gives rates and what they are beside the native one", () => {
    expect(text).toContain("messages of 64 bytes a second, in bursts of 20,000");
    expect(text).toMatch(/\| ours +\| +65,000 \| +6\.5 × \|/);
  });

  test("gives processor time for 10,000 messages, by process", () => {
    expect(text).toMatch(/\| native +\| +300\.0 \| +150\.0 \| +50\.0 \| +500\.0 \| +1\.00 × \|/);
    expect(text).toMatch(/\| ours +\| +100\.0 \| +5\.0 \| +20\.0 \| +125\.0 \| +0\.25 × \|/);
  });

  test("gives processor time for a MiB of a file, by process", () => {
    expect(text).toMatch(/\| native +\| +5\.0 \| +1\.0 \| +4\.0 \| +10\.0 \| +1\.00 × \|/);
    expect(text).toMatch(/\| ours +\| +10\.0 \| +1\.0 \| +9\.0 \| +20\.0 \| +2\.00 × \|/);
  });

  test("has no processor time where the browser does not tell", () => {
    const [result] = native.results;
    const untold = { ...native, results: [{ ...result, burstCpuMs: undefined, fileCpuMs: undefined }] };
    const report = describeCost("Firefox 153", [untold as never], { bytes: 64, count: 20_000 });
    expect(report).toContain("10,000 |");
    expect(report).not.toContain("processor time");
  });
});

describe("the processes of a browser", () => {
  test("are it and everything under it", () => {
    const parentOf = new Map([
      [10, 1],
      [11, 10],
      [12, 11],
      [13, 10],
      [20, 1],
      [21, 20],
    ]);
    expect(descendantsOf(10, parentOf).sort()).toEqual([10, 11, 12, 13]);
    expect(descendantsOf(12, parentOf)).toEqual([12]);
  });
});
