import { beforeEach, describe, expect, it } from "vitest";
import { Channel, type ChannelInit } from "../../src/client/channel.js";
import type { ClientInlet } from "../../src/client/inlet.js";
import type { Lifeline } from "../../src/client/lifeline.js";
import { TaskQueue } from "../../src/client/task-queue.js";
import { SluiceError } from "../../src/core/error.js";
import type { ClientSession } from "../../src/core/session/client-session.js";
import { Backlog } from "../../src/driver/backlog.js";
import type { Conversation, ConversationEvent } from "../../src/driver/conversation.js";
import type { Payload, SendOptions } from "../../src/driver/pending-message.js";
import { SendBudget } from "../../src/driver/send-bounds.js";
import { FakeHost } from "../support/fake-host.js";
import { Talk } from "../support/talk.js";

/** A channel with the side that its socket holds, which the published types leave out. */
type InsideChannel = Channel & {
  readonly inlet: ClientInlet;
  handleClosing(): void;
  handleClosed(error: SluiceError | undefined): void;
  handleReopened(conversation: Conversation, key: number, error: SluiceError): void;
  key: number;
};
const InsideChannel = Channel as unknown as new (init: ChannelInit, key: number) => InsideChannel;

let talk: Talk;
let tasks: TaskQueue;
let channel: InsideChannel;
let backlog: Backlog | undefined;
let seen: string[];

beforeEach(() => {
  talk = new Talk().connect();
  tasks = new TaskQueue();
  seen = [];
  const { conversation } = talk.client;
  backlog = undefined;
  const init = {
    name: "files",
    priority: "low",
    lifeline: () => lifelineOf(conversation),
    tasks,
    origin: "wss://example.com",
    host: new FakeHost(),
  } as const;
  channel = new InsideChannel(init, conversation.openChannel("files", "low"));
});

/** As much of a lifeline as a channel needs: that of a session, or of the time between two. */
function lifelineOf(conversation: Conversation<ClientSession>): Lifeline {
  return {
    conversation,
    gates: talk.gates,
    budget: talk.budget,
    send: (key: number, name: string, payload: Payload, options: SendOptions) =>
      backlog?.send(name, payload, options) ?? conversation.send(key, payload, options),
    bufferedAmount: (key: number, name: string) => backlog?.bufferedBytes(name) ?? conversation.bufferedAmount(key),
    queuedAmount: (key: number, name: string) => backlog?.bufferedBytes(name) ?? conversation.queuedAmount(key),
    closeChannel: (key: number) => conversation.closeChannel(key),
  } as unknown as Lifeline;
}

/** Runs the tasks that wait, and those that they push. */
async function dispatched(): Promise<void> {
  for (let i = 0; i < 2; i++) await new Promise<void>((resolve) => tasks.push(resolve));
}

function arrive(data: string | Uint8Array): void {
  channel.inlet.handle({ type: "message", text: typeof data === "string", data, cost: 65 });
}

const messages = (): ConversationEvent[] => talk.server.of("message");

