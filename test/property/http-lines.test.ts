import { EventEmitter } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import fc from "fast-check";
import { afterEach, expect, it, vi } from "vitest";
import { nodeHost } from "../../src/server/platform.js";
import { batchStream } from "../../src/transport/http/batch-stream.js";
import { HttpLines, type OpenLine } from "../../src/transport/node/http-lines.js";
import type { Transport } from "../../src/transport/transport.js";
import { Random } from "../simulation/random.js";

const KEY = "0".repeat(32);
const STEPS = 60;
/** Longer than anything of a line takes. */
const LONG_MS = 60_000;

/** A request whose body comes when the test says so. */
class Request extends EventEmitter {
  readonly method: string;
  readonly headers: Record<string, string>;
  complete = false;
  destroyed = false;

  constructor(method: string, headers: Record<string, string>) {
    super();
    this.method = method;
    this.headers = headers;
  }

  give(bytes: Uint8Array): void {
    if (!this.destroyed && !this.complete) this.emit("data", Buffer.from(bytes));
  }

  finish(): void {
    if (this.destroyed || this.complete) return;
    this.complete = true;
    this.emit("end");
    this.emit("close");
  }

  resume(): void {}

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    queueMicrotask(() => this.emit("close"));
  }
}

/** An answer to somebody who reads, or does when the test says so. It is as strict as that of Node, and more. */
class Response extends EventEmitter {
  status: number | undefined;
  headers: Record<string, unknown> = {};
  writableLength = 0;
  writableEnded = false;
  writableFinished = false;
  destroyed = false;
  readonly #isRead: boolean;

  constructor(isRead: boolean) {
    super();
    this.#isRead = isRead;
  }

  get headersSent(): boolean {
    return this.status !== undefined;
  }

  writeHead(status: number, headers: Record<string, unknown>): void {
    expect(this.status).toBeUndefined();
    this.status = status;
    this.headers = headers;
  }

  write(bytes: string | Uint8Array): void {
    expect(this.writableEnded).toBe(false);
    if (!this.#isRead) this.writableLength += bytes.length;
  }

  end(bytes: string | Uint8Array): void {
    this.write(bytes);
    this.writableEnded = true;
    if (this.writableLength === 0) this.#finish();
  }

  drain(): void {
    if (this.destroyed) return;
    this.writableLength = 0;
    if (this.writableEnded) this.#finish();
    else this.emit("drain");
  }

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    queueMicrotask(() => this.emit("close"));
  }

  #finish(): void {
    this.writableFinished = true;
    this.destroy();
  }
}

