// @ts-check
/**
 * The chart of `hol`: a panel for each browser and direction, a group for each line, a bar for each contender, from the
 * median to the 99th percentile. Latencies span four powers of ten, so their axis is logarithmic.
 */
import { ratiosTo } from "./hol-report.mjs";
import { number } from "./table.mjs";

/** @typedef {import("./hol-plan.mjs").LinkResult} LinkResult */

const LABEL_WIDTH = 218;
const PLOT_WIDTH = 260;
/** To the right of a plot: the goodput. */
const GOODPUT_WIDTH = 74;
const MARGIN = 20;
const HEAD_HEIGHT = 62;
const PANEL_HEAD_HEIGHT = 46;
const GROUP_HEAD_HEIGHT = 24;
const ROW_HEIGHT = 19;
const PANEL_GAP = 22;

const STYLE = `
  text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: #24292f; }
  .title { font-size: 15px; font-weight: 600; }
  .panel, .ours { font-weight: 600; }
  .soft { fill: #57606a; font-size: 11px; }
  .grid { stroke: #d8dee4; }
  .bar { stroke: #8c959f; stroke-width: 6; stroke-linecap: round; }
  .ours-bar { stroke: #0a7d5a; }
  .end { fill: #57606a; }
  .ours-end { fill: #0a7d5a; }
  .paper { fill: #ffffff; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .soft { fill: #9198a1; } .grid { stroke: #30363d; } .bar { stroke: #6e7681; }
    .ours-bar { stroke: #2ea97f; } .end { fill: #9198a1; } .ours-end { fill: #2ea97f; } .paper { fill: #0d1117; }
  }`;

/**
 * @param {LinkResult[]} results
 * @returns {string} an SVG document
 */
export function renderChart(results) {
  const axis = axisFor(results);
  const browsers = [...new Set(results.map(({ browser }) => browser))];
  const directions = [...new Set(results.map(({ direction }) => direction))];
  const width = MARGIN * 2 + LABEL_WIDTH + directions.length * (PLOT_WIDTH + GOODPUT_WIDTH);
  const body = [];
  let top = MARGIN + HEAD_HEIGHT;
  for (const browser of browsers) {
    let height = 0;
    for (const [column, direction] of directions.entries()) {
      const shown = results.filter((result) => result.browser === browser && result.direction === direction);
      const left = MARGIN + LABEL_WIDTH + column * (PLOT_WIDTH + GOODPUT_WIDTH);
      const panel = renderPanel(shown, { axis, left, top, hasLabels: column === 0 });
      body.push(panel.svg);
      height = Math.max(height, panel.height);
    }
    top += height + PANEL_GAP;
  }
  const height = top - PANEL_GAP + MARGIN;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">\n`,
    "<title>One-way latency of chat lines beside a file transfer, by contender</title>\n",
    `<style>${STYLE}\n</style>\n`,
    `<rect class="paper" width="${width}" height="${height}" rx="6"/>\n`,
    text(MARGIN, MARGIN + 14, "How long a chat line takes while a file goes the same way", "title"),
    text(
      MARGIN,
      MARGIN + 35,
      "One-way latency from the median to the 99th percentile, which is named; the axis is logarithmic.",
      "soft",
    ),
    text(MARGIN, MARGIN + 50, "On the right the goodput of the file, as a share of the native one's.", "soft"),
    ...body,
    "</svg>\n",
  ].join("");
}

/**
 * Whole powers of ten around everything that is shown.
 * @param {LinkResult[]} results
 */
function axisFor(results) {
  const all = results.flatMap(({ contenders }) =>
    contenders.flatMap(({ latencyMs }) => [latencyMs.p50, latencyMs.p99]),
  );
  const from = Math.floor(Math.log10(Math.max(1, Math.min(...all))));
  const to = Math.max(from + 1, Math.ceil(Math.log10(Math.max(...all))));
  return {
    ticks: Array.from({ length: to - from + 1 }, (_, index) => 10 ** (from + index)),
    /** @param {number} valueMs */
    place: (valueMs) => ((Math.log10(Math.max(valueMs, 10 ** from)) - from) / (to - from)) * PLOT_WIDTH,
  };
}

/**
 * @param {LinkResult[]} results
 * @param {{ axis: ReturnType<typeof axisFor>, left: number, top: number, hasLabels: boolean }} place
 */
function renderPanel(results, { axis, left, top, hasLabels }) {
  const [first] = results;
  if (first === undefined) return { svg: "", height: 0 };
  const rows = [];
  let y = top + PANEL_HEAD_HEIGHT;
  for (const { link, contenders } of results) {
    if (hasLabels) {
      rows.push(text(MARGIN, y + 15, `${link.megabit} Mbit/s, ${link.roundTripTimeMs} ms round trip`, "panel"));
    }
    y += GROUP_HEAD_HEIGHT;
    for (const contender of contenders) {
      const isOurs = contender.name.startsWith("sluice");
      if (hasLabels) rows.push(text(MARGIN + 10, y + 13, contender.title, isOurs ? "ours" : ""));
      rows.push(renderBar(contender, { axis, left, y, isOurs }));
      const ratios = ratiosTo(contenders, contender);
      if (ratios !== undefined) {
        const share = `${number(ratios.goodput * 100)} %`;
        rows.push(text(left + PLOT_WIDTH + GOODPUT_WIDTH - 8, y + 13, share, "soft", "end"));
      }
      y += ROW_HEIGHT;
    }
  }
  const way = first.direction === "up" ? "page to server" : "server to page";
  const browser = first.browser.replace(/(\d+)\..*/, "$1");
  const grid = axis.ticks.map((tick) => {
    const x = left + axis.place(tick);
    const line = `<line class="grid" x1="${x}" x2="${x}" y1="${top + PANEL_HEAD_HEIGHT - 4}" y2="${y + 2}"/>\n`;
    return (
      line + text(x, top + PANEL_HEAD_HEIGHT - 9, tick < 1000 ? `${tick} ms` : `${tick / 1000} s`, "soft", "middle")
    );
  });
  const title = text(left, top + 14, `${browser}, ${way}`, "panel");
  return { svg: [title, ...grid, ...rows].join(""), height: y - top };
}

/**
 * @param {LinkResult["contenders"][number]} contender
 * @param {{ axis: ReturnType<typeof axisFor>, left: number, y: number, isOurs: boolean }} place
 */
function renderBar({ latencyMs }, { axis, left, y, isOurs }) {
  const [from, to] = [left + axis.place(latencyMs.p50), left + axis.place(latencyMs.p99)];
  const middle = y + ROW_HEIGHT / 2 - 1;
  const name = `${number(latencyMs.p99)} ms`;
  // On the inner side of a bar that ends at the edge.
  const isAtEdge = to > left + PLOT_WIDTH - 58;
  return [
    `<line class="bar${isOurs ? " ours-bar" : ""}" x1="${round(from)}" x2="${round(to)}" y1="${middle}" y2="${middle}"/>\n`,
    `<circle class="end${isOurs ? " ours-end" : ""}" cx="${round(to)}" cy="${middle}" r="4.5"/>\n`,
    text(isAtEdge ? from - 9 : to + 9, y + 13, name, isOurs ? "ours" : "soft", isAtEdge ? "end" : "start"),
  ].join("");
}

/**
 * @param {number} x
 * @param {number} y
 * @param {string} content
 * @param {string} [style]
 * @param {"start" | "middle" | "end"} [anchor]
 */
function text(x, y, content, style = "", anchor = "start") {
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${round(x)}" y="${round(y)}" class="${style}" text-anchor="${anchor}">${escaped}</text>\n`;
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 10) / 10;
}
