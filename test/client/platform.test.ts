import { afterEach, describe, expect, it, vi } from "vitest";
import { browserHost, randomId, TaskQueue, writableOf } from "../../src/client/platform.js";
import { encoded, isUnencoded, type UnencodedText } from "../../src/core/content.js";
import { captureUncaught, reactions } from "../support/event-loop.js";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe("browserHost", () => {
  it("reads and writes UTF-8: strict one way, repaired the other, a byte order mark is text", () => {
    const host = browserHost();
    expect([...host.encodeUtf8("ä\ud800")]).toEqual([0xc3, 0xa4, 0xef, 0xbf, 0xbd]);
    expect(host.decodeUtf8(Uint8Array.of(0xc3, 0xa4))).toBe("ä");
    expect(host.readText(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61))).toBe("\ufeffa");
    for (const bytes of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0x80]]) {
      expect(host.decodeUtf8(Uint8Array.from(bytes))).toBeUndefined();
      expect(host.readText(Uint8Array.from(bytes))).toBeUndefined();
    }
    expect(host.decodeUtf8(Uint8Array.of(0x61))).toBe("a");
  });

  it("keeps small texts of ASCII as they are until they leave, and encodes others", () => {
    const { contentOf } = browserHost();
    const small = ["", "a", "\u0000\u007f", "x".repeat(256)];
    for (const text of small) {
      const content = contentOf(text) as UnencodedText;
      expect([isUnencoded(content), content.text, content.length]).toEqual([true, text, text.length]);
      const target = Buffer.alloc(text.length + 2, "-");
      content.writeTo(target, 1);
      expect(target.toString()).toBe(`-${text}-`);
      expect(Buffer.from(content.encode()).toString()).toBe(text);
    }
    for (const text of [
      "ä",
      `${"a".repeat(200)}€`,
      "\u007f\u0080",
      "\ud83d\ude00",
      "x".repeat(257),
      "x".repeat(20_000),
    ]) {
      const content = contentOf(text);
      expect([isUnencoded(content), Buffer.from(encoded(content)).toString()]).toEqual([false, text]);
    }
  });

  it("has a clock that does not go back", () => {
    const host = browserHost();
    const readings = Array.from({ length: 1000 }, () => host.now());
    expect(readings).toEqual([...readings].sort((a, b) => a - b));
  });

  it("sets timers that can be taken back", () => {
    vi.useFakeTimers();
    const host = browserHost();
    const seen: string[] = [];
    host.setTimer(() => seen.push("kept"), 100);
    host.setTimer(() => seen.push("cancelled"), 100)();
    vi.advanceTimersByTime(99);
    expect(seen).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(seen).toEqual(["kept"]);
  });

  it("defers to the end of the running script", async () => {
    const host = browserHost();
    const seen: string[] = [];
    host.defer(() => seen.push("deferred"));
    seen.push("script");
    await Promise.resolve();
    expect(seen).toEqual(["script", "deferred"]);
  });

  it("reports to `reportError` where there is one", () => {
    const reports: unknown[] = [];
    vi.stubGlobal("reportError", (error: unknown) => reports.push(error));
    const error = new Error("thrown by the application");
    browserHost().report(error);
    expect(reports).toEqual([error]);
  });

  it("lets an error be uncaught where there is no `reportError`", async () => {
    vi.stubGlobal("reportError", undefined);
    const error = new Error("thrown by the application");
    const uncaught = await captureUncaught(() => browserHost().report(error));
    expect(uncaught).toEqual([error]);
  });
});

/** Resolves when the queue has run everything pushed so far. */
const drained = (tasks: TaskQueue) => new Promise<void>((resolve) => tasks.push(resolve));

