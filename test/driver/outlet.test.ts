import { WritableStream } from "node:stream/web";
import { beforeEach, describe, expect, it } from "vitest";
import { Gates } from "../../src/driver/gate.js";
import { Outlet } from "../../src/driver/outlet.js";
import { ReceiptControl } from "../../src/driver/receipt.js";
import { SendBudget } from "../../src/driver/send-bounds.js";
import { reactions } from "../support/event-loop.js";

let gates: Gates;
let outlet: Outlet<string, WritableStream<string>>;
let buffered: number;
let story: string[];
let streams: number;

beforeEach(() => {
  gates = new Gates({ highWaterMark: 10, maxBufferedAmount: 1000 });
  buffered = 0;
  story = [];
  streams = 0;
  outlet = new Outlet<string, WritableStream<string>>({
    gates,
    budget: new SendBudget(1000),
    bufferedBytes: () => buffered,
    queuedBytes: () => buffered,
    onDrain: () => story.push("drain"),
    send: (data) => {
      const control = new ReceiptControl();
      control.handleDelivered();
      story.push(data);
      return control.receipt;
    },
    close: () => story.push("close"),
    streamOf: (sink) => {
      streams += 1;
      return new WritableStream(sink);
    },
  });
});

describe("Outlet", () => {
  it("is a gate of its channel", async () => {
    buffered = 12;
    outlet.handleSent();
    const { ready } = outlet;
    expect([outlet.desiredSize, outlet.ready === ready]).toEqual([-2, true]);
    buffered = 0;
    gates.handleTurn();
    await ready;
    expect([outlet.desiredSize, story]).toEqual([10, ["drain"]]);
  });

  it("makes one stream, when somebody asks for it", async () => {
    expect(streams).toBe(0);
    const { stream } = outlet;
    expect(outlet.stream).toBe(stream);
    const writer = stream.getWriter();
    await writer.write("a");
    await writer.close();
    expect([story, streams]).toEqual([["a", "close"], 1]);
  });

  it("ends with both", async () => {
    buffered = 12;
    outlet.handleSent();
    const { ready, stream } = outlet;
    const writer = stream.getWriter();
    outlet.end();
    await ready;
    await expect(writer.closed).rejects.toMatchObject({ code: "ERR_NEVER_WRITTEN" });
    buffered = 0;
    gates.handleTurn();
    expect([outlet.desiredSize, story]).toEqual([0, []]);
  });

  it("breaks a stream that is asked for behind the end", async () => {
    outlet.end();
    const broken = expect(outlet.stream.getWriter().closed).rejects.toMatchObject({ code: "ERR_NEVER_WRITTEN" });
    await reactions();
    await broken;
  });
});
