import { beforeEach, describe, expect, it } from "vitest";
import { SluiceError } from "../../src/core/error.js";
import { Gates } from "../../src/driver/gate.js";
import { SendBudget } from "../../src/driver/send-bounds.js";
import type { ServerInlet } from "../../src/server/inlet.js";
import { ServerChannel, type ServerChannelInit } from "../../src/server/server-channel.js";
import { captureUncaught, reactions } from "../support/event-loop.js";
import { Talk } from "../support/talk.js";

/** A channel with the side that its socket holds, which the published types leave out. */
type InsideChannel = ServerChannel & {
  readonly inlet: ServerInlet;
  handleClosing(): void;
  handleClosed(error: SluiceError | undefined): void;
};
const InsideChannel = ServerChannel as unknown as new (init: ServerChannelInit) => InsideChannel;

let talk: Talk;
let channel: InsideChannel;
let seen: string[];

beforeEach(() => {
  talk = new Talk().connect();
  seen = [];
  const { conversation } = talk.server;
  const gates = new Gates({ highWaterMark: 1000, maxBufferedAmount: 16 << 20 });
  talk.server.afterTurn = () => gates.handleTurn();
  channel = new InsideChannel({
    key: conversation.openChannel("files", "low"),
    messageBytesMax: 16 << 20,
    name: "files",
    priority: "low",
    conversation,
    gates,
    sendBudget: new SendBudget(1 << 20),
  });
});

const say = (value: string, isBinary = false) =>
  channel.inlet.handle({ type: "message", text: !isBinary, data: Buffer.from(value), cost: 65 });
const listen = () => channel.on("message", (data, isBinary) => seen.push(`${data}${isBinary ? " binary" : ""}`));

describe("ServerChannel: sending", () => {
  it("sends on its own channel, and counts what is not acknowledged", () => {
    const receipt = channel.send("hello");
    channel.send(Buffer.from("bytes"));
    channel.send(Buffer.from("text"), { binary: false });
    expect(channel.bufferedAmount).toBe(14);
    talk.run(20);
    expect(channel.bufferedAmount).toBe(0);
    expect(receipt.state).toBe("delivered");
    expect(talk.client.of("channel")).toMatchObject([{ name: "files", priority: "low" }]);
    expect(talk.client.of("message").map(({ text }) => text)).toEqual([true, false, true]);
  });

  it("takes the options of `send`", () => {
    const receipt = channel.send("a", { signal: AbortSignal.abort() });
    expect(receipt.state).toBe("cancelled");
  });

  it("refuses what cannot be sent", () => {
    expect(() => channel.send({} as never)).toThrow(TypeError);
  });

  it("has a name, and a priority that can be changed", () => {
    expect([channel.name, channel.priority]).toEqual(["files", "low"]);
    channel.priority = "high";
    expect(talk.server.conversation.stats.channels["files"]?.priority).toBe("high");
    expect(() => {
      channel.priority = "urgent" as never;
    }).toThrow(expect.objectContaining({ code: "ERR_USAGE_ARGUMENT" }));
    expect(channel.priority).toBe("high");
  });
});

describe("ServerChannel: messages", () => {
  it("come as Buffers, with whether they are binary", async () => {
    channel.on("message", (data) => seen.push(String(Buffer.isBuffer(data))));
    listen();
    say("text");
    say("bytes", true);
    await reactions();
    expect(seen).toEqual(["true", "text", "true", "bytes binary"]);
  });

  it.each(["on", "once", "addListener", "prependListener"] as const)("wait for the first listener: %s", async (how) => {
    say("a");
    say("b");
    channel[how]("message", (data) => seen.push(String(data)));
    expect(seen).toEqual([]);
    say("c");
    await reactions();
    expect(seen).toEqual(how === "once" ? ["a"] : ["a", "b", "c"]);
  });

  it("do not take a listener for other events for one of theirs", async () => {
    channel.on("close", () => {});
    say("a");
    await reactions();
    listen();
    await reactions();
    expect(seen).toEqual(["a"]);
  });

  it("go on when a listener throws, those that have waited too", async () => {
    const error = new Error("thrown by the application");
    say("a");
    say("b");
    const uncaught = await captureUncaught(async () => {
      channel.on("message", (data) => {
        seen.push(String(data));
        if (String(data) !== "b") throw error;
      });
      await reactions();
      say("c");
      say("d");
    });
    expect(seen).toEqual(["a", "b", "c", "d"]);
    expect(uncaught).toEqual([error, error, error]);
  });
});