describe("TaskQueue", () => {
  it("runs jobs in order, none of them at once", async () => {
    const tasks = new TaskQueue();
    const seen: number[] = [];
    for (let i = 0; i < 100; i++) tasks.push(() => seen.push(i));
    expect(seen).toEqual([]);
    await drained(tasks);
    expect(seen).toEqual(Array.from({ length: 100 }, (_, i) => i));
  });

  it("gives each a task of its own: what one awaits is over before the next", async () => {
    const tasks = new TaskQueue();
    const seen: string[] = [];
    // More than are asked for at once.
    const names = Array.from({ length: 50 }, (_, index) => `job ${index}`);
    for (const name of names) {
      tasks.push(async () => {
        seen.push(name);
        for (let i = 0; i < 20; i++) await Promise.resolve();
        seen.push(`${name} later`);
      });
    }
    await drained(tasks);
    expect(seen).toEqual(names.flatMap((name) => [name, `${name} later`]));
  });

  it("runs what a job pushes behind what waits", async () => {
    const tasks = new TaskQueue();
    const seen: string[] = [];
    tasks.push(() => {
      seen.push("a");
      tasks.push(() => seen.push("c"));
    });
    tasks.push(() => seen.push("b"));
    await drained(tasks);
    await drained(tasks);
    expect(seen).toEqual(["a", "b", "c"]);
  });

  it("does the first job of a task that has begun in that task, and the others in tasks of their own", async () => {
    const tasks = new TaskQueue();
    const seen: string[] = [];
    // More than are asked for at once.
    const names = Array.from({ length: 40 }, (_, index) => `job ${index}`);
    tasks.within(() => {
      for (const name of names) {
        tasks.push(async () => {
          seen.push(name);
          for (let i = 0; i < 20; i++) await Promise.resolve();
          seen.push(`${name} later`);
        });
      }
      expect(seen).toEqual([]);
    });
    expect(seen).toEqual(["job 0"]);
    await drained(tasks);
    expect(seen).toEqual(names.flatMap((name) => [name, `${name} later`]));
  });

  it.each([15, 16, 17, 18, 33])("forgets none of %i jobs that come in a task that has begun", async (count) => {
    const tasks = new TaskQueue();
    let done = 0;
    tasks.within(() => {
      for (let i = 0; i < count; i++) tasks.push(() => (done += 1));
    });
    await drained(tasks);
    expect(done).toBe(count);
  });

  it("passes nothing that waits: behind it, a job gets a task of its own", async () => {
    const tasks = new TaskQueue();
    const seen: string[] = [];
    tasks.push(() => seen.push("waits"));
    tasks.within(() => tasks.push(() => seen.push("comes")));
    expect(seen).toEqual([]);
    await drained(tasks);
    expect(seen).toEqual(["waits", "comes"]);
  });

  it("goes on after one that throws", async () => {
    const tasks = new TaskQueue();
    const seen: string[] = [];
    const throwing = () =>
      tasks.within(() => {
        tasks.push(() => seen.push("pushed"));
        throw new Error("mine");
      });
    expect(throwing).toThrow("mine");
    tasks.within(() => tasks.push(() => seen.push("later")));
    expect(seen).toEqual(["pushed", "later"]);
    await drained(tasks);
  });

  it("works again after it was empty", async () => {
    const tasks = new TaskQueue();
    await drained(tasks);
    await drained(tasks);
    await drained(tasks);
  });

  it("goes on when a job throws", async () => {
    const tasks = new TaskQueue();
    const seen: string[] = [];
    const error = new Error("thrown by a job");
    const uncaught = await captureUncaught(async () => {
      tasks.push(() => {
        throw error;
      });
      tasks.push(() => seen.push("next"));
      await drained(tasks);
    });
    expect(seen).toEqual(["next"]);
    expect(uncaught).toEqual([error]);
  });

  it("runs ten thousand jobs that wait without losing one", async () => {
    const tasks = new TaskQueue();
    let runs = 0;
    for (let i = 0; i < 10_000; i++) {
      tasks.push(() => {
        runs += 1;
      });
    }
    await drained(tasks);
    expect(runs).toBe(10_000);
  });

  it("asks for some tasks ahead, for each job that waits one, and for no more", async () => {
    const posts: MessagePort[] = [];
    vi.stubGlobal(
      "MessageChannel",
      class {
        port1 = { close: () => {} };
        port2 = { postMessage: () => posts.push(this.port1 as MessagePort) };
      },
    );
    const tasks = new TaskQueue();
    const seen: number[] = [];
    for (let i = 0; i < 40; i++) tasks.push(() => seen.push(i));
    expect(posts).toHaveLength(16);
    for (let i = 0; i < posts.length; i++) posts[i]?.onmessage?.(new MessageEvent("message"));
    expect(posts).toHaveLength(40);
    expect(seen).toEqual(Array.from({ length: 40 }, (_, i) => i));
  });

  it("takes the tasks of the scheduler where there is one, as many ahead", async () => {
    const posted: (() => void)[] = [];
    vi.stubGlobal("scheduler", { postTask: (run: () => void) => Promise.resolve(void posted.push(run)) });
    vi.stubGlobal("MessageChannel", undefined);
    const tasks = new TaskQueue();
    const seen: number[] = [];
    for (let i = 0; i < 40; i++) tasks.push(() => seen.push(i));
    expect(posted).toHaveLength(16);
    for (let i = 0; i < posted.length; i++) posted[i]?.();
    expect([posted.length, seen]).toEqual([40, Array.from({ length: 40 }, (_, i) => i)]);
    tasks.push(() => seen.push(40));
    tasks.end();
    posted[40]?.();
    expect([posted.length, seen.at(-1)]).toEqual([41, 40]);
  });

  it("keeps its port from one burst to the next, and closes it once no more jobs are expected and none waits", async () => {
    const story: string[] = [];
    const Channel = MessageChannel;
    vi.stubGlobal(
      "MessageChannel",
      class {
        port1: MessagePort;
        port2: MessagePort;
        constructor() {
          story.push("made");
          const { port1, port2 } = new Channel();
          const close = port1.close.bind(port1);
          const tell = () => {
            story.push("closed");
            close();
          };
          this.port1 = Object.assign(port1, { close: tell });
          this.port2 = port2;
        }
      },
    );
    const tasks = new TaskQueue();
    await drained(tasks);
    await drained(tasks);
    expect(story).toEqual(["made"]);
    tasks.push(() => story.push("waited"));
    tasks.end();
    expect(story).toEqual(["made"]);
    await drained(tasks);
    expect(story).toEqual(["made", "waited", "closed"]);
    tasks.push(() => story.push("came all the same"));
    await drained(tasks);
    expect(story.slice(3)).toEqual(["made", "came all the same", "closed"]);
    tasks.end();
    expect(story).toHaveLength(6);
    // The last job may need no task of its own.
    const others = new TaskQueue();
    await drained(others);
    others.within(() => {
      others.push(() => story.push("last"));
      others.end();
    });
    expect(story.slice(6)).toEqual(["made", "last", "closed"]);
  });

  it("holds a port, which would keep a Node process alive, only while a job waits", async () => {
    const ports = () => process.getActiveResourcesInfo().filter((type) => type === "MessagePort").length;
    // A port is gone a few turns of the event loop after it was closed, those of the tests before as well.
    const settled = async () => {
      for (let i = 0; i < 10; i++) await reactions();
    };
    await settled();
    const before = ports();
    const tasks = new TaskQueue();
    expect(ports()).toBe(before);
    tasks.push(() => {});
    expect(ports()).toBe(before + 1);
    await drained(tasks);
    await settled();
    expect(ports()).toBe(before);
  });
});

describe("writableOf", () => {
  it("is a stream of the platform over a sink", async () => {
    const seen: string[] = [];
    const stream = writableOf<string>({
      start: () => seen.push("start"),
      write: async (data) => void seen.push(data),
      close: async () => void seen.push("close"),
      abort: () => seen.push("abort"),
    });
    expect(stream).toBeInstanceOf(WritableStream);
    const writer = stream.getWriter();
    await writer.write("a");
    await writer.close();
    expect(seen).toEqual(["start", "a", "close"]);
  });
});

describe("randomId", () => {
  it("HSK-04: is 128 bits, of which no two are the same", () => {
    const ids = Array.from({ length: 100 }, () => Buffer.from(randomId()).toString("hex"));
    expect(new Set(ids).size).toBe(100);
    expect(ids[0]).toHaveLength(32);
  });
});
