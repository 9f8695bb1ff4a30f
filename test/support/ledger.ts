import type { EndEvent } from "./pair.js";

export type Speaker = "client" | "server";

interface Promise_ {
  readonly value: string;
  isReceived: boolean;
  fate: string | undefined;
}

/**
 * What two applications can rely on, whatever becomes of transports, servers and sessions: per direction and channel,
 * what was sent, what has arrived, and what was told of it. Knows no batch, no token and no clock.
 */
export class Ledger {
  readonly #sent = new Map<string, Promise_[]>();
  readonly #byMessage = new Map<string, Promise_>();
  received = 0;
  readonly fates = new Map<string, number>();

  handleSend(from: Speaker, channel: string, message: number, value: string): void {
    const promise: Promise_ = { value, isReceived: false, fate: undefined };
    this.#queue(from, channel).push(promise);
    this.#byMessage.set(`${from} ${message}`, promise);
  }

  /** It is the next one of its channel: none twice, none before another, none that was said not to have left. */
  handleMessage(to: Speaker, channel: string, value: string): void {
    const queue = this.#queue(to === "client" ? "server" : "client", channel);
    const next = queue.find(({ isReceived, fate }) => !isReceived && (fate === undefined || fate === "unknown"));
    if (next?.value !== value) throw new Error(`${to} got "${value}" on "${channel}", not "${next?.value}"`);
    next.isReceived = true;
    this.received += 1;
  }

  /** One fate each, and a true one. */
  handleFate(from: Speaker, event: EndEvent): void {
    if (event.type !== "delivered" && event.type !== "dropped") return;
    const promise = this.#byMessage.get(`${from} ${event.message}`);
    const fate = event.type === "delivered" ? "delivered" : event.fate;
    if (promise === undefined || promise.fate !== undefined) throw new Error(`${from}: ${fate} of nothing`);
    promise.fate = fate;
    this.fates.set(fate, (this.fates.get(fate) ?? 0) + 1);
    const mustBe = {
      delivered: true,
      "never-written": false,
      cancelled: false,
      "too-large": false,
      unknown: undefined,
    };
    const isReceived = mustBe[fate as keyof typeof mustBe];
    if (isReceived !== undefined && promise.isReceived !== isReceived) {
      throw new Error(`${from}: "${promise.value}" is ${fate}, and ${promise.isReceived ? "has" : "has not"} arrived`);
    }
  }

  /** Messages of `from` that nothing final is known of. */
  openOf(from: Speaker): string[] {
    return [...this.#byMessage]
      .filter(([key, { fate }]) => key.startsWith(from) && fate === undefined)
      .map(([, { value }]) => value);
  }

  #queue(from: Speaker, channel: string): Promise_[] {
    const key = `${from} ${channel}`;
    const known = this.#sent.get(key) ?? [];
    this.#sent.set(key, known);
    return known;
  }
}
