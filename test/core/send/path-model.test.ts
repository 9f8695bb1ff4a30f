import { describe, expect, it } from "vitest";
import { BASE_BYTES, PathModel, type PathSample, ROUND_TRIP_WINDOW_MS } from "../../../src/core/send/path-model.js";

/** The receiver's clock is another one. */
const CLOCK_MS = 1_000_000;

interface Given {
  readonly at: number;
  /** When it arrived, on this end's clock; when it was sent. */
  readonly arrived?: number;
  readonly sent?: number;
  readonly roundTripMs?: number;
  readonly bytes?: number;
  readonly totalBytes: number;
}

function sample({ at, totalBytes, bytes = 4000, roundTripMs = 40, ...given }: Given): PathSample {
  const { arrived = at - roundTripMs / 2, sent = at - roundTripMs } = given;
  return {
    sentAt: sent,
    ackedAt: at,
    receivedAt: arrived + CLOCK_MS,
    roundTripTimeMs: roundTripMs,
    bytes,
    totalBytes,
  };
}

/** Acks each 10 ms from `from` to `until`, of `bytesPerMs`. */
function feed(model: PathModel, bytesPerMs: number, from: number, until: number, isLimited = true, base = 0): number {
  let totalBytes = base;
  for (let at = from; at <= until; at += 10) {
    totalBytes += 10 * bytesPerMs;
    model.handleSample(sample({ at, totalBytes }), isLimited);
  }
  return totalBytes;
}

/** Two batches that have left together, or nearly so. Returns the peak. */
function pair(model: PathModel, apartMs: number, sentApartMs = 0): number | undefined {
  model.handleSample(sample({ at: 100, sent: 60, arrived: 80, totalBytes: 1000 }), true);
  const at = 100 + apartMs;
  model.handleSample(sample({ at, sent: 60 + sentApartMs, arrived: 80 + apartMs, totalBytes: 3000 }), true);
  return model.peakBytesPerMs;
}

describe("PathModel: bandwidth", () => {
  it("is not known before arrivals span 50 ms", () => {
    const model = new PathModel();
    feed(model, 100, 100, 140);
    expect(model.bytesPerMs).toBeUndefined();
    feed(model, 100, 150, 150, true, 5000);
    expect(model.bytesPerMs).toBe(100);
  });

  it("is read over a round trip where that is longer than 50 ms", () => {
    const model = new PathModel();
    for (let i = 0; i <= 20; i++) {
      model.handleSample(sample({ at: 1000 + 10 * i, totalBytes: 1000 * i, roundTripMs: 200 }), true);
      expect(model.bytesPerMs).toBe(i < 20 ? undefined : 100);
    }
  });

  it("is read on the receiver's clock: acks that are held up and come at once say nothing", () => {
    const model = new PathModel();
    for (let i = 0; i <= 10; i++) {
      const arrived = 100 + 10 * i;
      model.handleSample(sample({ at: 300 + i / 100, arrived, sent: arrived - 20, totalBytes: 1000 * i }), true);
    }
    expect(model.bytesPerMs).toBe(100);
  });

  it("is not more than was sent: arrivals that the line has held up and delivers at once say nothing", () => {
    const model = new PathModel();
    model.handleSample(sample({ at: 100, arrived: 80, sent: 60, totalBytes: 0 }), true);
    // Sent over 200 ms, arrived within 60.
    for (let i = 1; i <= 10; i++) {
      model.handleSample(
        sample({ at: 280 + i * 6, arrived: 220 + i * 6, sent: 60 + 20 * i, totalBytes: 2000 * i }),
        true,
      );
    }
    expect(model.bytesPerMs).toBeLessThanOrEqual(100);
    expect(model.bytesPerMs).toBeGreaterThan(60);
  });

  it("is raised, and never lowered, by what the application did not fill", () => {
    const model = new PathModel();
    let bytes = feed(model, 100, 100, 300);
    bytes = feed(model, 10, 310, 5000, false, bytes);
    expect(model.bytesPerMs).toBe(100);
    bytes = feed(model, 200, 5010, 5200, false, bytes);
    expect(model.bytesPerMs).toBe(200);
  });

  it("is the most of a second, where the window was the bound", () => {
    const model = new PathModel();
    const bytes = feed(model, 100, 100, 500);
    feed(model, 40, 510, 1450, true, bytes);
    expect(model.bytesPerMs).toBe(100);
    feed(model, 40, 1460, 1700, true, bytes + 40 * 950);
    expect(model.bytesPerMs).toBeLessThan(60);
  });

  it("counts for ten round trips where these are longer", () => {
    const model = new PathModel();
    let totalBytes = 0;
    const go = (bytesPerMs: number, from: number, until: number) => {
      for (let at = from; at <= until; at += 50) {
        totalBytes += 50 * bytesPerMs;
        model.handleSample(sample({ at, totalBytes, roundTripMs: 400 }), true);
      }
    };
    go(100, 1000, 3000);
    go(40, 3050, 6800);
    expect(model.bytesPerMs).toBe(100);
    go(40, 6850, 8000);
    expect(model.bytesPerMs).toBe(40);
  });

  it("is read also where a great many acks come within a span", () => {
    const model = new PathModel();
    for (let i = 0; i <= 10_000; i++) model.handleSample(sample({ at: 100 + i / 20, totalBytes: i * 50 }), true);
    expect(model.bytesPerMs).toBeCloseTo(1000, 0);
  });
});

