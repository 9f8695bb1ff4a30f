import { ReadableStream } from "node:stream/web";
import { beforeEach, describe, expect, it } from "vitest";
import { SluiceError } from "../../src/core/error.js";
import { Inlet, type InletInit, type InletTarget } from "../../src/driver/inlet.js";
import { reactions } from "../support/event-loop.js";

type Bytes = ReadableStream<Uint8Array>;

class Target implements InletTarget {
  readonly modes: string[] = [];
  taken = 0;

  receive(mode: string): void {
    this.modes.push(mode);
  }

  take(cost: number): void {
    this.taken += cost;
  }
}

const lost = new SluiceError("ERR_SESSION_LOST", "lost");
const stream = <T>(source: object) => new ReadableStream<T>(source as never, { highWaterMark: 0 });

let target: Target;
let story: string[];
/** Dispatches whose turn has not come. */
let tasks: (() => void)[];
let inlet: Inlet<string, ReadableStream<string>, Bytes, number>;

function inletWith(init: Partial<InletInit<string>> = {}) {
  const platform = {
    defer: (run: () => void) => run(),
    encodeUtf8: (text: string) => new TextEncoder().encode(text),
    streamOf: stream<string>,
    bodies: {
      streamOf: stream<Uint8Array>,
      blobOf: (parts: readonly Uint8Array[]) => parts.length,
      decodeText: (bytes: Uint8Array) => new TextDecoder().decode(bytes),
    },
  };
  return new Inlet<string, ReadableStream<string>, Bytes, number>(
    platform,
    {
      dispatch: ({ data }) => story.push(`event ${data}, ${target.taken} taken`),
      toValue: ({ data }) => `<${data}>`,
      schedule: (run) => tasks.push(run),
      isHeardClosing: true,
      ...init,
    },
    target,
  );
}

beforeEach(() => {
  target = new Target();
  story = [];
  tasks = [];
  inlet = inletWith();
});

function arrive(...messages: string[]): void {
  for (const data of messages) inlet.handle({ type: "message", text: true, data, cost: 10 });
}

function run(count = Number.POSITIVE_INFINITY): void {
  for (let i = 0; i < count && tasks.length > 0; i++) tasks.shift()?.();
}

function listen(): void {
  inlet.listen();
  inlet.open();
}

const end = (error?: SluiceError) => inlet.end(error, () => story.push("finished"));
const inUse = expect.objectContaining({ code: "ERR_USAGE_CONSUMER" });

