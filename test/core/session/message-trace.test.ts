import { describe, expect, it } from "vitest";
import { MessageTrace } from "../../../src/core/session/message-trace.js";
import type { TraceEvent } from "../../../src/core/trace.js";

function traced() {
  const events: TraceEvent[] = [];
  const trace = new MessageTrace((event) => events.push(event));
  const told = () => events.flatMap((event) => (event.type === "message" ? [[event.state, event.waitedMs]] : []));
  return { trace, events, told };
}

describe("MessageTrace", () => {
  it("tells of each step of a message, and how long after it was queued", () => {
    const { trace, events, told } = traced();
    trace.handleSent(7, 2, 100, 1000);
    expect(events).toEqual([
      { type: "message", at: 1000, channel: 2, message: 7, state: "queued", totalBytes: 100, waitedMs: 0 },
    ]);
    trace.handleEvent({ type: "started", message: 7 }, 1010);
    trace.handleEvent({ type: "progress", message: 7, ackedBytes: 5 }, 1020);
    trace.handleEvent({ type: "written", message: 7 }, 1030);
    trace.handleEvent({ type: "delivered", message: 7 }, 1060);
    expect(told()).toEqual([
      ["queued", 0],
      ["started", 10],
      ["written", 30],
      ["delivered", 60],
    ]);
  });

  it("tells how one ended that was not delivered, and nothing of it afterwards", () => {
    const { trace, told } = traced();
    trace.handleSent(1, 0, undefined, 0);
    trace.handleEvent({ type: "dropped", message: 1, fate: "expired" }, 50);
    trace.handleEvent({ type: "delivered", message: 1 }, 60);
    trace.handleEvent({ type: "written", message: 99 }, 60);
    expect(told()).toEqual([
      ["queued", 0],
      ["expired", 50],
    ]);
  });
});
