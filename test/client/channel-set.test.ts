import { beforeEach, describe, expect, it } from "vitest";
import type { Channel } from "../../src/client/channel.js";
import { ChannelSet } from "../../src/client/channel-set.js";
import type { ClientInlet } from "../../src/client/inlet.js";
import type { Lifeline } from "../../src/client/lifeline.js";
import { TaskQueue } from "../../src/client/task-queue.js";
import { SluiceError } from "../../src/core/error.js";
import { DEFAULT_LIMITS, type Limits } from "../../src/core/limits.js";
import { FakeHost } from "../support/fake-host.js";
import { Talk } from "../support/talk.js";

let talk: Talk;
let set: ChannelSet;
let told: string[];
let closed: string[];
let tasks: TaskQueue;
let exceeded: number;

beforeEach(() => {
  talk = new Talk().connect();
  told = [];
  closed = [];
  tasks = new TaskQueue();
  exceeded = 0;
  const init = {
    lifeline: () =>
      ({ conversation: talk.client.conversation, gates: talk.gates, budget: talk.budget }) as unknown as Lifeline,
    tasks,
    origin: "wss://example.com",
    host: new FakeHost(),
  };
  const onExceeded = () => {
    exceeded += 1;
  };
  set = new ChannelSet(init, { itemsMax: 1, deliver: (channel) => told.push(channel.name), onExceeded });
});

const inletOf = (channel: Channel | undefined) => (channel as unknown as { inlet: ClientInlet }).inlet;

function arrive(channel: Channel | undefined): void {
  inletOf(channel).handle({ type: "message", text: true, data: "a", cost: 65 });
}

const lost = new SluiceError("ERR_SESSION_LOST", "lost");

/** Another session, with nothing in it. */
const another = (limits: Partial<Limits> = {}) => new Talk({ limits }).connect().client.conversation;

const key = (channel: Channel | undefined) => (channel as unknown as { key: number } | undefined)?.key;

function watch(channel: Channel): Channel {
  channel.onclose = () => closed.push(channel.name);
  return channel;
}

async function dispatched(): Promise<void> {
  await new Promise<void>((resolve) => tasks.push(resolve));
}

