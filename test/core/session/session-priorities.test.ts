import { describe, expect, it } from "vitest";
import type { Priority } from "../../../src/core/wire/frame.js";
import { binary, type End, Pair, text } from "../../support/pair.js";

/** About 10 ms of 10 Mbit/s, headers included. */
const CHUNK = 8 * 1024;

function withUpload(priority: Priority, bytes = 4_000_000) {
  const pair = new Pair({ rateBitsPerSecond: 10e6 }).connect().run(100);
  const open = (name: string, of: Priority) => pair.input(pair.client, (s, now) => s.openChannel(name, of, now));
  const upload = open("upload", priority);
  pair.input(pair.client, (s, now) => s.send(upload, binary(bytes), now));
  return { pair, open, upload };
}

/** Payload bytes that have left per wire id of a channel, from batch `from` on. */
function bytesPerChannel(end: End, from = 0): Map<number, number> {
  const sums = new Map<number, number>();
  for (const { frames } of end.sent.slice(from)) {
    for (const frame of frames) {
      if (frame.type === "chunk") sums.set(frame.channel, (sums.get(frame.channel) ?? 0) + frame.payload.length);
    }
  }
  return sums;
}

/** Payload bytes of wire id `id` that leave from batch `from` on, before the text `value` does. */
function bytesBefore(end: End, from: number, id: number, value: string): number {
  let sum = 0;
  for (const { frames } of end.sent.slice(from)) {
    for (const frame of frames) {
      if (frame.type !== "chunk") continue;
      if (Buffer.from(frame.payload).toString() === value) return sum;
      if (frame.channel === id) sum += frame.payload.length;
    }
  }
  throw new Error("it has not left");
}

describe("priorities: a chat line beside an upload of 4 MB", () => {
  it.each<{ chat: Priority; upload: Priority; aheadMax: number }>([
    { chat: "high", upload: "low", aheadMax: 0 },
    { chat: "high", upload: "normal", aheadMax: 0 },
    { chat: "normal", upload: "low", aheadMax: 0 },
    { chat: "normal", upload: "normal", aheadMax: 0 },
    { chat: "low", upload: "normal", aheadMax: 0 },
  ])(
    "$chat beside $upload: at most $aheadMax bytes of the upload leave between `send` and the line",
    ({ chat, upload, aheadMax }) => {
      const { pair, open } = withUpload(upload);
      const channel = open("chat", chat);
      for (let i = 0; i < 20; i++) {
        // A moment of its own in the rhythm of the acks each time.
        pair.run(83 + i * 1.37);
        const from = pair.client.batchesSent.length;
        pair.input(pair.client, (s, now) => s.send(channel, text(`line ${i}`), now));
        pair.run(60);
        expect(bytesBefore(pair.client, from, 1, `line ${i}`)).toBeLessThanOrEqual(aheadMax);
      }
      pair.run(5000);
      expect(pair.server.messages).toHaveLength(21);
    },
  );

  it("a line every millisecond waits for one chunk of a low upload at the most", () => {
    const { pair } = withUpload("low", 1_000_000);
    for (let i = 0; i < 300; i++) {
      pair.run(1);
      const from = pair.client.batchesSent.length;
      pair.input(pair.client, (s, now) => s.send(0, text(`line ${i}`), now));
      pair.run(i % 50 === 0 ? 60 : 0);
      if (i % 50 === 0) expect(bytesBefore(pair.client, from, 1, `line ${i}`)).toBeLessThanOrEqual(CHUNK);
    }
    pair.run(2000);
    expect(pair.server.messages).toHaveLength(301);
  });

  it("what is in front of the line is in flight already: never more than the window", () => {
    const { pair } = withUpload("low");
    let batches = 0;
    pair.client.watch = () => {
      batches += 1;
      const { inFlightBytes, windowBytes } = pair.client.session.stats;
      expect(inFlightBytes).toBeLessThanOrEqual(windowBytes);
    };
    pair.run(1370);
    expect(batches).toBeGreaterThan(100);
  });

  it("a high line leaves at once, also through a full window", () => {
    const { pair, open } = withUpload("low");
    const chat = open("chat", "high");
    for (let i = 0; i < 50; i++) {
      pair.run(7.3);
      const from = pair.client.batchesSent.length;
      pair.input(pair.client, (s, now) => s.send(chat, text(`line ${i}`), now));
      expect(pair.client.sent.slice(from).some(({ frames }) => frames.some(({ type }) => type === "chunk"))).toBe(true);
    }
  });

  it("arrives before the rest of the upload, on the other end, too", () => {
    const { pair } = withUpload("low", 1_000_000);
    pair.run(50);
    pair.input(pair.client, (s, now) => s.send(0, text("first"), now));
    pair.run(3000);
    expect(pair.server.messages.map((message) => message.length)).toEqual([5, 1_000_000]);
  });

  it("works the same from the server to the client", () => {
    const pair = new Pair({ rateBitsPerSecond: 10e6 }).connect().run(100);
    const upload = pair.input(pair.server, (s, now) => s.openChannel("upload", "low", now));
    pair.input(pair.server, (s, now) => s.send(upload, binary(1_000_000), now));
    pair.run(50);
    const from = pair.server.batchesSent.length;
    pair.input(pair.server, (s, now) => s.send(0, text("first"), now));
    pair.run(3000);
    expect(bytesBefore(pair.server, from, 1, "first")).toBe(0);
    expect(pair.client.messages.map((message) => message.length)).toEqual([5, 1_000_000]);
  });
});

