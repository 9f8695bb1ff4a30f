import { describe, expect, it } from "vitest";
import { UnnumberedQueue } from "../../../src/core/session/unnumbered-queue.js";
import { naiveDecode } from "../../support/naive-decoder.js";

const ping = (size: number) => ({ type: "ping", payload: new Uint8Array(size) }) as const;

function pollAll(queue: UnnumberedQueue): Uint8Array[] {
  const batches: Uint8Array[] = [];
  for (let batch = queue.pollBatch(); batch !== undefined; batch = queue.pollBatch()) batches.push(batch);
  return batches;
}

const framesOf = (batches: Uint8Array[]) => batches.flatMap((batch) => naiveDecode(batch).frames);

describe("UnnumberedQueue", () => {
  it("has no batch for nothing", () => {
    expect(new UnnumberedQueue().pollBatch()).toBeUndefined();
  });

  it("puts what waits into one batch, in order", () => {
    const queue = new UnnumberedQueue();
    queue.push(ping(1));
    queue.pushPong(Uint8Array.of(7));
    const batches = pollAll(queue);
    expect(batches.map((batch) => naiveDecode(batch))).toEqual([
      { number: 0, frames: [ping(1), { type: "pong", payload: Uint8Array.of(7) }], isValid: true },
    ]);
  });

  it("LIM-02: makes no batch that a peer might refuse, and loses nothing", () => {
    const queue = new UnnumberedQueue();
    for (let i = 0; i < 500; i++) queue.push(ping(i % 126));
    const batches = pollAll(queue);
    for (const batch of batches) expect(batch.length).toBeLessThanOrEqual(4096);
    expect(framesOf(batches)).toEqual(Array.from({ length: 500 }, (_, i) => ping(i % 126)));
  });

  it("KAL-02: keeps the newest 16 answers", () => {
    const queue = new UnnumberedQueue();
    for (let i = 0; i < 100; i++) queue.pushPong(Uint8Array.of(i));
    expect(framesOf(pollAll(queue)).map((frame) => frame.type === "pong" && frame.payload[0])).toEqual(
      Array.from({ length: 16 }, (_, i) => 84 + i),
    );
  });

  it("KAL-02: drops answers for answers, and nothing of our own", () => {
    const queue = new UnnumberedQueue();
    queue.push(ping(1));
    for (let i = 0; i < 100; i++) queue.pushPong(Uint8Array.of(i));
    expect(framesOf(pollAll(queue))[0]).toEqual(ping(1));
  });

  it("SEC-06: lets what is our own leave where answers may not, and these later", () => {
    const queue = new UnnumberedQueue();
    queue.pushPong(Uint8Array.of(7));
    queue.push(ping(1));
    expect(framesOf([queue.pollBatch(false) as Uint8Array])).toEqual([ping(1)]);
    expect(queue.pollBatch(false)).toBeUndefined();
    expect(framesOf(pollAll(queue))).toEqual([{ type: "pong", payload: Uint8Array.of(7) }]);
  });

  it("keeps an answer, not the batch that the question came in", () => {
    const queue = new UnnumberedQueue();
    const batch = Uint8Array.of(1, 2, 3);
    queue.pushPong(batch.subarray(1, 2));
    batch.fill(9);
    expect(framesOf(pollAll(queue))).toEqual([{ type: "pong", payload: Uint8Array.of(2) }]);
  });

  it("forgets everything", () => {
    const queue = new UnnumberedQueue();
    queue.push(ping(1));
    queue.clear();
    expect(queue.pollBatch()).toBeUndefined();
  });
});