describe("Inlet: listeners", () => {
  it("keeps what comes until somebody listens, then hands it on in order, each at its turn", () => {
    expect(inlet.isHolding).toBe(false);
    arrive("a", "b");
    expect([tasks.length, target.modes, inlet.isHolding]).toEqual([0, [], true]);
    listen();
    expect(target.modes).toEqual(["messages"]);
    arrive("c");
    run(1);
    expect(story).toEqual(["event a, 0 taken"]);
    run();
    expect(story).toEqual(["event a, 0 taken", "event b, 10 taken", "event c, 20 taken"]);
    expect(target.taken).toBe(30);
  });

  it("hands on to whoever listens, be it nobody, when it is open", () => {
    inlet.open();
    arrive("a");
    run();
    expect([story, target]).toMatchObject([["event a, 0 taken"], { taken: 10, modes: [] }]);
  });

  it("holds back what comes while they are paused, and its credit", () => {
    listen();
    arrive("a", "b");
    inlet.pause();
    expect(inlet.isPaused).toBe(true);
    arrive("c");
    run();
    expect([story, target.taken]).toEqual([[], 0]);
    inlet.resume();
    expect(inlet.isPaused).toBe(false);
    run();
    expect(story).toEqual(["event a, 0 taken", "event b, 10 taken", "event c, 20 taken"]);
  });

  it("dispatches each message once, however often it is paused and resumed", () => {
    listen();
    arrive("a", "b");
    for (let i = 0; i < 3; i++) {
      inlet.pause();
      inlet.resume();
    }
    expect(tasks).toHaveLength(2);
    run();
    expect(story).toHaveLength(2);
  });

  it("keeps no more alive than it holds", async () => {
    const message = () =>
      inlet.handle({ type: "message", text: false, data: new Uint8Array(100).subarray(0, 3), cost: 10 });
    const sizes: number[] = [];
    inlet = inletWith({ toValue: ({ data }) => String(sizes.push((data as Uint8Array).buffer.byteLength)) });
    message();
    const iterator = inlet.iterator();
    await iterator.next();
    const next = iterator.next();
    message();
    await next;
    // What is handed over at once costs no copy.
    expect(sizes).toEqual([3, 100]);
  });

  it("can be paused by a listener, in the middle of what waits", () => {
    inlet = inletWith({
      schedule: (dispatch) => dispatch(),
      dispatch: ({ data }) => {
        story.push(`event ${data}`);
        if (data === "a") inlet.pause();
      },
    });
    arrive("a", "b");
    listen();
    expect([story, target.taken]).toEqual([["event a"], 10]);
    inlet.resume();
    expect([story, target.taken]).toEqual([["event a", "event b"], 20]);
  });

  it("lets nobody else in, who has listened first", () => {
    listen();
    expect(() => inlet.iterator()).toThrow(inUse);
    expect(() => inlet.readable).toThrow(inUse);
    expect(() => inlet.incoming).toThrow(inUse);
    arrive("a");
    run();
    expect(story).toEqual(["event a, 0 taken"]);
  });

  it("lets others in while nobody listens, also in front of what is on its way to nobody", async () => {
    inlet.open();
    arrive("a");
    const iterator = inlet.iterator();
    run();
    expect([await iterator.next(), story]).toEqual([{ done: false, value: "<a>" }, []]);
  });
});

describe("Inlet: the end for listeners", () => {
  it("comes at once when nothing waits, and behind what does", () => {
    listen();
    arrive("a");
    end();
    expect(story).toEqual([]);
    run();
    expect(story).toEqual(["event a, 0 taken", "finished"]);

    story = [];
    inlet = inletWith();
    listen();
    end();
    expect(story).toEqual(["finished"]);
  });

  it("waits for the first listener, and for those that are paused", () => {
    arrive("a");
    end();
    inlet.pause();
    listen();
    run();
    expect(story).toEqual([]);
    inlet.resume();
    run();
    expect(story).toEqual(["event a, 0 taken", "finished"]);
  });

  it("does not wait for paused listeners when the application has closed, before it or after", () => {
    for (const order of ["before", "after"]) {
      story = [];
      inlet = inletWith();
      target.taken = 0;
      listen();
      inlet.pause();
      arrive("a");
      if (order === "before") inlet.leave("socket");
      expect(target.taken).toBe(0);
      end();
      if (order === "after") inlet.leave("socket");
      inlet.resume();
      run();
      expect([order, story, target.taken]).toEqual([order, ["finished"], 10]);
    }
  });

  it("does not wait when others have the channel", () => {
    arrive("a");
    end();
    void inlet.readable;
    expect(story).toEqual(["finished"]);
  });
});

