/** What binary messages become. */
export type SluiceBinaryType = "blob" | "arraybuffer";

/** The `data` of a `message` event, as the binary type of its moment says. */
export function dataOf(data: string | Uint8Array, binaryType: SluiceBinaryType): string | Blob | ArrayBuffer {
  if (typeof data === "string") return data;
  if (binaryType === "blob") return new Blob([data as Uint8Array<ArrayBuffer>]);
  const isWhole = data.byteLength === data.buffer.byteLength;
  return (isWhole ? data.buffer : data.slice().buffer) as ArrayBuffer;
}
