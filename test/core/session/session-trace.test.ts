import { describe, expect, it } from "vitest";
import { Outbound } from "../../../src/core/send/outbound.js";
import { Sender } from "../../../src/core/send/sender.js";
import type { TraceEvent } from "../../../src/core/trace.js";
import { binary, Pair, text } from "../../support/pair.js";

function tracedPair(rateBitsPerSecond = 10e6) {
  const events: TraceEvent[] = [];
  const pair = new Pair({ rateBitsPerSecond, trace: (event) => events.push(event) }).connect().run(500);
  const of = <T extends TraceEvent["type"]>(type: T) =>
    events.filter((event): event is Extract<TraceEvent, { type: T }> => event.type === type);
  return { pair, events, of };
}

describe("the trace of a session", () => {
  it("tells what is in each batch, why nothing more, and what was on the way", () => {
    const { pair, of } = tracedPair();
    const upload = pair.input(pair.client, (s, now) => s.openChannel("upload", "low", now));
    pair.input(pair.client, (s, now) => s.send(upload, binary(60_000), now));
    pair.input(pair.client, (s, now) => s.send(0, text("hello"), now));
    pair.run(1000);
    const batches = of("batch");
    expect(batches.map(({ number }) => number)).toEqual(batches.map((_, i) => i + 1));
    const chunks = batches.flatMap((batch) => batch.chunks);
    const bytesOf = (channel: number) =>
      chunks.filter((chunk) => chunk.channel === channel).reduce((sum, { bytes }) => sum + bytes, 0);
    expect([bytesOf(upload), bytesOf(0)]).toEqual([60_000, 5]);
    expect(chunks.find(({ channel }) => channel === 0)).toMatchObject({ priority: "normal", last: true });
    expect(new Set(batches.map(({ end }) => end))).toEqual(new Set(["chunk", "no-room", "drained"]));
    for (const { bytes, inFlightBytes, windowBytes } of batches) {
      expect(inFlightBytes).toBeGreaterThanOrEqual(bytes);
      expect(inFlightBytes).toBeLessThanOrEqual(windowBytes);
    }
    const sentBytes = batches.reduce((sum, { bytes }) => sum + bytes, 0);
    expect(of("ack").reduce((sum, { bytes }) => sum + bytes, 0)).toBe(sentBytes);
    const { bandwidthBitsPerSecond, roundTripTimeMs, inFlightBytes } = of("ack").at(-1) as ReturnType<
      typeof of<"ack">
    >[0];
    expect([roundTripTimeMs > 39, bandwidthBitsPerSecond !== undefined, inFlightBytes]).toEqual([true, true, 0]);
  });

  it("tells when the window goes on by other rules", () => {
    const { pair, of } = tracedPair();
    for (let i = 0; i < 2; i++) pair.input(pair.client, (s, now) => s.send(0, binary(10_000_000), now));
    pair.run(14_000);
    expect(
      of("window")
        .map(({ phase }) => phase)
        .slice(0, 3),
    ).toEqual(["steady", "draining", "steady"]);
    expect(of("window").every(({ windowBytes }) => windowBytes > 0)).toBe(true);
  });

  it("tells of messages, transports and credit, in the order in which it happens", () => {
    const { pair, events, of } = tracedPair();
    pair.input(pair.client, (s, now) => s.send(0, binary(200_000), now));
    pair.run(100).cut().run(5000);
    expect(of("transport").map(({ state, line }) => [state, line])).toEqual([
      ["attached", 1],
      ["detached", 1],
      ["attached", 2],
    ]);
    expect(of("batch").some(({ end }) => end === "replay")).toBe(true);
    expect(of("message").map(({ state }) => state)).toEqual(["queued", "started", "written", "delivered"]);
    expect(of("message").at(-1)?.waitedMs).toBeGreaterThan(200);
    expect(of("credit").length).toBeGreaterThan(0);
    const times = events.map(({ at }) => at);
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });

  it("is not asked for: nothing is noted, and all is the same", () => {
    const traced = tracedPair();
    const plain = new Pair({ rateBitsPerSecond: 10e6 }).connect().run(500);
    for (const pair of [traced.pair, plain]) {
      pair.input(pair.client, (s, now) => s.send(0, binary(300_000), now));
      pair.run(2000);
    }
    expect(plain.client.session.stats).toEqual(traced.pair.client.session.stats);
    expect(traced.events.length).toBeGreaterThan(20);
  });
});

describe("what the head of a channel waits for", () => {
  const SPACE = {
    batchBytesMax: 1400,
    wholeBytesMax: 1400,
    allowanceBytes: Number.POSITIVE_INFINITY,
    budgetBytes: 1,
    overdraftBytes: 0,
  };

  function outbound() {
    const sender = new Sender({ chunkBytes: 16_384 }, () => {});
    const limits = { chunkBytes: 65_536, windowBytes: 1 << 20, replayBytesMax: 1 << 20 };
    const made = new Outbound(sender, limits);
    const poll = (space = SPACE) => {
      while (made.pollBatch(space, undefined, 0) !== undefined) {
        // All that may leave.
      }
    };
    return { sender, outbound: made, poll };
  }

  it("is nothing where nothing waits, and a transport before there is one", () => {
    const { sender, outbound: made, poll } = outbound();
    expect(made.waitingFor(0)).toBeUndefined();
    sender.send(0, text("x"));
    expect(made.waitingFor(0)).toBe("transport");
    poll({ ...SPACE, budgetBytes: 0 });
    expect(made.waitingFor(0)).toBe("transport");
    poll();
    expect([made.waitingFor(0), made.waitingFor(77)]).toEqual([undefined, undefined]);
  });

  it("is the window, and for who could go beyond it the others", () => {
    const { sender, outbound: made, poll } = outbound();
    sender.send(0, binary(60_000));
    poll();
    expect(made.waitingFor(0)).toBe("window");
    sender.setPriority(0, "high");
    expect(made.waitingFor(0)).toBe("other channels");
  });

  it("is the peer's credit", () => {
    const { sender, outbound: made, poll } = outbound();
    sender.send(0, binary(500_000));
    poll({ ...SPACE, overdraftBytes: 1 << 20 });
    expect(made.waitingFor(0)).toBe("credit");
    sender.handleCredit(0, 1_000_000);
    poll();
    expect(made.waitingFor(0)).toBe("window");
  });

  it("is the source", () => {
    const { sender, outbound: made, poll } = outbound();
    const id = sender.send(0, { text: false, totalBytes: 5000, wantsProgress: false });
    poll();
    expect(made.waitingFor(0)).toBe("source");
    sender.messages.supply(id, new Uint8Array(300), false);
    poll();
    expect(made.waitingFor(0)).toBe("source");
    sender.messages.supply(id, new Uint8Array(4700), true);
    poll({ ...SPACE, overdraftBytes: 100_000 });
    expect(made.waitingFor(0)).toBeUndefined();
  });

  it("is a transport wherever the session has none", () => {
    const pair = new Pair().connect().run(500);
    pair.network = "down";
    pair.cut();
    pair.input(pair.client, (s, now) => s.send(0, text("x"), now));
    expect(pair.client.session.waitingFor(0)).toBe("transport");
  });
});
