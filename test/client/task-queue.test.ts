import { afterEach, describe, expect, it, vi } from "vitest";
import { TaskQueue } from "../../src/client/task-queue.js";
import { captureUncaught, reactions } from "../support/event-loop.js";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
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

  it("asks for some tasks ahead, for each job that waits one where it can do no more in a task", async () => {
    const channel = stubChannel((listeners) => {
      for (const listener of listeners) listener();
    });
    const tasks = new TaskQueue();
    const seen: number[] = [];
    for (let i = 0; i < 3; i++) tasks.push(() => seen.push(i));
    // Nothing says yet that a task will not do for all.
    expect(channel.posted).toBe(1);
    await channel.runAll();
    expect([seen, channel.posted]).toEqual([[0, 1, 2], 3]);
    for (let i = 3; i < 43; i++) tasks.push(() => seen.push(i));
    expect(channel.posted).toBe(3 + 16);
    await channel.runAll();
    expect(channel.posted).toBe(3 + 40);
    expect(seen).toEqual(Array.from({ length: 43 }, (_, i) => i));
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

describe("TaskQueue: where what a listener awaits goes on before the next one, as in browsers", () => {
  const inBrowser = async (listeners: readonly (() => void)[]) => {
    for (const listener of listeners) {
      listener();
      await reactions();
    }
  };

  it("does 32 jobs in a task, each when what the one before awaits is over", async () => {
    const channel = stubChannel(inBrowser);
    const tasks = new TaskQueue();
    const seen: string[] = [];
    const names = Array.from({ length: 100 }, (_, index) => `job ${index}`);
    for (const name of names) {
      tasks.push(async () => {
        seen.push(name);
        for (let i = 0; i < 20; i++) await Promise.resolve();
        seen.push(`${name} later`);
      });
    }
    expect(channel.posted).toBe(2);
    await channel.runAll();
    expect(seen).toEqual(names.flatMap((name) => [name, `${name} later`]));
    expect(channel.posted).toBe(4);
  });

  it("looks whether that holds behind the first jobs only", async () => {
    const channel = stubChannel(inBrowser);
    const watched = vi.spyOn(globalThis, "queueMicrotask");
    const tasks = new TaskQueue();
    for (let i = 0; i < 100; i++) tasks.push(() => {});
    await channel.runAll();
    expect(watched).toHaveBeenCalledTimes(1);
  });

  it("has one listener on a port of Node, which does not work so, and warns of many", async () => {
    const channel = stubChannel(inBrowser, { ref: () => {}, unref: () => {} });
    const tasks = new TaskQueue();
    const seen: number[] = [];
    for (let i = 0; i < 3; i++) tasks.push(() => seen.push(i));
    await channel.runAll();
    expect([channel.listeners, channel.posted, seen]).toEqual([1, 3, [0, 1, 2]]);
  });

  it("leaves the rest to another task when jobs take long", async () => {
    const channel = stubChannel(inBrowser);
    let now = 1000;
    vi.spyOn(performance, "now").mockImplementation(() => now);
    const tasks = new TaskQueue();
    const seen: number[] = [];
    for (let i = 0; i < 6; i++) {
      tasks.push(() => {
        now += 3;
        seen.push(i);
      });
    }
    await channel.runOne();
    expect([seen, channel.posted]).toEqual([[0, 1], 2]);
    await channel.runAll();
    expect([seen, channel.posted]).toEqual([[0, 1, 2, 3, 4, 5], 3]);
  });

  it("lets the listeners behind the one that has handled an event do what is left, and asks for a task for the rest", async () => {
    const channel = stubChannel(inBrowser);
    const tasks = new TaskQueue();
    const seen: number[] = [];
    const burst = (count: number) => () => {
      for (let i = 0; i < count; i++) tasks.push(() => seen.push(i));
    };
    const event = (count: number) => [
      () => tasks.within(burst(count), 3),
      () => tasks.follow(false),
      () => tasks.follow(false),
      () => tasks.follow(true),
    ];
    await inBrowser(event(4));
    expect([seen, channel.posted]).toEqual([[0, 1, 2, 3], 0]);
    await inBrowser(event(6));
    expect([seen.length, channel.posted]).toEqual([8, 1]);
    await channel.runAll();
    expect([seen.slice(4), channel.posted]).toEqual([[0, 1, 2, 3, 4, 5], 1]);
    // Nobody has asked for anything in between: a listener by itself does nothing.
    tasks.follow(true);
    await inBrowser(event(1));
    expect([seen.length, channel.posted]).toEqual([11, 1]);
  });

  it("does none in a listener that comes while the one before has something to go on with", async () => {
    const channel = stubChannel(inBrowser);
    const tasks = new TaskQueue();
    const seen: string[] = [];
    tasks.within(() => {
      tasks.push(async () => {
        seen.push("a");
        await Promise.resolve();
        seen.push("a later");
      });
      tasks.push(() => seen.push("b"));
    }, 3);
    for (const isLast of [false, false, true]) tasks.follow(isLast);
    expect([seen, channel.posted]).toEqual([["a"], 1]);
    await reactions();
    await channel.runAll();
    expect(seen).toEqual(["a", "a later", "b"]);
  });

  it("forgets nothing where the listeners that were to follow never come", async () => {
    const channel = stubChannel(inBrowser);
    const tasks = new TaskQueue();
    const seen: string[] = [];
    tasks.within(() => {
      for (const name of ["a", "b"]) tasks.push(() => seen.push(name));
    }, 3);
    await inBrowser([() => tasks.within(() => tasks.push(() => seen.push("c")), 3)]);
    await channel.runAll();
    expect(seen).toEqual(["a", "b", "c"]);
  });
});

/** A channel whose port 1 hears what was posted when it is told to, all its listeners as `dispatch` calls them. */
function stubChannel(dispatch: (listeners: readonly (() => void)[]) => void | Promise<void>, port: object = {}) {
  const listeners: (() => void)[] = [];
  const channel = {
    posted: 0,
    heard: 0,
    get listeners() {
      return listeners.length;
    },
    async runOne() {
      channel.heard += 1;
      await dispatch(listeners);
      await reactions();
    },
    async runAll() {
      while (channel.heard < channel.posted) await channel.runOne();
    },
  };
  vi.stubGlobal(
    "MessageChannel",
    class {
      port1 = {
        ...port,
        close: () => {},
        start: () => {},
        addEventListener: (_type: string, listener: () => void) => listeners.push(listener),
      };
      port2 = { postMessage: () => (channel.posted += 1) };
    },
  );
  return channel;
}
