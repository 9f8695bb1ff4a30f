import { describe, expect, it } from "vitest";
import { lifelineOptionsOf } from "../../src/client/lifeline-options.js";
import type { SluiceSocketOptions } from "../../src/client/options.js";
import { TaskQueue } from "../../src/client/task-queue.js";
import { FakeHost } from "../support/fake-host.js";

class NativeSocket {}

const host = new FakeHost();
const optionsOf = (options: SluiceSocketOptions, tasks = new TaskQueue(), protocols: string | string[] = []) =>
  lifelineOptionsOf(
    "wss://example.com/",
    protocols,
    { WebSocket: NativeSocket, storage: null, ...options },
    host,
    tasks,
  );

describe("lifelineOptionsOf", () => {
  it("reads protocols, limits, and how to dial", () => {
    const read = optionsOf({ connectTimeoutMs: 1234, onSessionLost: "close", auth: "ann" }, undefined, [
      "chat",
      "mqtt",
    ]);
    expect(read).toMatchObject({
      url: "wss://example.com/",
      protocols: ["chat", "mqtt"],
      auth: "ann",
      mode: "auto",
      host,
    });
    expect([read.limits.handshakeTimeoutMs, read.dial.connectTimeoutMs, read.dial.retriesFirst]).toEqual([
      1234,
      1234,
      false,
    ]);
    expect([read.WebSocket, read.trace]).toEqual([NativeSocket, undefined]);
  });

  it("dials what is asked for and there is", () => {
    expect(optionsOf({ transports: ["websocket"] }).dial.kinds).toEqual(["websocket"]);
    expect(optionsOf({ transports: ["long-poll", "websocket"] }).downlink).toBe("long-poll");
  });

  it("relays a trace, and does not call it at once", () => {
    const traced: unknown[] = [];
    const { trace } = optionsOf({ trace: (event) => traced.push(event) });
    trace?.({ type: "credit", at: 1, channel: 0, bytes: 5 });
    expect(traced).toEqual([]);
    host.endTask();
    expect(traced).toMatchObject([{ type: "credit", bytes: 5 }]);
  });

  it("handles the events of a browser in their own task, and others in one of ours", () => {
    const tasks = new TaskQueue();
    const { task } = optionsOf({}, tasks);
    const seen: string[] = [];
    task?.within({ isTrusted: true }, () => tasks.push(() => seen.push("browser")), 0);
    expect(seen).toEqual(["browser"]);
    task?.within({}, () => tasks.push(() => seen.push("library")), 0);
    expect(seen).toEqual(["browser"]);
  });

  it.each<[string, SluiceSocketOptions]>([
    ["limits", { limits: { windowBytes: 0 } }],
    ["trace", { trace: 1 as never }],
    ["WebSocket", { WebSocket: 1 }],
    ["fetch", { fetch: 1 }],
    ["transports", { transports: [] }],
    ["storage", { storage: {} as never }],
    ["maxBufferedAmount", { maxBufferedAmount: -1 }],
    ["backoff", { backoff: { baseMs: 0 } }],
    ["onSessionLost", { onSessionLost: "other" as never }],
    ["mode", { mode: "other" as never }],
  ])("throws for a bad %s", (_name, options) => {
    expect(() => optionsOf(options)).toThrow(expect.objectContaining({ code: "ERR_USAGE_ARGUMENT" }));
  });

  it("throws for bad protocols as the standard says", () => {
    expect(() => optionsOf({}, undefined, ["a", "a"])).toThrow(expect.objectContaining({ name: "SyntaxError" }));
  });
});
