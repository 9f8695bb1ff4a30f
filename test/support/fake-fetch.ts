import type { HttpPlatform } from "../../src/transport/browser/http-requests.js";
import { FakeHost } from "./fake-host.js";
import { Inbox } from "./inbox.js";

/** A request that somebody has made, for the test to answer. */
export interface FakeRequest {
  readonly url: string;
  readonly init: RequestInit;
  readonly headers: Record<string, string>;
  readonly body: Uint8Array | undefined;
  /** Whether it was aborted. */
  readonly isAborted: boolean;
  answer(status: number, headers?: Record<string, string | number>, body?: BodyInit | null): void;
  /** As a network that does not work. */
  fail(): void;
}

/** A platform whose network and clock are the test. */
export class FakePlatform implements HttpPlatform {
  readonly host = new FakeHost();
  readonly requests = new Inbox<FakeRequest>();
  /** What `fetch` was called on. */
  readonly receivers: unknown[] = [];
  /** The URLs of whose connections somebody has asked. */
  readonly asked: string[] = [];
  /** Whether requests share a connection. */
  isShared = false;
  fetch: typeof fetch;

  constructor() {
    const { requests, receivers } = this;
    this.fetch = function (this: unknown, url, init = {}) {
      receivers.push(this);
      return new Promise((resolve, reject) => {
        const { signal } = init;
        signal?.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")));
        requests.push({
          url: String(url),
          init,
          headers: init.headers as Record<string, string>,
          body: init.body as Uint8Array | undefined,
          get isAborted() {
            return signal?.aborted === true;
          },
          answer: (status, headers = {}, body = null) => {
            const entries = Object.entries(headers).map(([name, value]) => [name, String(value)] as [string, string]);
            resolve(new Response(body, { status, headers: entries }));
          },
          fail: () => reject(new TypeError("Failed to fetch")),
        });
      });
    };
  }

  setTimer(run: () => void, delayMs: number): () => void {
    return this.host.setTimer(run, delayMs);
  }

  now(): number {
    return this.host.now();
  }

  random(): number {
    return this.host.random();
  }

  isMultiplexed(url: string): boolean {
    this.asked.push(url);
    return this.isShared;
  }

  randomBytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, (_, i) => i * 16);
  }
}