/** One line after the other, of a client that does as it likes, and a server that sends, closes and cuts. */
class Storm {
  readonly lines = new HttpLines();
  readonly exchanges: { readonly request: Request; readonly response: Response }[] = [];
  readonly transports: Transport[] = [];
  readonly #random: Random;
  /** The exchange that has made the present line. */
  #since = 0;

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  step(): void {
    const random = this.#random;
    const transport = this.transports.at(-1);
    switch (random.below(9)) {
      case 0:
      case 1:
      case 2:
        return this.#post();
      case 3:
      case 4:
        return this.#get();
      case 5:
        for (let count = random.below(8); count > 0; count--) transport?.send(new Uint8Array(1 + random.below(16_000)));
        return;
      case 6: {
        const { request, response } = this.#pick(this.exchanges) ?? {};
        response?.drain();
        if (random.below(2) === 0) for (const stream of [request, response]) stream?.destroy();
        return;
      }
      case 7:
        return this.#pick([
          () => transport?.close(1000, ""),
          () => transport?.terminate(),
          ...Array(20).fill(() => {}),
        ])?.();
      default:
        vi.advanceTimersByTime(this.#pick([0, 10, 1000, 5000, 15_000, 26_000]) ?? 0);
    }
  }

  /** Everybody goes, and reads what there is to read. */
  end(): void {
    for (const { request, response } of this.exchanges) {
      if (!request.complete) for (const stream of [request, response]) stream.destroy();
      response.drain();
    }
  }

  #get(): void {
    const random = this.#random;
    const kind = random.below(2) === 0 ? { accept: "text/event-stream" } : {};
    const hold = random.below(3) === 0 ? { "sluice-hold": String(random.below(30_000)) } : {};
    this.#ask(new Request("GET", { ...this.#headers(), ...kind, ...hold })).finish();
  }

  #post(): void {
    const random = this.#random;
    const next = this.#latest("sluice-received") + 1;
    const position = this.#pick([next, next, next, next + 1, 1, 2, Math.max(1, next - 1), 9]);
    const headers = {
      ...this.#headers(),
      "sluice-position": String(position),
      "content-type": "application/octet-stream",
      "transfer-encoding": "chunked",
      ...(random.below(3) > 0 ? { accept: "application/octet-stream" } : {}),
      ...(random.below(40) === 0 ? { "sluice-close": "1000" } : {}),
    };
    const body = batchStream(Array.from({ length: random.below(3) }, () => new Uint8Array(1 + random.below(3000))));
    const request = this.#ask(new Request("POST", headers));
    const cut = random.below(body.length + 1);
    const [isCut, isSlow] = [random.below(10) === 0, random.below(4) === 0];
    const come = () => {
      request.give(body.subarray(0, cut));
      if (isCut) return request.destroy();
      request.give(body.subarray(cut));
      request.finish();
    };
    if (isSlow) nodeHost.setTimer(come, random.below(9000));
    else come();
  }

  /** What a client says that it has: what it has, and what it cannot have. */
  #headers(): Record<string, string> {
    const sent = this.#latest("sluice-sent");
    const received = this.#pick([sent, sent, sent, Math.floor(sent / 2), 0, sent + 1]);
    return { "sluice-line": KEY, "sluice-received": String(received) };
  }

  #ask(request: Request): Request {
    const response = new Response(this.#random.below(2) > 0);
    this.exchanges.push({ request, response });
    this.lines.handle(request as unknown as IncomingMessage, response as unknown as ServerResponse, (open) =>
      this.#open(open),
    );
    return request;
  }

  #open(open: OpenLine): void {
    let deaths = 0;
    const start = (transport: Transport): void => {
      this.transports.push(transport);
      this.#since = this.exchanges.length - 1;
      transport.start({
        handleOpen: () => {},
        handleBatch: () => {
          if (this.#random.below(40) === 0) transport.close(4000, "");
          if (this.#random.below(60) === 0) transport.terminate();
        },
        handleWritable: () => {
          if (this.#random.below(3) === 0) transport.send(new Uint8Array(1 + this.#random.below(16_000)));
        },
        handleClosed: () => {
          deaths += 1;
          expect(deaths).toBe(1);
        },
      });
    };
    if (this.#random.below(2) === 0) open(start);
    else queueMicrotask(() => open(start));
  }

  /** The greatest that an answer of the present line has said; 0 where there is none. */
  #latest(name: string): number {
    if (this.lines.size === 0) return 0;
    const answers = this.exchanges.slice(this.#since);
    return Math.max(0, ...answers.map(({ response }) => Number(response.headers[name] ?? 0)));
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items[this.#random.below(items.length)];
  }
}

async function reactions(): Promise<void> {
  for (let i = 0; i < 5; i++) await Promise.resolve();
}

afterEach(() => {
  vi.useRealTimers();
});

it("HTTP-24: whatever comes on a line, nothing throws, everything is answered once, and nothing of it is left", async () => {
  let lines = 0;
  await fc.assert(
    fc.asyncProperty(fc.integer(), async (seed) => {
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
      const storm = new Storm(seed);
      for (let i = 0; i < STEPS; i++) {
        storm.step();
        await reactions();
        for (const { bufferedBytes } of storm.transports) expect(bufferedBytes).toBeGreaterThanOrEqual(0);
      }
      for (const transport of storm.transports) transport.close(1000, "");
      for (let i = 0; i < 3; i++) {
        storm.end();
        vi.advanceTimersByTime(LONG_MS);
        await reactions();
      }
      expect(storm.lines.size).toBe(0);
      expect(vi.getTimerCount()).toBe(0);
      for (const { response } of storm.exchanges) expect(response.writableEnded || response.destroyed).toBe(true);
      lines += storm.transports.length;
    }),
    { numRuns: 500 },
  );
  expect(lines).toBeGreaterThan(500);
});
