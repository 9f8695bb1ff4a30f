import type { OutgoingMessage } from "./outgoing-message.js";

/**
 * Which messages may be under way in pieces at the same time, so that the peer's room for reassembly is never
 * exceeded (LIM-05): a message is reserved whole before its first piece leaves.
 */
export class Admission {
  readonly #reserved = new Map<OutgoingMessage, number>();
  #reservedBytes = 0;

  /** Whether `message` may be begun, or has been. Unknown lengths count as the largest message. */
  admits(message: OutgoingMessage, limits: AdmissionLimits): boolean {
    if (this.#reserved.has(message)) return true;
    if (this.#reserved.size >= limits.reassemblyMessagesMax) return false;
    return this.#reservedBytes + size(message, limits) <= limits.reassemblyBytesMax;
  }

  begin(message: OutgoingMessage, limits: AdmissionLimits): void {
    if (this.#reserved.has(message)) return;
    const bytes = size(message, limits);
    this.#reserved.set(message, bytes);
    this.#reservedBytes += bytes;
  }

  end(message: OutgoingMessage): void {
    this.#reservedBytes -= this.#reserved.get(message) ?? 0;
    this.#reserved.delete(message);
  }
}

interface AdmissionLimits {
  readonly messageBytesMax: number;
  readonly reassemblyBytesMax: number;
  readonly reassemblyMessagesMax: number;
}

function size(message: OutgoingMessage, limits: AdmissionLimits): number {
  return message.totalBytes ?? limits.messageBytesMax;
}