describe("Channel: sending", () => {
  it("sends on its own channel, and counts what is not acknowledged", () => {
    const receipt = channel.send("hello");
    channel.send(Uint8Array.of(1, 2));
    expect(channel.bufferedAmount).toBe(7);
    talk.run(20);
    expect(channel.bufferedAmount).toBe(0);
    expect(receipt.state).toBe("delivered");
    const opened = talk.server.of("channel")[0];
    expect(opened).toMatchObject({ name: "files", priority: "low" });
    expect(messages()).toMatchObject([
      { channel: opened?.channel, text: true, data: "hello" },
      { channel: opened?.channel, text: false, data: Uint8Array.of(1, 2) },
    ]);
  });

  it("takes the options of `send`", () => {
    const controller = new AbortController();
    const progress: number[] = [];
    channel.send("kept", { onprogress: ({ loaded }) => progress.push(loaded) });
    const receipt = channel.send("taken back", { signal: controller.signal });
    controller.abort();
    talk.run(20);
    expect(receipt.state).toBe("cancelled");
    expect(progress).toEqual([4]);
    expect(messages()).toHaveLength(1);
  });

  it("refuses what cannot be sent", () => {
    expect(() => channel.send(Symbol("a") as never)).toThrow(TypeError);
    expect(channel.bufferedAmount).toBe(0);
  });

  it("goes by its name while there is no session, and by its key in the next", () => {
    const budget = new SendBudget(1000);
    backlog = new Backlog({ host: talk.host, messageBytesMax: 1000, budget, onTurn: () => {} });
    const receipt = channel.send("waits");
    expect([channel.bufferedAmount, backlog.bufferedBytes("files")]).toEqual([5, 5]);
    const waiting = backlog;
    backlog = undefined;
    const { conversation } = talk.client;
    channel.key = conversation.openChannel("again", "low");
    waiting.release((_name, message) => conversation.resend(channel.key, message));
    talk.run(20);
    expect(receipt.state).toBe("delivered");
    const again = talk.server.of("channel").find(({ name }) => name === "again");
    expect(messages()).toMatchObject([{ channel: again?.channel, data: "waits" }]);
  });

  it("has a name, and a priority that can be changed", () => {
    expect([channel.name, channel.priority]).toEqual(["files", "low"]);
    channel.priority = "high";
    expect(channel.priority).toBe("high");
    expect(talk.client.conversation.stats.channels["files"]?.priority).toBe("high");
    expect(() => {
      channel.priority = "urgent" as never;
    }).toThrow(expect.objectContaining({ code: "ERR_USAGE_ARGUMENT" }));
    expect(channel.priority).toBe("high");
  });
});

describe("Channel: closing", () => {
  it("delivers what was accepted, then says so, once", async () => {
    channel.addEventListener("close", () => seen.push("close"));
    channel.send("last");
    channel.close();
    channel.close();
    expect(channel.state).toBe("closing");
    expect(channel.send("late").state).toBe("never-written");
    talk.run(50);
    expect(messages()).toMatchObject([{ data: "last" }]);
    expect(talk.client.of("channel-closed")).toHaveLength(1);
    channel.handleClosed(undefined);
    channel.handleClosed(undefined);
    expect(channel.state).toBe("closed");
    // The next session gives its number to another channel.
    expect([channel.key, channel.bufferedAmount]).toEqual([-1, 0]);
    channel.priority = "high";
    expect(seen).toEqual([]);
    await dispatched();
    expect(seen).toEqual(["close"]);
    channel.close();
    expect(channel.state).toBe("closed");
  });

  it("is closing when the peer closes", () => {
    channel.handleClosing();
    expect(channel.state).toBe("closing");
    channel.handleClosed(undefined);
    channel.handleClosing();
    expect(channel.state).toBe("closed");
  });

  it("comes behind the messages, also those that wait for a listener", async () => {
    channel.onclose = () => seen.push("close");
    arrive("a");
    arrive("b");
    channel.handleClosed(undefined);
    await dispatched();
    expect(seen).toEqual([]);
    channel.onmessage = ({ data }) => seen.push(data);
    await dispatched();
    expect(seen).toEqual(["a", "b", "close"]);
  });

  it("waits for nobody where no message does", async () => {
    channel.onclose = () => seen.push("close");
    channel.handleClosed(undefined);
    await dispatched();
    expect(seen).toEqual(["close"]);
  });
});