describe("PathModel: batches that were sent together", () => {
  it("tell by their distance at the receiver what the line carries", () => {
    expect(pair(new PathModel(), 16)).toBeCloseTo(125, 5);
  });

  it("say nothing where it is the sender that has spaced them", () => {
    expect(pair(new PathModel(), 16, 5)).toBeUndefined();
    expect(pair(new PathModel(), 16, 4)).toBeCloseTo(125, 5);
  });

  it("count for no more than the clocks can tell, and not at all where a clock goes back", () => {
    expect(pair(new PathModel(), 0)).toBe(20_000);
    expect(pair(new PathModel(), -1)).toBeUndefined();
  });

  it("are judged by the closest, until the bandwidth is known better", () => {
    const model = new PathModel();
    pair(model, 16);
    model.handleSample(sample({ at: 130, sent: 60, arrived: 104, totalBytes: 5000 }), true);
    expect(model.peakBytesPerMs).toBe(250);
    model.forgetPeak();
    expect(pair(model, 1)).toBeUndefined();
  });

  it("correct the round trip of large chunks where no rate is known yet, or too low a one", () => {
    const model = new PathModel();
    pair(model, 16);
    const large = sample({ at: 400, bytes: BASE_BYTES + 1250, roundTripMs: 100, totalBytes: 30_000 });
    expect(model.net(large)).toBeCloseTo(90, 5);
  });
});

describe("PathModel: a rate that has fallen", () => {
  it("replaces what was known, and a higher one does not", () => {
    const model = new PathModel();
    model.limitRate(10);
    expect(model.bytesPerMs).toBeUndefined();
    feed(model, 100, 100, 300);
    model.limitRate(200);
    expect(model.bytesPerMs).toBe(100);
    model.limitRate(20);
    expect(model.bytesPerMs).toBe(20);
  });
});

describe("PathModel: the smoothed round trip", () => {
  const feedOne = (model: PathModel, at: number, roundTripMs: number) =>
    model.handleSample(sample({ at, roundTripMs, totalBytes: at }), true);

  it("moves by an eighth of each new sample", () => {
    const model = new PathModel();
    expect(model.smoothedRoundTripMs).toBeUndefined();
    feedOne(model, 100, 40);
    expect(model.smoothedRoundTripMs).toBe(40);
    feedOne(model, 200, 120);
    expect(model.smoothedRoundTripMs).toBe(50);
    for (let i = 0; i < 100; i++) feedOne(model, 300 + i, 120);
    expect(model.smoothedRoundTripMs).toBeCloseTo(120, 3);
  });

  it("is what was known of another line, and nothing of that once there is a sample", () => {
    const model = new PathModel(70);
    expect([model.smoothedRoundTripMs, model.roundTripMs]).toEqual([70, undefined]);
    feedOne(model, 100, 40);
    expect(model.smoothedRoundTripMs).toBe(40);
  });

  it("is no less and no more for a clock of the receiver that stands still or goes back", () => {
    const model = new PathModel();
    for (const arrived of [1000, 1000, 900, 0, 1030]) {
      model.handleSample(sample({ at: 2000, arrived, roundTripMs: 40, totalBytes: 1000 }), true);
      expect([model.smoothedRoundTripMs, model.bytesPerMs ?? 0]).toEqual([40, 0]);
    }
  });
});