describe("ServerChannel: closing", () => {
  it("delivers what was accepted, then says so, once", () => {
    channel.on("close", () => seen.push("close"));
    channel.send("last");
    channel.close();
    channel.close();
    expect(channel.state).toBe("closing");
    expect(channel.send("late").state).toBe("never-written");
    talk.run(50);
    expect(talk.client.of("message")).toMatchObject([{ data: "last" }]);
    expect(talk.server.of("channel-closed")).toHaveLength(1);
    channel.handleClosed(undefined);
    channel.handleClosed(undefined);
    expect([channel.state, seen]).toEqual(["closed", ["close"]]);
  });

  it("is closing when the client closes", () => {
    channel.handleClosing();
    expect(channel.state).toBe("closing");
    channel.handleClosed(undefined);
    channel.handleClosing();
    expect(channel.state).toBe("closed");
  });

  it("comes behind the messages, also those that wait for a listener", async () => {
    channel.on("close", () => seen.push("close"));
    say("a");
    channel.handleClosed(undefined);
    expect(seen).toEqual([]);
    listen();
    await reactions();
    expect(seen).toEqual(["a", "close"]);
  });

  it("comes behind the messages when all of it happens in one turn", async () => {
    listen();
    channel.on("close", () => seen.push("close"));
    say("a");
    channel.handleClosed(undefined);
    await reactions();
    expect(seen).toEqual(["a", "close"]);
  });
});

describe("ServerChannel: other consumers", () => {
  const lost = new SluiceError("ERR_SESSION_LOST", "lost");
  const inUse = expect.objectContaining({ code: "ERR_USAGE_CONSUMER" });

  it("iterates over strings and Buffers, and ends with the channel", async () => {
    say("gün");
    const iterator = channel[Symbol.asyncIterator]();
    expect(await iterator.next()).toEqual({ done: false, value: "gün" });
    const next = iterator.next();
    say("bytes", true);
    expect(await next).toEqual({ done: false, value: Buffer.from("bytes") });
    channel.handleClosed(undefined);
    expect((await iterator.next()).done).toBe(true);
    expect(() => channel.readable).toThrow(inUse);
    expect(() => channel.incoming).toThrow(inUse);
  });

  it("is a stream of messages", async () => {
    say("a");
    const reader = channel.readable.getReader();
    expect(await reader.read()).toEqual({ done: false, value: "a" });
    channel.handleClosed(lost);
    await expect(reader.read()).rejects.toBe(lost);
    expect(() => channel[Symbol.asyncIterator]()).toThrow(inUse);
  });

  it("gives messages as they begin", async () => {
    say("gün");
    say("bytes", true);
    const iterator = channel.incoming[Symbol.asyncIterator]();
    const message = (await iterator.next()).value;
    expect(message).toMatchObject({ type: "text", size: 4 });
    expect(await message?.text()).toBe("gün");
    expect(await (await (await iterator.next()).value?.blob())?.text()).toBe("bytes");
  });

  it("holds events back while it is paused", async () => {
    listen();
    channel.pause();
    say("a");
    await reactions();
    expect([seen, channel.isPaused]).toEqual([[], true]);
    channel.resume();
    // Not from inside of the call.
    expect([seen, channel.isPaused]).toEqual([[], false]);
    await reactions();
    expect(seen).toEqual(["a"]);
  });

  it("takes nothing more when a loop was left before it was closed", async () => {
    await channel[Symbol.asyncIterator]().return?.();
    channel.close();
    say("a");
    expect(channel.inlet.isHolding).toBe(false);
  });
});
