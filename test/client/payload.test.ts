import { describe, expect, it } from "vitest";
import { payloadOf } from "../../src/client/payload.js";
import { encoded } from "../../src/core/content.js";
import type { Payload, Source } from "../../src/driver/pending-message.js";
import { TestText } from "../support/ports.js";

const payload = (data: unknown): Payload => payloadOf(data, (text) => new TestText(text));

function bytesOf(data: unknown): number[] {
  const made = payload(data);
  if (made.type === "source") throw new Error("a source");
  return [...encoded(made.bytes)];
}

function sourceOf(data: unknown): Source {
  const made = payload(data);
  if (made.type !== "source") throw new Error("no source");
  return made.source;
}

/** An object with the brand of `name` and the prototype of nothing: a value from another realm. */
const branded = (name: string, members: object) =>
  Object.assign(Object.create({ [Symbol.toStringTag]: name }), members);

describe("payloadOf", () => {
  it.each([
    ["hello", [104, 101, 108, 108, 111]],
    ["", []],
    ["ä€😀", [0xc3, 0xa4, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98, 0x80]],
    ["a\ud800b", [97, 0xef, 0xbf, 0xbd, 98]],
  ])("makes text of %j", (text, bytes) => {
    expect(payload(text).type).toBe("text");
    expect(bytesOf(text)).toEqual(bytes);
  });

  const buffer = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8).buffer;
  it.each<[string, unknown, number[]]>([
    ["an ArrayBuffer", buffer, [1, 2, 3, 4, 5, 6, 7, 8]],
    ["an empty ArrayBuffer", new ArrayBuffer(0), []],
    ["a view of a part", new Uint8Array(buffer, 2, 3), [3, 4, 5]],
    ["a DataView", new DataView(buffer, 6), [7, 8]],
    ["a view of wider elements", new Uint16Array(buffer, 2, 2), [3, 4, 5, 6]],
    ["a Buffer", Buffer.from([1, 2]), [1, 2]],
    ["a SharedArrayBuffer", new Uint8Array(new SharedArrayBuffer(2)).fill(9).buffer, [9, 9]],
  ])("makes a binary message of %s", (_, data, bytes) => {
    expect(payload(data).type).toBe("binary");
    expect(bytesOf(data)).toEqual(bytes);
  });

  it("takes a snapshot: what is written afterwards is not sent", () => {
    const view = Uint8Array.of(1, 2, 3);
    const [ofView, ofBuffer] = [payload(view), payload(view.buffer)];
    view.fill(9);
    expect(ofView).toMatchObject({ bytes: Uint8Array.of(1, 2, 3) });
    expect(ofBuffer).toMatchObject({ bytes: Uint8Array.of(1, 2, 3) });
  });

  it("copies no more than the view shows", () => {
    const made = payload(new Uint8Array(new ArrayBuffer(1 << 20), 0, 3));
    expect(made.type === "binary" && encoded(made.bytes).buffer.byteLength).toBe(3);
  });

  it("knows an ArrayBuffer of another realm by its brand", () => {
    const foreign = structuredClone(buffer);
    Object.setPrototypeOf(foreign, { [Symbol.toStringTag]: "ArrayBuffer" });
    expect(foreign instanceof ArrayBuffer).toBe(false);
    expect(bytesOf(foreign)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it.each([
    ["Blob", new Blob(["0123456789"])],
    ["File", new File(["0123456789"], "digits.txt")],
  ])("reads a %s only when it is asked to, and only that part", async (_, blob) => {
    const source = sourceOf(blob);
    expect(source.totalBytes).toBe(10);
    expect(Buffer.from(await source.read(3, 4)).toString()).toBe("3456");
    expect(await source.read(0, 10)).toBeInstanceOf(Uint8Array);
    expect(Buffer.from(await source.read(8, 10)).toString()).toBe("89");
  });

  it("reads an empty Blob", () => {
    expect(sourceOf(new Blob([])).totalBytes).toBe(0);
  });

  it("knows a Blob of another realm, and fails by its promise when that cannot be read", async () => {
    const source = sourceOf(branded("Blob", { size: 3, slice: () => ({}) }));
    expect(source.totalBytes).toBe(3);
    await expect(source.read(0, 3)).rejects.toBeInstanceOf(TypeError);
  });

  it("makes a source of a stream, which is not read yet, and refuses one that somebody else reads", () => {
    const stream = new ReadableStream<Uint8Array>();
    expect(sourceOf(stream).totalBytes).toBeUndefined();
    expect(stream.locked).toBe(false);
    stream.getReader();
    expect(() => payload(stream)).toThrow(TypeError);
  });

  it.each<[unknown, string]>([
    [1, "1"],
    [-0, "0"],
    [10n, "10"],
    [true, "true"],
    [null, "null"],
    [undefined, "undefined"],
    [{}, "[object Object]"],
    [[1, [2, 3]], "1,2,3"],
    [new Date(0), String(new Date(0))],
    [{ toString: () => "own", valueOf: () => 1 }, "own"],
    [new URL("https://example.com/"), "https://example.com/"],
  ])("makes text of %o, as WebIDL does", (data, text) => {
    expect(payload(data)).toEqual({ type: "text", bytes: new TestText(text) });
  });

  it.each<[string, unknown]>([
    ["a symbol", Symbol("a")],
    ["an object that has no string", Object.create(null)],
    ["a promise", Promise.resolve("a")],
  ])("refuses %s", (_, data) => {
    expect(() => payload(data)).toThrow(TypeError);
  });

  it("lets through what a value's own `toString` throws", () => {
    const error = new Error("mine");
    const thrower = {
      toString() {
        throw error;
      },
    };
    expect(() => payload(thrower)).toThrow(error);
  });
});
