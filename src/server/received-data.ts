/** What binary messages are given as, as in `ws`; `"blob"`, too, which its types do not name. */
export type ServerBinaryType = "nodebuffer" | "arraybuffer" | "fragments";

/** A received message, as `binaryType` asks for it. Text is a Buffer always, as with `ws`. */
export function receivedData(
  data: Buffer,
  isBinary: boolean,
  binaryType: ServerBinaryType | "blob",
): Buffer | ArrayBuffer | Buffer[] | Blob {
  if (!isBinary) return data;
  switch (binaryType) {
    case "nodebuffer":
      return data;
    case "arraybuffer":
      return arrayBufferOf(data);
    case "fragments":
      return [data];
    case "blob":
      return new Blob([data as Buffer<ArrayBuffer>]);
  }
}

export function isBinaryType(value: unknown): value is ServerBinaryType {
  return value === "nodebuffer" || value === "arraybuffer" || value === "fragments" || value === "blob";
}

/** Without a copy where the Buffer has all of its memory to itself. */
function arrayBufferOf(data: Buffer): ArrayBuffer {
  const { buffer, byteOffset, byteLength } = data;
  if (buffer instanceof ArrayBuffer && byteLength === buffer.byteLength) return buffer;
  return buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;
}
