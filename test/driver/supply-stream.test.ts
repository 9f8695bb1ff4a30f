import { ReadableStream } from "node:stream/web";
import { beforeEach, describe, expect, it } from "vitest";
import { SluiceError } from "../../src/core/error.js";
import { Supply } from "../../src/driver/supply.js";
import { SupplySource } from "../../src/driver/supply-stream.js";
import { reactions } from "../support/event-loop.js";

let supply: Supply<number>;
let source: SupplySource<number, string>;
let stream: ReadableStream<string>;
let cancelled: number;

beforeEach(() => {
  supply = new Supply();
  cancelled = 0;
  source = new SupplySource(
    supply,
    (item) => `#${item}`,
    () => {
      cancelled += 1;
    },
  );
  stream = new ReadableStream(source, { highWaterMark: 0 });
});

function end(error?: SluiceError): void {
  supply.end(error);
  source.handleEnd();
}

describe("SupplySource", () => {
  it("takes one item for each read, and none ahead", async () => {
    for (const item of [1, 2, 3]) supply.push(item);
    await reactions();
    expect(supply.length).toBe(3);
    const reader = stream.getReader();
    expect(await reader.read()).toEqual({ done: false, value: "#1" });
    await reactions();
    expect(supply.length).toBe(2);
  });

  it("answers a read that waits when something comes", async () => {
    const reader = stream.getReader();
    const reads = [reader.read(), reader.read(), reader.read()];
    await reactions();
    supply.push(1);
    await reactions();
    supply.push(2);
    await reactions();
    end();
    expect(await Promise.all(reads)).toMatchObject([{ value: "#1" }, { value: "#2" }, { done: true }]);
  });

  it("is closed at the end without a read when nothing is left", async () => {
    const reader = stream.getReader();
    await reactions();
    end();
    await reader.closed;
  });

  it("is closed with the last item", async () => {
    supply.push(1);
    end();
    const reader = stream.getReader();
    await reader.read();
    await reader.closed;
  });

  it("is closed from the beginning when everything is over", async () => {
    const ended = new Supply<number>();
    ended.end(undefined);
    const late = new ReadableStream(new SupplySource(ended, String, () => {}), { highWaterMark: 0 });
    await late.getReader().closed;
  });

  it("fails behind what is held", async () => {
    supply.push(1);
    end(new SluiceError("ERR_CONNECTION_LOST", "cut"));
    const reader = stream.getReader();
    expect(await reader.read()).toEqual({ done: false, value: "#1" });
    await expect(reader.read()).rejects.toMatchObject({ code: "ERR_CONNECTION_LOST" });
  });

  it("fails a read that waits", async () => {
    const reader = stream.getReader();
    const read = reader.read();
    await reactions();
    supply.end(new SluiceError("ERR_CONNECTION_LOST", "cut"));
    await expect(read).rejects.toMatchObject({ code: "ERR_CONNECTION_LOST" });
  });

  it("takes nothing more once it is cancelled, not even for a read that waits", async () => {
    const reader = stream.getReader();
    const read = reader.read();
    await reactions();
    await reader.cancel();
    expect([await read, cancelled]).toEqual([{ done: true, value: undefined }, 1]);
    supply.push(1);
    end();
    expect(supply.length).toBe(1);
  });
});