describe("Inlet: iteration", () => {
  it("takes what waits and what comes, and gives credit for what it has taken", async () => {
    arrive("a", "b");
    const iterator = inlet.iterator();
    expect([target.modes, target.taken]).toEqual([["messages"], 0]);
    expect(await iterator.next()).toEqual({ done: false, value: "<a>" });
    expect(target.taken).toBe(10);
    await iterator.next();
    const next = iterator.next();
    arrive("c", "d");
    expect(target.taken).toBe(30);
    expect(await next).toEqual({ done: false, value: "<c>" });
  });

  it("goes on where another one has stopped", async () => {
    arrive("a", "b");
    end();
    const seen: string[] = [];
    for await (const message of { [Symbol.asyncIterator]: () => inlet.iterator() }) {
      seen.push(message);
      break;
    }
    expect(target.taken).toBe(10);
    for await (const message of { [Symbol.asyncIterator]: () => inlet.iterator() }) seen.push(message);
    expect(seen).toEqual(["<a>", "<b>"]);
  });

  it("fails behind what is held", async () => {
    const iterator = inlet.iterator();
    arrive("a");
    end(lost);
    expect(await iterator.next()).toMatchObject({ value: "<a>" });
    await expect(iterator.next()).rejects.toBe(lost);
  });

  it("is not disturbed by listeners, nor by a pause", async () => {
    const iterator = inlet.iterator();
    listen();
    inlet.pause();
    arrive("a");
    run();
    expect([await iterator.next(), story]).toEqual([{ done: false, value: "<a>" }, []]);
    expect(() => inlet.readable).toThrow(inUse);
    expect(() => inlet.incoming).toThrow(inUse);
  });

  it("goes on in the next session, and gives credit to the one that a message has come in", async () => {
    const iterator = inlet.iterator();
    arrive("a");
    const next = new Target();
    inlet.rebind(next, lost);
    expect(next.modes).toEqual(["messages"]);
    arrive("b");
    await iterator.next();
    expect([target.taken, next.taken]).toEqual([10, 0]);
    expect(await iterator.next()).toMatchObject({ value: "<b>" });
    expect([target.taken, next.taken]).toEqual([10, 10]);
  });
});

describe("Inlet: readable", () => {
  it("takes a message for each read, and none ahead", async () => {
    arrive("a", "b");
    const reader = inlet.readable.getReader();
    await reactions();
    expect([target.modes, target.taken]).toEqual([["messages"], 0]);
    expect(await reader.read()).toEqual({ done: false, value: "<a>" });
    await reactions();
    expect(target.taken).toBe(10);
    await reader.read();
    end();
    await reader.closed;
  });

  it("is one stream until it is cancelled; the next one goes on", async () => {
    const first = inlet.readable;
    expect(inlet.readable).toBe(first);
    arrive("a", "b");
    const reader = first.getReader();
    await reader.read();
    await reader.cancel();
    const second = inlet.readable;
    expect(second).not.toBe(first);
    expect(await second.getReader().read()).toEqual({ done: false, value: "<b>" });
    expect(() => inlet.iterator()).toThrow(inUse);
  });

  it("fails behind what is held, also for who comes late", async () => {
    arrive("a");
    end(lost);
    const reader = inlet.readable.getReader();
    expect(await reader.read()).toMatchObject({ value: "<a>" });
    await expect(reader.read()).rejects.toBe(lost);
  });
});