describe("Channel: messages", () => {
  it.each<[string, (listener: (event: MessageEvent) => void) => void]>([
    ["addEventListener", (listener) => channel.addEventListener("message", listener)],
    ["a listener object", (listener) => channel.addEventListener("message", { handleEvent: listener as never })],
    [
      "onmessage",
      (listener) => {
        channel.onmessage = listener;
      },
    ],
  ])("wait for the first listener, and come in order: %s", async (_, listen) => {
    arrive("a");
    arrive("b");
    await dispatched();
    listen(({ data }) => seen.push(data));
    arrive("c");
    expect(seen).toEqual([]);
    await dispatched();
    expect(seen).toEqual(["a", "b", "c"]);
  });

  it("do not take a listener for other events, or none, for one of theirs", async () => {
    channel.addEventListener("close", () => {});
    channel.addEventListener("message", null);
    channel.onmessage = null;
    arrive("a");
    await dispatched();
    channel.onmessage = ({ data }) => seen.push(data);
    await dispatched();
    expect(seen).toEqual(["a"]);
  });

  it("are MessageEvents with data and origin", async () => {
    const events: MessageEvent[] = [];
    channel.onmessage = (event) => events.push(event);
    arrive("a");
    await dispatched();
    expect(events[0]).toBeInstanceOf(MessageEvent);
    expect(events[0]).toMatchObject({ type: "message", data: "a", origin: "wss://example.com", target: channel });
  });

  it("are what `binaryType` says when they are dispatched; other values are ignored", async () => {
    const kinds: string[] = [];
    channel.onmessage = ({ data }) => {
      kinds.push(Object.prototype.toString.call(data));
      channel.binaryType = "arraybuffer";
    };
    expect(channel.binaryType).toBe("blob");
    channel.binaryType = "nodebuffer" as never;
    expect(channel.binaryType).toBe("blob");
    arrive(Uint8Array.of(1));
    arrive(Uint8Array.of(2));
    await dispatched();
    expect(kinds).toEqual(["[object Blob]", "[object ArrayBuffer]"]);
  });

  it("stop when the handler is taken away, and come again with the next", async () => {
    channel.onmessage = ({ data }) => seen.push(`first ${data}`);
    arrive("a");
    await dispatched();
    channel.onmessage = null;
    arrive("b");
    await dispatched();
    channel.onmessage = ({ data }) => seen.push(`second ${data}`);
    arrive("c");
    await dispatched();
    expect(seen).toEqual(["first a", "second c"]);
  });
});

describe("Channel: other consumers", () => {
  const lost = new SluiceError("ERR_SESSION_LOST", "lost");
  const inUse = expect.objectContaining({ code: "ERR_USAGE_CONSUMER" });

  it("iterates over what waits and what comes, as `binaryType` says, and ends with the channel", async () => {
    channel.binaryType = "arraybuffer";
    arrive("a");
    arrive(Uint8Array.of(1));
    const iterator = channel[Symbol.asyncIterator]();
    expect(await iterator.next()).toEqual({ done: false, value: "a" });
    expect(await iterator.next()).toEqual({ done: false, value: Uint8Array.of(1).buffer });
    const next = iterator.next();
    channel.handleClosed(undefined);
    expect((await next).done).toBe(true);
    expect(() => channel.readable).toThrow(inUse);
    expect(() => channel.incoming).toThrow(inUse);
  });

  it("is a stream of messages", async () => {
    arrive("a");
    const reader = channel.readable.getReader();
    expect(await reader.read()).toEqual({ done: false, value: "a" });
    channel.handleClosed(lost);
    await expect(reader.read()).rejects.toBe(lost);
    expect(() => channel[Symbol.asyncIterator]()).toThrow(inUse);
  });

  it("gives messages as they begin", async () => {
    arrive("gün");
    const iterator = channel.incoming[Symbol.asyncIterator]();
    const message = (await iterator.next()).value;
    expect(message).toMatchObject({ type: "text", size: 4 });
    expect(await message?.text()).toBe("gün");
    arrive(Uint8Array.of(1, 2));
    const blob = await (await iterator.next()).value?.blob();
    expect([blob instanceof Blob, blob?.size]).toEqual([true, 2]);
  });

  it("holds events back while it is paused", async () => {
    channel.onmessage = ({ data }) => seen.push(data);
    channel.pause();
    arrive("a");
    await dispatched();
    expect([seen, channel.isPaused]).toEqual([[], true]);
    channel.resume();
    await dispatched();
    expect([seen, channel.isPaused]).toEqual([["a"], false]);
  });

  it("takes nothing more when a loop was left before it was closed", async () => {
    const iterator = channel[Symbol.asyncIterator]();
    await iterator.return?.();
    channel.close();
    arrive("a");
    expect(channel.inlet.isHolding).toBe(false);
  });

  it("goes on in another session", async () => {
    const iterator = channel[Symbol.asyncIterator]();
    channel.handleReopened(talk.client.conversation, 77, lost);
    arrive("a");
    expect([channel.key, await iterator.next()]).toEqual([77, { done: false, value: "a" }]);
  });
});
