import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { Loopback } from "../support/loopback.js";

const COUNT = 1200;
const CUT_EVERY = 400;
const BYTES = 64 * 1024;

let loopback: Loopback;

beforeEach(async () => {
  loopback = await Loopback.start();
});

afterEach(async () => {
  vi.restoreAllMocks();
  await loopback.stop();
});

const source = randomBytes(BYTES + COUNT);
const message = (index: number) => source.subarray(index, index + BYTES);

describe("large messages of a server", () => {
  it("arrive once, in order and intact, however often the line is cut, in memory that is used again", async () => {
    const { send } = WebSocket.prototype as { send(...parts: unknown[]): void };
    let sent = 0;
    const buffers = new Set<unknown>();
    vi.spyOn(WebSocket.prototype as { send(...parts: unknown[]): void }, "send").mockImplementation(function (
      this: unknown,
      ...parts
    ) {
      const [data] = parts as [Uint8Array];
      if (data.byteLength >= 48 * 1024) {
        sent += 1;
        buffers.add(data.buffer);
      }
      send.apply(this, parts);
    });
    const [client, server] = await loopback.connect();
    client.binaryType = "arraybuffer";
    /** How many have come, and which of them were not what they should be. */
    const heard = { count: 0, wrong: [] as number[] };
    const all = new Promise<void>((resolve) => {
      client.onmessage = ({ data }) => {
        if (!message(heard.count).equals(new Uint8Array(data as ArrayBuffer))) heard.wrong.push(heard.count);
        heard.count += 1;
        if (heard.count === COUNT) resolve();
        else if (heard.count % CUT_EVERY === 0) loopback.cut();
      };
    });
    for (let i = 0; i < COUNT; i++) {
      await new Promise<void>((resolve, reject) => {
        server.send(message(i), (error) => (error ? reject(error) : resolve()));
      });
    }
    await all;
    expect(heard).toEqual({ count: COUNT, wrong: [] });
    expect(server.stats().resumes).toBe(COUNT / CUT_EVERY - 1);
    // Unless the machine is so slow that batches are small.
    if (sent > 100) expect(buffers.size).toBeLessThan(sent * 0.6);
    client.close();
    await once(client, "close");
  });
});
