import { BatchReader } from "./decode.js";

/** Whether a server of ours begins with this (HSK-01): nobody else has a reason to. */
export function isGreeting(batch: Uint8Array): boolean {
  const reader = new BatchReader(batch);
  return reader.next()?.type === "greeting";
}
