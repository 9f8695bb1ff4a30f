import { describe, expect, test } from "vitest";
import { failedInOurs, failedInPlaywright, failedInVitest, tellFailures } from "../../tools/failures.mjs";

describe("which cases have failed", () => {
  test("in a report of vitest: cases, and files that do not load", () => {
    const testResults = [
      {
        name: "/project/test/a.test.ts",
        status: "failed",
        message: "",
        assertionResults: [
          { status: "passed", fullName: "a group good", failureMessages: [] },
          { status: "failed", fullName: "a group bad", failureMessages: ["Error: no\n    at a.test.ts:3"] },
        ],
      },
      { name: "/project/test/b.test.ts", status: "failed", message: "Cannot find module", assertionResults: [] },
      { name: "/project/test/c.test.ts", status: "passed", message: "", assertionResults: [] },
    ];
    expect(failedInVitest({ testResults }, "/project")).toEqual([
      { file: "test/a.test.ts", title: "a group bad", error: "Error: no\n    at a.test.ts:3" },
      { file: "test/b.test.ts", error: "Cannot find module" },
    ]);
  });

  test("in a report of Playwright: cases in groups, flaky ones, and what fails outside of them", () => {
    const spec = (title: string, status: string, messages: string[][]) => ({
      title,
      tests: [{ status, results: messages.map((errors) => ({ errors: errors.map((message) => ({ message })) })) }],
    });
    const suites = [
      {
        title: "sub/a.spec.mjs",
        file: "sub/a.spec.mjs",
        specs: [spec("good", "expected", [[]]), spec("shaky", "flaky", [["once"], []])],
        suites: [
          {
            title: "a group",
            file: "sub/a.spec.mjs",
            specs: [spec("bad", "unexpected", [["over time", "and closed"]]), spec("left", "skipped", [])],
          },
        ],
      },
    ];
    const location = { file: "/project/e2e/b.spec.mjs", line: 7 };
    const report = { config: { rootDir: "/project/e2e" }, suites, errors: [{ stack: "Timed out", location }] };
    expect(failedInPlaywright(report, "/project")).toEqual([
      { file: "e2e/sub/a.spec.mjs", title: "shaky", error: "once", isFlaky: true },
      { file: "e2e/sub/a.spec.mjs", title: "a group > bad", error: "over time\nand closed", isFlaky: false },
      { title: "outside of the tests", error: "e2e/b.spec.mjs:7: Timed out" },
    ]);
  });

  test("in reports of our own: interop, simulation, mutants", () => {
    const cells = [
      { library: "RxJS", title: "SSE", shown: "ok 1.0 s" },
      { library: "RxJS", title: "SSE, cut", fault: "lost 3" },
    ];
    expect(failedInOurs({ cells })).toEqual([{ title: "RxJS: SSE, cut", error: "lost 3" }]);
    const failures = [{ seed: 7, profile: "cuts", check: "order", message: "order: 2 before 1" }];
    expect(failedInOurs({ failures, missingTransitions: ["a > b", "c > d"] })).toEqual([
      { title: "seed 7 (cuts)", error: "order: 2 before 1" },
      { title: "transitions that no schedule has taken", error: "a > b\nc > d" },
    ]);
    expect(failedInOurs({ failures: [], missingTransitions: [] })).toEqual([]);
    const mutants = [
      { name: "forgets acks", seed: 3, check: "liveness" },
      { name: "forgets gaps", problem: "survives 1000 schedules" },
    ];
    expect(failedInOurs({ mutants })).toEqual([{ title: "forgets gaps", error: "survives 1000 schedules" }]);
  });
});

describe("how they are told of", () => {
  const failure = { step: "e2e", file: "e2e/a.spec.mjs", title: "bad" };
  const manyLines = Array.from({ length: 50 }, (_, index) => `line ${index}`).join("\n");

  test("step, file and title, then the error without colours, empty lines and frames of others", () => {
    const error =
      "\u001b[31mError: no\u001b[39m\n\n    1 | before\n  > 2 | here\n      |   ^\n    at a.mjs:2\n    at /x/node_modules/b.js:1";
    expect(tellFailures([{ ...failure, error, isFlaky: true }, { step: "lint" }])).toEqual([
      "e2e (flaky) > e2e/a.spec.mjs > bad",
      "    Error: no",
      "      > 2 | here",
      "        at a.mjs:2",
      "lint",
    ]);
  });

  test("one failure takes at most 8 lines of its error, a long line is cut", () => {
    const lines = tellFailures([{ ...failure, error: `${"x".repeat(5000)}\n${manyLines}` }]);
    expect(lines).toHaveLength(9);
    expect(lines[1]).toHaveLength(200);
    expect(lines[8]).toBe("    line 6");
  });

  test.each([2, 10, 20, 21, 5000])("%i of them fit together at the end of a log", (count) => {
    const lines = tellFailures(Array.from({ length: count }, () => ({ ...failure, error: manyLines })));
    expect(lines.length).toBeLessThanOrEqual(73);
    expect(lines.filter((text) => text.startsWith("e2e >"))).toHaveLength(Math.min(count, 20));
    expect(lines.at(-1)).toEqual(count > 20 ? `and ${count - 20} more` : expect.stringContaining("    line"));
  });
});