describe("Inlet: incoming", () => {
  it("takes messages as they begin, and gives credit as they are read", async () => {
    const { incoming } = inlet;
    expect([incoming === inlet.incoming, target.modes]).toEqual([true, ["incoming"]]);
    const iterator = incoming[Symbol.asyncIterator]();
    inlet.handle({ type: "incoming", text: false, totalBytes: 2 });
    const message = (await iterator.next()).value;
    expect(message).toMatchObject({ type: "binary", size: 2 });
    const reader = message?.body.getReader();
    inlet.handle({ type: "piece", data: Uint8Array.of(1), last: false, cost: 65 });
    inlet.handle({ type: "piece", data: Uint8Array.of(2), last: true, cost: 1 });
    await reactions();
    expect(target.taken).toBe(0);
    await reader?.read();
    await reactions();
    expect(target.taken).toBe(65);
    await reader?.read();
    expect(target.taken).toBe(66);
  });

  it("takes whole messages too: those that waited, and where there are no others", async () => {
    arrive("gün");
    inlet.handle({ type: "message", text: false, data: Uint8Array.of(1, 2), cost: 10 });
    const iterator = inlet.incoming[Symbol.asyncIterator]();
    arrive("c");
    end();
    const first = (await iterator.next()).value;
    expect(first).toMatchObject({ type: "text", size: 4 });
    expect(await first?.text()).toBe("gün");
    expect(await (await iterator.next()).value?.arrayBuffer()).toEqual(Uint8Array.of(1, 2).buffer);
    expect(await (await iterator.next()).value?.text()).toBe("c");
    expect([(await iterator.next()).done, target.taken]).toEqual([true, 30]);
  });

  it("fails what is taken back, and what a lost session has cut", async () => {
    const iterator = inlet.incoming[Symbol.asyncIterator]();
    inlet.handle({ type: "incoming", text: true, totalBytes: undefined });
    const first = (await iterator.next()).value;
    inlet.handle({ type: "incoming-reset" });
    await expect(first?.text()).rejects.toMatchObject({ code: "ERR_CANCELLED" });
    inlet.handle({ type: "incoming", text: true, totalBytes: undefined });
    const second = (await iterator.next()).value;
    const next = new Target();
    inlet.rebind(next, lost);
    expect(next.modes).toEqual(["incoming"]);
    await expect(second?.text()).rejects.toBe(lost);
    arrive("third");
    expect(await (await iterator.next()).value?.text()).toBe("third");
    expect([target.taken, next.taken]).toEqual([0, 10]);
  });

  it("is over for who comes late", async () => {
    end();
    expect((await inlet.incoming[Symbol.asyncIterator]().next()).done).toBe(true);
  });
});

describe("Inlet: when the application has closed", () => {
  /** The credit that is back when the application has closed and another message has come. */
  function goneBy(what: "channel" | "socket"): number {
    inlet.leave(what);
    arrive("late");
    return target.taken;
  }

  it("still shows listeners what comes, where they are to hear it", () => {
    listen();
    inlet.leave("socket");
    arrive("a");
    run();
    expect(story).toEqual(["event a, 0 taken"]);
  });

  it("shows them nothing where they are not", () => {
    inlet = inletWith({ isHeardClosing: false });
    listen();
    arrive("a");
    expect(goneBy("socket")).toBe(20);
    end();
    run();
    expect(story).toEqual(["finished"]);
  });

  it("still gives paused listeners what comes before the end", () => {
    listen();
    inlet.pause();
    inlet.leave("socket");
    arrive("a");
    inlet.resume();
    run();
    expect(story).toEqual(["event a, 0 taken"]);
  });

  it("lets go by what nobody listens to when the socket closes, and keeps it when only the channel does", () => {
    arrive("a");
    expect(goneBy("channel")).toBe(0);
    expect(goneBy("socket")).toBe(30);
  });

  it("lets go by what comes when no loop is left, and only then", async () => {
    arrive("a", "b");
    const iterator = inlet.iterator();
    inlet.leave("channel");
    expect(await iterator.next()).toMatchObject({ value: "<a>" });
    arrive("c");
    expect(target.taken).toBe(10);
    await iterator.return?.();
    expect(target.taken).toBe(30);
    expect(goneBy("channel")).toBe(40);
    end();
    expect(await inlet.iterator().next()).toMatchObject({ done: true });
  });

  it("lets go by what comes when the stream is cancelled", async () => {
    const reader = inlet.readable.getReader();
    inlet.leave("channel");
    arrive("a");
    expect(target.taken).toBe(0);
    await reader.cancel();
    expect(target.taken).toBe(10);
  });

  it("lets go by what comes when the last message that was begun is through", async () => {
    const iterator = inlet.incoming[Symbol.asyncIterator]();
    arrive("a", "b");
    const message = (await iterator.next()).value;
    await iterator.return?.();
    inlet.leave("channel");
    expect(target.taken).toBe(0);
    await message?.text();
    expect(target.taken).toBe(20);
    inlet.handle({ type: "incoming", text: true, totalBytes: undefined });
    inlet.handle({ type: "piece", data: Uint8Array.of(1), last: true, cost: 65 });
    expect(target.taken).toBe(85);
  });
});
