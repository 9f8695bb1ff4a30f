import type { IncomingMessage } from "node:http";
import { BatchStreamReader, type StreamViolation } from "../http/batch-stream.js";

/** How a request body has ended. */
export type BodyEnd =
  /** Read to its end; what was left of an incomplete batch is dropped (BAT-06). */
  | { readonly type: "complete" }
  | { readonly type: "violation"; readonly violation: StreamViolation }
  | { readonly type: "too-large" }
  | { readonly type: "too-slow" }
  /** The connection is gone: nobody waits for an answer. */
  | { readonly type: "cut" };

export interface BodyLimits {
  /** Largest batch, bytes. */
  readonly batchBytesMax: number;
  /** Largest body, bytes. */
  readonly bodyBytesMax: number;
  /** From the head of the request to the end of its body, ms. */
  readonly bodyTimeoutMs: number;
}

/**
 * Reads the batches in a request body, each as soon as it is whole.
 * @param onBatch takes a batch
 * @param onEnd called once, unless the reading was stopped
 * @returns stops the reading
 */
export function readBatches(
  request: IncomingMessage,
  limits: BodyLimits,
  onBatch: (batch: Uint8Array) => void,
  onEnd: (end: BodyEnd) => void,
): () => void {
  const reader = new BatchStreamReader(limits.batchBytesMax);
  let bytes = 0;
  const timer = setTimeout(() => finish({ type: "too-slow" }), limits.bodyTimeoutMs);
  let isReading = true;
  const stop = (): void => {
    isReading = false;
    clearTimeout(timer);
    request.off("data", onData).off("end", onComplete).off("close", onCut);
  };
  const finish = (end: BodyEnd): void => {
    stop();
    onEnd(end);
  };
  const onData = (piece: Buffer): void => {
    bytes += piece.length;
    if (bytes > limits.bodyBytesMax) return finish({ type: "too-large" });
    for (const batch of reader.push(piece)) {
      onBatch(batch);
      // Whoever gets the batches may have had enough.
      if (!isReading) return;
    }
    if (reader.violation !== undefined) finish({ type: "violation", violation: reader.violation });
  };
  const onComplete = (): void => finish({ type: "complete" });
  const onCut = (): void => finish({ type: "cut" });
  // `close` follows.
  request.on("error", () => {});
  request.on("data", onData).on("end", onComplete).on("close", onCut);
  return stop;
}
