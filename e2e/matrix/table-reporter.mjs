// @ts-check
/** Prints the matrix as a table when it is done. What a cell found out comes as an annotation of its test. */

export const ROW = "matrix-row";

/** @param {import("@playwright/test").TestInfo} info @param {object} row */
export function report(info, row) {
  info.annotations.push({ type: ROW, description: JSON.stringify(row) });
}

/** @implements {import("@playwright/test/reporter").Reporter} */
class TableReporter {
  /** @type {string[][]} */
  #rows = [];

  /**
   * @param {import("@playwright/test/reporter").TestCase} test
   * @param {import("@playwright/test/reporter").TestResult} result
   */
  onTestEnd(test, result) {
    const seconds = `${(result.duration / 1000).toFixed(1)} s`;
    const annotation = result.annotations.find(({ type }) => type === ROW);
    const skip = result.annotations.find(({ type }) => type === "skip");
    if (result.status === "skipped") {
      this.#rows.push([test.title, `SKIPPED: ${skip?.description ?? "?"}`]);
    } else if (result.status !== "passed" || annotation?.description === undefined) {
      this.#rows.push([test.title, result.status === "passed" ? "ok" : "FAILED", "", "", "", "", seconds]);
    } else {
      const { transports, firstMessageMs, up, down, resumes } = JSON.parse(annotation.description);
      this.#rows.push([
        test.title,
        shownTransports(transports),
        `${firstMessageMs} ms`,
        String(up),
        String(down),
        String(resumes),
        seconds,
      ]);
    }
  }

  onEnd() {
    const head = ["cell", "carried by", "first message", "up", "down", "resumes", "took"];
    const rows = this.#rows.sort(([a], [b]) => String(a).localeCompare(String(b)));
    const shown = [head, ...rows];
    // A reason for a skip may be longer than its column.
    const widths = head.map((_, at) => Math.max(...shown.map((row) => (row.length > 2 ? (row[at]?.length ?? 0) : 0))));
    widths[0] = Math.max(...shown.map(([name]) => String(name).length));
    console.log();
    for (const row of shown)
      console.log(
        row
          .map((text, at) => text.padEnd(widths[at] ?? 0))
          .join("  ")
          .trimEnd(),
      );
    const skipped = rows.filter((row) => row[1]?.startsWith("SKIPPED"));
    for (const [name, reason] of skipped) console.log(`!!! ${name}: ${reason}`);
  }
}

/** The last one is what carries in the end; one that comes again and again is named once. @param {string[]} transports */
function shownTransports(transports) {
  const kinds = transports.filter((name, at) => name !== transports[at - 1]);
  if (kinds.length <= 3) return kinds.join(" > ");
  return `${kinds[0]} > … > ${kinds.at(-1)}`;
}

// biome-ignore lint/style/noDefaultExport: Playwright takes reporters so.
export default TableReporter;
