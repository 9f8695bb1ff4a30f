import type { IncomingMessage } from "node:http";
import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { batchStream } from "../../../src/transport/http/batch-stream.js";
import { type BodyEnd, readBatches } from "../../../src/transport/node/http-body.js";
import { reactions } from "../../support/event-loop.js";

const LIMITS = { batchBytesMax: 100, bodyBytesMax: 1000, bodyTimeoutMs: 60_000 };
const bytes = (...values: number[]) => Uint8Array.from(values);

function read(limits: Partial<typeof LIMITS> = {}, onBatch: (batch: Uint8Array) => void = () => {}) {
  const body = new PassThrough();
  const batches: number[][] = [];
  const ends: BodyEnd[] = [];
  const take = (batch: Uint8Array): void => {
    batches.push([...batch]);
    onBatch(batch);
  };
  const stop = readBatches(body as unknown as IncomingMessage, { ...LIMITS, ...limits }, take, (end) => ends.push(end));
  return { body, batches, ends, stop };
}

describe("BAT-06: the body of a POST", () => {
  it("gives each batch as soon as it is whole, and its end once", async () => {
    const { body, batches, ends } = read();
    const stream = batchStream([bytes(1), bytes(2, 3)]);
    body.write(stream.subarray(0, 3));
    await reactions();
    expect([batches, ends]).toEqual([[[1]], []]);
    body.end(stream.subarray(3));
    await reactions();
    expect([batches, ends]).toEqual([[[1], [2, 3]], [{ type: "complete" }]]);
    await reactions();
    expect(body.listenerCount("data")).toBe(0);
  });

  it("drops a batch that is incomplete", async () => {
    const { body, batches, ends } = read();
    body.end(batchStream([bytes(1), bytes(2, 3)]).subarray(0, 4));
    await reactions();
    expect([batches, ends]).toEqual([[[1]], [{ type: "complete" }]]);
  });

  it.each<[string, (body: PassThrough) => void, BodyEnd | object]>([
    ["is cut", (body) => body.destroy(), { type: "cut" }],
    ["is broken", (body) => body.destroy(new Error("aborted")), { type: "cut" }],
    ["has a batch of no bytes", (body) => body.write(bytes(0)), { type: "violation", violation: { code: 1002 } }],
    [
      "has a batch over the limit",
      (body) => body.write(bytes(0x40, 101)),
      { type: "violation", violation: { code: 1009 } },
    ],
    ["is too large", (body) => body.write(batchStream(Array(11).fill(new Uint8Array(99)))), { type: "too-large" }],
  ])("is read up to the place where it %s", async (_, breaks, end) => {
    const { body, batches, ends } = read();
    body.write(batchStream([bytes(1)]));
    await reactions();
    breaks(body);
    for (let i = 0; i < 3; i++) await reactions();
    body.emit("data", Buffer.from(batchStream([bytes(9)])));
    expect([batches[0], batches.some(([first]) => first === 9)]).toEqual([[1], false]);
    expect(ends).toMatchObject([end]);
  });

  it("may take only so long", async () => {
    const { body, ends } = read({ bodyTimeoutMs: 10 });
    body.write(bytes(5, 1));
    while (ends.length === 0) await reactions();
    expect(ends).toEqual([{ type: "too-slow" }]);
  });

  it("is read no further once somebody has stopped it, also from a batch", async () => {
    const first = read();
    first.stop();
    first.body.end(batchStream([bytes(1)]));
    const second = read({}, () => second.stop());
    second.body.end(batchStream([bytes(1), bytes(2)]));
    for (let i = 0; i < 3; i++) await reactions();
    expect([first.batches, first.ends, second.batches, second.ends]).toEqual([[], [], [[1]], []]);
  });
});
