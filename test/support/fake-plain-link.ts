import type { PlainData, PlainHandler, PlainLink } from "../../src/transport/plain.js";
import type { TransportDeath } from "../../src/transport/transport.js";

/** An ordinary WebSocket whose events and buffer are what a test says. */
export class FakePlainLink implements PlainLink {
  isOpen = false;
  bufferedBytes = 0;
  /** What the buffer grows by with each message, once a test has set it. */
  keeps = false;
  readonly sent: PlainData[] = [];
  readonly calls: string[] = [];
  #handler: PlainHandler | undefined;

  start(handler: PlainHandler): void {
    this.#handler = handler;
  }

  send(data: PlainData): void {
    if (!this.isOpen) throw new Error("not open");
    this.sent.push(data);
    if (this.keeps)
      this.bufferedBytes += typeof data === "string" || data instanceof Uint8Array ? data.length : data.size;
  }

  close(code: number, reason: string): void {
    this.calls.push(`close ${code} ${reason}`);
    this.isOpen = false;
  }

  abandon(): void {
    this.calls.push("abandon");
  }

  terminate(): void {
    this.calls.push("terminate");
    this.isOpen = false;
  }

  open(): void {
    this.isOpen = true;
    this.#handler?.handleOpen({ subprotocol: "chat", extensions: "" });
  }

  say(data: string | Uint8Array): void {
    this.#handler?.handleMessage(data);
  }

  die(death: Partial<TransportDeath> = {}): void {
    this.isOpen = false;
    this.#handler?.handleClosed({ wasClean: false, code: 1006, reason: "", ...death });
  }
}
