import { describe, expect, it } from "vitest";
import {
  batchEvent,
  COMMENT,
  closeEvent,
  EventStreamReader,
  PRELUDE,
  type StreamEvent,
} from "../../../src/transport/http/event-stream.js";

const bytes = (text: string) => new Uint8Array(Buffer.from(text, "latin1"));
const base64Url = (...values: number[]) => Buffer.from(values).toString("base64url");

function read(text: string, max = 100): { events: StreamEvent[]; isViolated: boolean; comments: number } {
  const reader = new EventStreamReader(max);
  const events = reader.push(bytes(text));
  return { events, isViolated: reader.isViolated, comments: reader.comments };
}

const batch = (position: number, ...values: number[]) => ({
  type: "batch" as const,
  position,
  batch: Uint8Array.from(values),
});

describe("event streams", () => {
  it("begin with 2 KiB that are no event", () => {
    expect(PRELUDE.length).toBeGreaterThanOrEqual(2048);
    expect(read(PRELUDE + COMMENT)).toEqual({ events: [], isViolated: false, comments: 2 });
  });

  it("give back what was written", () => {
    const text =
      PRELUDE + batchEvent(1, base64Url(1, 2, 3)) + COMMENT + batchEvent(2, base64Url(0xff)) + closeEvent(4001);
    expect(read(text).events).toEqual([batch(1, 1, 2, 3), batch(2, 0xff), { type: "close", code: 4001 }]);
  });

  it.each([
    ["LF", "\n"],
    ["CR", "\r"],
    ["CRLF", "\r\n"],
  ])("are read with lines that end with %s", (_, end) => {
    const text = `${batchEvent(1, base64Url(1))}:c\n\n${batchEvent(2, base64Url(2))}`.replaceAll("\n", end);
    expect(read(text)).toEqual({ events: [batch(1, 1), batch(2, 2)], isViolated: false, comments: 1 });
    const reader = new EventStreamReader(100);
    expect([...text].flatMap((char) => reader.push(bytes(char)))).toEqual([batch(1, 1), batch(2, 2)]);
  });

  it.each([
    ["without the space behind a colon", "id:1\ndata:AQ\n\n", [batch(1, 1)]],
    ["in another order", "data: AQ\nid: 1\n\n", [batch(1, 1)]],
    ["with fields that nobody knows", "retry: 10\nfoo\nid: 1\ndata: AQ\nbar: x\n\n", [batch(1, 1)]],
    ["with an id alone", "id: 1\n\nid: 2\ndata: AQ\n\n", [batch(2, 1)]],
    ["unfinished at the end", "id: 1\ndata: AQ\n\nid: 2\ndata: AQ\n", [batch(1, 1)]],
  ])("are read %s", (_, text, events) => {
    expect(read(text)).toMatchObject({ events, isViolated: false });
  });

  it.each([
    ["a batch without a position", "data: AQ\n\n"],
    ["position 0", "id: 0\ndata: AQ\n\n"],
    ["a position that is none", "id: 1x\ndata: AQ\n\n"],
    ["a position beyond all bounds", `id: ${"9".repeat(20)}\ndata: AQ\n\n`],
    ["a position that stood in another event", "id: 1\n\ndata: AQ\n\n"],
    ["an empty batch", "id: 1\ndata: \n\n"],
    ["data that is no base64url", "id: 1\ndata: A*\n\n"],
    ["padding", "id: 1\ndata: AQ==\n\n"],
    ["bits that mean nothing", "id: 1\ndata: AR\n\n"],
    ["data in two lines", "id: 1\ndata: AQ\ndata: AQ\n\n"],
    ["an event of another name", "event: message\nid: 1\ndata: AQ\n\n"],
    ["a close without a code", "event: close\ndata: bye\n\n"],
    ["a close code that is none", "event: close\ndata: 0100\n\n"],
    ["a line over the limit", `id: 1\ndata: ${"A".repeat(300)}\n\n`],
    ["a line without end", "x".repeat(300)],
  ])("are not ours with %s, and nothing behind it is read", (_, text) => {
    expect(read(`${text}id: 7\ndata: AQ\n\n`)).toMatchObject({ events: [], isViolated: true });
  });

  it("hold a batch of exactly the limit", () => {
    const largest = Array.from({ length: 100 }, (_, i) => i);
    expect(read(batchEvent(999_999, base64Url(...largest))).events).toEqual([batch(999_999, ...largest)]);
  });

  it("may be silent with comments of any length", () => {
    const reader = new EventStreamReader(100);
    for (let i = 0; i < 1000; i++) expect(reader.push(bytes(i === 0 ? ":" : "x".repeat(1000)))).toEqual([]);
    expect(reader.push(bytes(`\n\n${batchEvent(1, base64Url(1))}`))).toEqual([batch(1, 1)]);
  });
});
