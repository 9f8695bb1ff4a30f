import { describe, expect, test } from "vitest";
import { ALL_LINKS, chooseNamed, chooseNames, parseCount, parseLinks } from "../../bench/lib/choices.mjs";
import { fileBytesFor } from "../../bench/lib/hol-plan.mjs";

describe("options of the benchmarks", () => {
  test("names are taken in the order in which they are given", () => {
    expect(chooseNames("b,a", ["a", "b", "c"])).toEqual(["b", "a"]);
    const [a, b] = [{ name: "a" }, { name: "b" }];
    expect(chooseNamed("b,a", [a, b])).toEqual([b, a]);
  });

  test("an unknown name is refused with those that are known", () => {
    expect(() => chooseNames("a,d", ["a", "b"])).toThrow('no "d"; there are: a, b');
    expect(() => chooseNamed("d", [{ name: "a" }])).toThrow('no "d"; there are: a');
  });

  test("a line is a rate and a round trip", () => {
    expect(parseLinks("0.5/300,100/10")).toEqual([
      { name: "0.5/300", megabit: 0.5, roundTripTimeMs: 300 },
      { name: "100/10", megabit: 100, roundTripTimeMs: 10 },
    ]);
    expect(parseLinks("all").map(({ name }) => name)).toEqual(ALL_LINKS.split(","));
  });

  test.each(["10", "10/", "/40", "0/40", "ten/40", "10/40/2", ""])("%j is no line", (text) => {
    expect(() => parseLinks(text)).toThrow("a link is Mbit/s and ms");
  });

  test("a count is a whole number of something", () => {
    expect(parseCount("12")).toBe(12);
    for (const text of ["0", "-1", "1.5", "x", ""]) expect(() => parseCount(text)).toThrow("not a number of anything");
  });

  test("a file takes about as long on every line, as far as one message may be that large", () => {
    expect(fileBytesFor(10, 7)).toBe(8_750_000);
    expect(fileBytesFor(5, 7)).toBe(4_375_000);
    expect(fileBytesFor(5, 2)).toBe(1_250_000);
    expect(fileBytesFor(100, 7)).toBe(12 * 1024 * 1024);
  });
});
