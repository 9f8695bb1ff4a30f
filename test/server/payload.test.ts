import { describe, expect, it } from "vitest";
import { encoded } from "../../src/core/content.js";
import type { Payload } from "../../src/driver/pending-message.js";
import { payloadOf } from "../../src/server/payload.js";

const shown = (payload: Payload) =>
  payload.type === "source" ? "source" : [payload.type, Buffer.from(encoded(payload.bytes)).toString("latin1")];

const bytes = Uint8Array.of(97, 98, 99, 100);

function locked(): ReadableStream {
  const stream = new ReadableStream();
  stream.getReader();
  return stream;
}

describe("payloadOf", () => {
  it.each<[string, unknown, boolean | undefined, unknown]>([
    ["a string", "ab", undefined, ["text", "ab"]],
    ["a string as binary", "ab", true, ["binary", "ab"]],
    ["a string as text", "ab", false, ["text", "ab"]],
    ["an empty string", "", undefined, ["text", ""]],
    ["a number", 12, undefined, ["text", "12"]],
    ["a Buffer", Buffer.from("ab"), undefined, ["binary", "ab"]],
    ["a Buffer as text", Buffer.from("ab"), false, ["text", "ab"]],
    ["a view of a part", bytes.subarray(1, 3), undefined, ["binary", "bc"]],
    ["a DataView", new DataView(bytes.buffer, 2), undefined, ["binary", "cd"]],
    ["an ArrayBuffer", bytes.buffer, undefined, ["binary", "abcd"]],
    ["an ArrayBuffer as text", bytes.buffer, false, ["text", "abcd"]],
    ["a SharedArrayBuffer", new SharedArrayBuffer(2), undefined, ["binary", "\0\0"]],
    ["an array of bytes", [97, 98], undefined, ["binary", "ab"]],
    ["a boxed string", new String("ab"), undefined, ["binary", "ab"]],
    ["what a Buffer is in JSON", { type: "Buffer", data: [97] }, undefined, ["binary", "a"]],
    ["nothing", undefined, undefined, ["binary", ""]],
    ["null", null, undefined, ["binary", ""]],
    ["a Blob", new Blob(["ab"]), undefined, "source"],
    ["a File", new File(["ab"], "name"), undefined, "source"],
    ["a stream", new ReadableStream(), undefined, "source"],
  ])("of %s", (_, data, binary, payload) => {
    expect(shown(payloadOf(data, binary))).toEqual(payload);
  });

  it("is a snapshot, of a Buffer from the pool too", () => {
    const data = Buffer.from("ab");
    const payload = payloadOf(data);
    data.fill(0);
    expect(shown(payload)).toEqual(["binary", "ab"]);
    expect(payload.type === "binary" && encoded(payload.bytes).buffer.byteLength).toBe(2);
  });

  it("reads a Blob piece by piece", async () => {
    const payload = payloadOf(new Blob(["0123456789"]));
    if (payload.type !== "source") throw new Error("no source");
    expect(payload.source.totalBytes).toBe(10);
    expect(Buffer.from(await payload.source.read(3, 4)).toString()).toBe("3456");
  });

  it.each<[string, unknown]>([
    ["an object", {}],
    ["a boolean", true],
    ["a symbol", Symbol("a")],
    ["a promise", Promise.resolve("a")],
    ["a stream that somebody else reads", locked()],
  ])("refuses %s", (_, data) => {
    expect(() => payloadOf(data)).toThrow(TypeError);
  });
});
