import { describe, expect, it } from "vitest";
import {
  BATCH_BYTES_MIN,
  CHANNEL_NAME_BYTES_MAX,
  CHUNK_BYTES_MIN,
  CLOSE_REASON_BYTES_MAX,
  DEFAULT_LIMITS,
  EARLY_BYTES_MAX,
  HANDSHAKE_BYTES_MIN,
  type Limits,
  limitsWith,
  PING_BYTES_MAX,
  PONGS_QUEUED_MAX,
} from "../../src/core/limits.js";

describe("limits", () => {
  it("takes its own defaults", () => {
    expect(limitsWith({})).toEqual(DEFAULT_LIMITS);
  });

  it("takes `undefined` and `null` for not given", () => {
    expect(limitsWith({ windowBytes: undefined, channelsMax: null } as never)).toEqual(DEFAULT_LIMITS);
  });

  it.each<[string, Partial<Limits>]>([
    ["zero", { messageBytesMax: 0 }],
    ["negative", { heartbeatMs: -1 }],
    ["a fraction", { closeTimeoutMs: 0.5 }],
    ["not a number", { reassemblyIdleMs: Number.NaN }],
    ["endless", { reassemblyBytesMax: Number.POSITIVE_INFINITY }],
    ["more channels than one byte can name", { channelsMax: 257 }],
    ["chunks that no peer has to take", { chunkBytes: 65 * 1024 }],
    ["chunks under the least batch", { chunkBytes: 4095 }],
    ["a window that never has room for half a batch", { windowBytes: 128 * 1024 - 1, chunkBytes: 64 * 1024 }],
    ["a window under two of the least batches", { windowBytes: 8191 }],
    ["less room for reassembly than for one message", { reassemblyBytesMax: 1024, messageBytesMax: 1025 }],
    ["batches smaller than every peer may send", { batchBytesMax: 4095 }],
    ["a negative resume window", { resumeWindowMs: -1 }],
    ["a resume window that is no integer", { resumeWindowMs: 0.5 }],
    ["less room for a replay than a window and a chunk", { replayBytesMax: (16 * 1024 + 64) * 1024 - 1 }],
    ["no room for a replay", { replayBytesMax: 0 }],
    ["a limit that there is not", { messageBytes: 1024 } as never],
  ])("LIM-03: refuses %s", (_, change) => {
    expect(() => limitsWith(change)).toThrow(expect.objectContaining({ code: "ERR_USAGE_ARGUMENT" }));
  });

  it.each<[string, Partial<Limits>]>([
    ["one channel", { channelsMax: 1 }],
    ["256 channels", { channelsMax: 256 }],
    ["the smallest chunks and window", { chunkBytes: 4096, windowBytes: 8192 }],
    ["the smallest batches", { batchBytesMax: 4096 }],
    ["RES-01: sessions that are not kept", { resumeWindowMs: 0 }],
    ["just enough room for a replay", { replayBytesMax: (16 * 1024 + 64) * 1024 }],
    ["a message that fills the room for reassembly", { messageBytesMax: 4096, reassemblyBytesMax: 4096 }],
  ])("takes %s", (_, change) => {
    expect(() => limitsWith(change)).not.toThrow();
  });

  it("makes room for reassembly where only the message limit is raised", () => {
    const limits = limitsWith({ messageBytesMax: 100 * 1024 * 1024 });
    expect(limits.reassemblyBytesMax).toBe(200 * 1024 * 1024);
  });

  it("makes room for a replay of the largest window", () => {
    expect(limitsWith({ windowBytes: 64 * 1024 * 1024 }).replayBytesMax).toBe(65 * 1024 * 1024);
    expect(limitsWith({ windowBytes: 128 * 1024 }).replayBytesMax).toBe((1024 + 128) * 1024);
    expect(limitsWith({ windowBytes: 96 * 1024 }).chunkBytes).toBe(48 * 1024);
    expect(limitsWith({ replayBytesMax: 20 * 1024 * 1024 }).replayBytesMax).toBe(20 * 1024 * 1024);
  });

  it("LIM-02: what is sent before limits are known fits the smallest batch", () => {
    const pongs = PONGS_QUEUED_MAX * (2 + 1 + PING_BYTES_MAX);
    for (const bytes of [HANDSHAKE_BYTES_MIN, CHANNEL_NAME_BYTES_MAX + 5, CLOSE_REASON_BYTES_MAX + 5, pongs]) {
      expect(bytes + 9).toBeLessThanOrEqual(BATCH_BYTES_MIN);
    }
    expect(CHUNK_BYTES_MIN).toBeLessThanOrEqual(BATCH_BYTES_MIN / 2);
    expect(EARLY_BYTES_MAX).toBeGreaterThanOrEqual(2 * BATCH_BYTES_MIN);
  });
});
