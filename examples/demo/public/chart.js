/** The chart: for every chat line, when it was sent and how long it took, or has been under way so far. */

const IDLE_SPAN_S = 20;
const LEAD_S = 2;
const SPAN_MAX_S = 120;
/** How long the picture of a finished run stays before it scrolls on. */
const LINGER_S = 20;
const FLOOR_MS = 5;
const HEIGHT = 256;
/** What a label of the time axis needs. */
const LABEL_PX = 64;
/** Below the plot, a bar per side shows when its upload ran. */
const LANE = 6;
const LANES = 2 * (LANE + 2);

export class Chart {
  #element;
  #sides;
  #plot;
  #scale = "log";
  #run;
  #view = { from: 0, to: IDLE_SPAN_S };

  constructor(element, sides) {
    this.#element = element;
    this.#sides = sides;
    this.#build();
    new ResizeObserver(() => this.#resize()).observe(element);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#build());
  }

  setScale(scale) {
    this.#scale = scale;
    this.#build();
  }

  /** From here on the picture begins at this run and keeps all of it in view. */
  beginRun(now) {
    this.#run = { startedAt: now, endedAt: undefined };
  }

  endRun(now) {
    if (this.#run !== undefined) this.#run.endedAt = now;
  }

  update(now) {
    this.#view = this.#viewAt(now);
    this.#plot.setData(this.#data(now));
  }

  #viewAt(now) {
    const run = this.#run;
    const nowS = now / 1000;
    if (run === undefined || run.endedAt === undefined) {
      const startS =
        run === undefined ? nowS - IDLE_SPAN_S : Math.max(run.startedAt / 1000 - LEAD_S, nowS - SPAN_MAX_S);
      return { from: Math.min(startS, nowS - IDLE_SPAN_S / 2), to: nowS };
    }
    const span = Math.min(SPAN_MAX_S, (run.endedAt - run.startedAt) / 1000 + LEAD_S * 2);
    const to = Math.max(nowS - LINGER_S, run.endedAt / 1000 + LEAD_S);
    return { from: to - Math.max(span, IDLE_SPAN_S / 2), to };
  }

  /** One x per line and side; each line fills the arrived or the waiting series of its side. */
  #data(now) {
    const points = [];
    for (const [index, side] of this.#sides.entries()) {
      for (const line of side.lines) {
        const x = line.sentAt / 1000;
        if (x < this.#view.from - 1) continue;
        const ms = line.isLost ? undefined : Math.max(FLOOR_MS, (line.arrivedAt ?? now) - line.sentAt);
        points.push({ x, index, isWaiting: !line.isLost && line.arrivedAt === undefined, ms });
      }
    }
    points.sort((a, b) => a.x - b.x);
    const columns = [[], [], [], [], []];
    for (const { x, index, isWaiting, ms } of points) {
      columns[0].push(x);
      // uPlot joins over `undefined` and breaks the curve at `null`: where a line was lost there is nothing to join.
      for (let column = 1; column < 5; column += 1) columns[column].push(undefined);
      columns[index * 2 + (isWaiting ? 2 : 1)].splice(-1, 1, ms ?? null);
    }
    return columns;
  }

  #build() {
    this.#plot?.destroy();
    const style = getComputedStyle(this.#element);
    const color = (name) => style.getPropertyValue(name).trim();
    const [ink, grid] = [color("--muted"), color("--hairline")];
    const font = `12px ${style.fontFamily}`;
    const series = (name, isWaiting) => ({
      stroke: color(`--${name}`),
      width: isWaiting ? 1.5 : 2,
      ...(isWaiting ? { dash: [3, 4] } : {}),
      points: { show: false },
      spanGaps: false,
    });
    const isLog = this.#scale === "log";
    const options = {
      width: Math.max(240, this.#element.clientWidth),
      height: HEIGHT,
      legend: { show: false },
      cursor: { show: false },
      padding: [12, 8, 0, 0],
      scales: {
        x: { time: false, range: () => [this.#view.from, this.#view.to] },
        y: {
          distr: isLog ? 3 : 1,
          range: (_plot, _min, max) => [isLog ? FLOOR_MS : 0, ceiling(Math.max(max ?? 0, isLog ? 1000 : 100), isLog)],
        },
      },
      axes: [
        {
          stroke: ink,
          font,
          size: 34 + LANES,
          gap: 8 + LANES,
          grid: { show: false },
          ticks: { show: false },
          splits: () => this.#timeSplits(),
          values: (_plot, splits) => splits.map((split) => this.#timeLabel(split)),
        },
        {
          stroke: ink,
          font,
          size: 58,
          gap: 8,
          grid: { stroke: grid, width: 1 },
          ticks: { show: false },
          ...(isLog
            ? {
                splits: (_plot, _axis, _min, max) => DECADES.filter((ms) => ms <= max),
                filter: (_plot, splits) => splits,
              }
            : {}),
          values: (_plot, splits) => splits.map(timeTick),
        },
      ],
      series: [{}, series("sluice", false), series("sluice", true), series("native", false), series("native", true)],
      hooks: { draw: [(plot) => this.#drawUploads(plot, color)] },
    };
    this.#plot = new globalThis.uPlot(options, [[], [], [], [], []], this.#element);
  }

  #resize() {
    this.#plot.setSize({ width: Math.max(240, this.#element.clientWidth), height: HEIGHT });
  }

  /** Round seconds, counted from the start of the run, or back from now. */
  #timeSplits() {
    const { from, to } = this.#view;
    const zero = this.#zero();
    const labelsMax = Math.min(10, this.#element.clientWidth / LABEL_PX);
    const step = [1, 2, 5, 10, 20, 30].find((candidate) => (to - from) / candidate <= labelsMax) ?? 60;
    const splits = [];
    for (let at = Math.ceil((from - zero) / step) * step; at + zero <= to; at += step) splits.push(at + zero);
    return splits;
  }

  #timeLabel(split) {
    const seconds = Math.round(split - this.#zero());
    if (seconds === 0) return this.#run === undefined ? "now" : "start";
    return `${seconds} s`.replace("-", "−");
  }

  #zero() {
    return this.#run === undefined ? this.#view.to : this.#run.startedAt / 1000;
  }

  /** One bar per side for the time that its upload took. */
  #drawUploads(plot, color) {
    const { ctx, bbox } = plot;
    const ratio = devicePixelRatio;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height + (LANES + 4) * ratio);
    ctx.clip();
    for (const [index, side] of this.#sides.entries()) {
      const { upload } = side;
      if (upload === undefined) continue;
      const left = plot.valToPos(upload.startedAt / 1000, "x", true);
      const right = plot.valToPos(
        Math.min((upload.finishedAt ?? Number.POSITIVE_INFINITY) / 1000, this.#view.to),
        "x",
        true,
      );
      const top = bbox.top + bbox.height + (4 + index * (LANE + 2)) * ratio;
      ctx.fillStyle = color(`--${side.name}`);
      ctx.globalAlpha = upload.state === "running" ? 0.45 : 0.3;
      ctx.fillRect(left, top, Math.max(0, right - left), LANE * ratio);
    }
    ctx.restore();
  }
}

const DECADES = [10, 100, 1000, 10_000, 100_000];

function ceiling(max, isLog) {
  const wanted = max * (isLog ? 1.6 : 1.15);
  const steps = isLog
    ? [2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000]
    : [100, 200, 500, 1000, 2000, 5000, 8000, 10_000, 20_000, 50_000, 100_000];
  return steps.find((step) => step >= wanted) ?? wanted;
}

function timeTick(ms) {
  return ms < 1000 ? `${ms} ms` : `${ms / 1000} s`;
}