describe("PathModel: the round trip", () => {
  const roundTrip = (model: PathModel, at: number, roundTripMs: number, bytes = 4000) =>
    model.handleSample(sample({ at, roundTripMs, bytes, totalBytes: at * 100 }), true);

  it("is the shortest seen, and tells when it was seen so short for the last time", () => {
    const model = new PathModel();
    expect([model.roundTripMs, model.roundTripAt]).toEqual([undefined, 0]);
    for (const [at, ms] of [
      [100, 50],
      [200, 40],
      [300, 60],
      [400, 40],
      [500, 70],
    ] as const) {
      roundTrip(model, at, ms);
    }
    expect([model.roundTripMs, model.roundTripAt]).toEqual([40, 400]);
  });

  it("is that of a small chunk: what a larger one takes on the line is not counted", () => {
    const model = new PathModel();
    feed(model, 100, 100, 300);
    const large = sample({ at: 400, bytes: BASE_BYTES + 6000, roundTripMs: 100, totalBytes: 30_000 });
    expect(model.net(large)).toBe(40);
    expect(model.net(sample({ at: 400, bytes: 100, roundTripMs: 100, totalBytes: 30_000 }))).toBe(100);
    expect(model.net({ ...large, roundTripTimeMs: 30 })).toBe(0);
  });

  it("does not become shorter than it is by a large chunk, where the line has shown more than is known of it", () => {
    const model = new PathModel();
    pair(model, 16);
    feed(model, 10, 200, 400);
    model.forgetPeak();
    expect([model.bytesPerMs, model.roundTripMs]).toEqual([10, 40]);
    model.handleSample(sample({ at: 410, bytes: BASE_BYTES + 1000, roundTripMs: 49, totalBytes: 9000 }), true);
    expect(model.roundTripMs).toBe(40);
    model.handleSample(sample({ at: 420, bytes: BASE_BYTES + 1250, roundTripMs: 44, totalBytes: 14_000 }), true);
    expect(model.roundTripMs).toBeGreaterThan(30);
    expect(model.roundTripMs).toBeLessThan(36);
  });

  it("is what was measured, while the bandwidth is not known", () => {
    const large = sample({ at: 400, bytes: BASE_BYTES + 6000, roundTripMs: 100, totalBytes: 30_000 });
    expect(new PathModel().net(large)).toBe(100);
  });

  it("is learnt anew once the line was empty, and where it has not been seen so short for long", () => {
    const model = new PathModel();
    roundTrip(model, 100, 40);
    roundTrip(model, 200, 90);
    expect(model.roundTripMs).toBe(40);
    model.renewRoundTrip();
    expect(model.roundTripMs).toBeUndefined();
    roundTrip(model, 300, 90);
    expect(model.roundTripMs).toBe(90);
    roundTrip(model, 300 + 1.5 * ROUND_TRIP_WINDOW_MS, 120);
    expect(model.roundTripMs).toBe(90);
    roundTrip(model, 301 + 1.5 * ROUND_TRIP_WINDOW_MS, 120);
    expect(model.roundTripMs).toBe(120);
  });

  it.each([
    { found: 54, settled: 40 },
    { found: 56, settled: 56 },
    { found: 30, settled: 30 },
  ])("is what it was, 40 ms, unless an empty line shows it more than 15 ms longer: $found ms", ({ found, settled }) => {
    const model = new PathModel();
    roundTrip(model, 100, 40);
    model.renewRoundTrip();
    roundTrip(model, 300, found);
    model.settleRoundTrip(15);
    expect(model.roundTripMs).toBe(settled);
    expect(model.roundTripAt).toBe(300);
  });
});