describe("priorities: shares", () => {
  it("normal and low uploads share 4 : 1 through the window", () => {
    const { pair, open } = withUpload("normal", 4_000_000);
    const other = open("other", "low");
    pair.input(pair.client, (s, now) => s.send(other, binary(4_000_000), now));
    const from = pair.client.batchesSent.length;
    pair.run(3000);
    const sums = bytesPerChannel(pair.client, from);
    const ratio = (sums.get(1) as number) / (sums.get(2) as number);
    expect(ratio).toBeGreaterThan(3.6);
    expect(ratio).toBeLessThan(4.4);
  });

  it("equal uploads share equally", () => {
    const { pair, open } = withUpload("normal", 4_000_000);
    for (const name of ["b", "c"]) {
      const channel = open(name, "normal");
      pair.input(pair.client, (s, now) => s.send(channel, binary(4_000_000), now));
    }
    const from = pair.client.batchesSent.length;
    pair.run(3000);
    const sums = [...bytesPerChannel(pair.client, from).values()];
    expect(Math.max(...sums) / Math.min(...sums)).toBeLessThan(1.1);
  });

  // Each sends its next message when the last one has been written: always out of work while the window is full.
  it.each<{ priority: Priority; count: number; size: number; shareMin: number }>([
    { priority: "normal", count: 1, size: 15_000, shareMin: 0.45 },
    { priority: "normal", count: 2, size: 15_000, shareMin: 0.3 },
    { priority: "low", count: 2, size: 15_000, shareMin: 0.6 },
    { priority: "low", count: 4, size: 8000, shareMin: 0.4 },
  ])(
    "$count $priority senders that always wait for `written` leave a normal upload its share",
    ({ priority, count, size, shareMin }) => {
      const { pair, open } = withUpload("normal", 4_000_000);
      const owner = new Map<number, number>();
      const send = (channel: number) => {
        const id = pair.input(pair.client, (s, now) => s.send(channel, binary(size), now));
        owner.set(id, channel);
      };
      pair.client.react = (event) => {
        const channel = event.type === "written" ? owner.get(event.message) : undefined;
        if (channel !== undefined) send(channel);
      };
      for (let i = 0; i < count; i++) send(open(`sender ${i}`, priority));
      const from = pair.client.batchesSent.length;
      pair.run(2000);
      const sums = bytesPerChannel(pair.client, from);
      const all = [...sums.values()].reduce((a, b) => a + b);
      expect((sums.get(1) as number) / all).toBeGreaterThanOrEqual(shareMin);
    },
  );

  it("a change of priority counts from the next chunk on, in the middle of a message", () => {
    const { pair, open, upload } = withUpload("low", 400_000);
    const other = open("other", "normal");
    pair.input(pair.client, (s, now) => s.send(other, binary(2_000_000), now));
    pair.run(200);
    pair.input(pair.client, (s, now) => s.setPriority(upload, "high", now));
    const from = pair.client.batchesSent.length;
    pair.run(100);
    const raised = bytesPerChannel(pair.client, from);
    expect([...raised.keys()][0]).toBe(1);
    // Half of what comes through, and a bucket full.
    expect(raised.get(1) as number).toBeGreaterThan(raised.get(2) ?? 0);
    pair.input(pair.client, (s, now) => s.setPriority(upload, "low", now));
    const later = pair.client.batchesSent.length;
    pair.run(200);
    const sums = bytesPerChannel(pair.client, later);
    expect(sums.get(2) as number).toBeGreaterThan(2 * (sums.get(1) ?? 0));
    pair.run(5000);
    expect(pair.server.messages).toHaveLength(2);
  });
});