describe("ChannelSet", () => {
  it("has one channel for each key, whoever has opened it first", () => {
    const own = set.want(3, "files", "low");
    expect(set.want(3, "files", undefined)).toBe(own);
    expect([own.name, own.priority, key(own)]).toEqual(["files", "low", 3]);
    set.handleOpened(4, "news", "high");
    const theirs = set.get(4);
    expect(set.want(4, "news", undefined)).toBe(theirs);
    expect(theirs?.priority).toBe("high");
    set.want(4, "news", "low");
    expect(theirs?.priority).toBe("low");
    expect(set.want(5, "plain", undefined).priority).toBe("normal");
    expect(set.get(99)).toBeUndefined();
  });

  it("finds the key of a name", () => {
    set.want(3, "files", undefined);
    set.handleOpened(4, "news", "normal");
    expect([set.keyOf("files"), set.keyOf("news"), set.keyOf("other")]).toEqual([3, 4, undefined]);
    set.handleEnded(3);
    expect(set.keyOf("files")).toBeUndefined();
  });

  it("keeps channels of the peer until somebody listens, up to a bound", () => {
    set.handleOpened(3, "a", "normal");
    expect([told, exceeded]).toEqual([[], 0]);
    set.handleOpened(4, "b", "normal");
    expect([told, exceeded]).toEqual([[], 1]);
    set.openUnseen();
    expect(told).toEqual(["a", "b"]);
    set.handleOpened(5, "c", "normal");
    expect([told, exceeded]).toEqual([["a", "b", "c"], 1]);
  });

  it("forgets an unseen channel that has ended, unless it holds messages", () => {
    set.handleOpened(3, "empty", "normal");
    set.handleEnded(3);
    set.handleOpened(4, "full", "normal");
    arrive(set.get(4));
    set.handleEnded(4);
    set.openUnseen();
    expect([told, exceeded]).toEqual([["full"], 0]);
  });

  it("lets iteration go on in the next session, and fail with channels that do not", async () => {
    const files = set.want(7, "files", "low");
    set.handleOpened(8, "news", "high");
    const iterators = [files, set.get(8) as Channel].map((channel) => channel[Symbol.asyncIterator]());
    const nexts = iterators.map((iterator) => iterator.next());
    set.reopen(another(), lost);
    await expect(nexts[1]).rejects.toBe(lost);
    arrive(files);
    expect(await nexts[0]).toEqual({ done: false, value: "a" });
  });

  it("lets go by what nobody takes when the application closes the socket", () => {
    const files = set.want(7, "files", "low");
    arrive(files);
    set.leave();
    expect(inletOf(files).isHolding).toBe(false);
  });

  it("ends a channel once, and frees its key", async () => {
    watch(set.want(3, "files", undefined));
    set.handleEnded(3);
    set.handleEnded(3);
    await dispatched();
    expect(closed).toEqual(["files"]);
    const next = set.want(3, "other", undefined);
    expect([next.name, next.state]).toEqual(["other", "open"]);
  });

  it("opens in the next session what the application has asked for, with its priority, and ends the rest", async () => {
    const files = watch(set.want(7, "files", "low"));
    set.handleOpened(8, "news", "high");
    set.handleOpened(9, "kept", "high");
    watch(set.get(8) as Channel);
    const kept = watch(set.want(9, "kept", undefined));
    const next = another();
    expect(set.reopen(next, lost)).toEqual(new Set(["files", "kept"]));
    await dispatched();
    expect(closed).toEqual(["news"]);
    expect([files.state, kept.state]).toEqual(["open", "open"]);
    expect([key(files), key(kept)]).toEqual([set.keyOf("files"), set.keyOf("kept")]);
    expect([set.get(7), set.get(8), set.get(9)]).toEqual([undefined, undefined, undefined]);
    expect(set.get(key(files) as number)).toBe(files);
    expect(next.stats.channels).toMatchObject({ files: { priority: "low" }, kept: { priority: "high" } });
    // And so again.
    expect(set.reopen(another(), lost)).toEqual(new Set(["files", "kept"]));
  });

  it("does not open again what is closing", async () => {
    const files = watch(set.want(talk.client.conversation.openChannel("files", "low"), "files", "low"));
    (files as unknown as { handleClosing(): void }).handleClosing();
    expect(set.reopen(another(), lost)).toEqual(new Set());
    await dispatched();
    expect([closed, files.state, set.keyOf("files")]).toEqual([["files"], "closed", undefined]);
  });

  it("gives out nothing that is closing, though the session knows nothing of that yet", () => {
    const files = set.want(7, "files", undefined);
    (files as unknown as { handleClosing(): void }).handleClosing();
    expect(() => set.want(7, "files", undefined)).toThrow(
      expect.objectContaining({ code: "ERR_USAGE_CHANNEL_CLOSED", retryable: true }),
    );
  });

  it("ends what the next session has no room for", async () => {
    for (const [index, name] of ["a", "b", "c"].entries()) watch(set.want(10 + index, name, undefined));
    expect(DEFAULT_LIMITS.channelsMax).toBeGreaterThan(3);
    expect(set.reopen(another({ channelsMax: 3 }), lost)).toEqual(new Set(["a", "b"]));
    await dispatched();
    expect(closed).toEqual(["c"]);
  });

  it("lets a defect through", () => {
    set.want(3, "a", undefined);
    const defect = new TypeError("a defect");
    const broken = {
      openChannel: () => {
        throw defect;
      },
    };
    expect(() => set.reopen(broken as never, lost)).toThrow(defect);
  });

  it("ends everything with the socket", async () => {
    watch(set.want(3, "files", undefined));
    set.handleOpened(4, "news", "normal");
    watch(set.get(4) as Channel);
    set.end(undefined);
    set.end(undefined);
    await dispatched();
    expect(closed).toEqual(["files", "news"]);
    expect([set.get(3), set.get(4)]).toEqual([undefined, undefined]);
  });
});
