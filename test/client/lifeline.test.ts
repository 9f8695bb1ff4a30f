import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { SessionLoss } from "../../src/client/events.js";
import { GreetedOrigins } from "../../src/client/greeted-origins.js";
import { Lifeline } from "../../src/client/lifeline.js";
import type { LifelineOptions } from "../../src/client/lifeline-options.js";
import type { PageListener } from "../../src/client/page-lifecycle.js";
import { browserHost } from "../../src/client/platform.js";
import { SluiceError } from "../../src/core/error.js";
import { DEFAULT_LIMITS } from "../../src/core/limits.js";
import type { ConversationClosed } from "../../src/driver/conversation.js";
import { unhandledRejections } from "../support/client-story.js";
import { reactions } from "../support/event-loop.js";
import { MemoryNetwork } from "../support/memory-network.js";
import { file, say } from "../support/talk.js";

const page = vi.hoisted(() => ({ listener: undefined as PageListener | undefined, isWatched: false }));

vi.mock("../../src/client/page-lifecycle.js", () => ({
  watchPage(listener: PageListener) {
    page.listener = listener;
    page.isWatched = true;
    return () => {
      page.isWatched = false;
    };
  },
}));

const URL = "wss://example.com/live?room=1";

let network: MemoryNetwork;
let lifeline: Lifeline;
let story: string[];
let end: { event: ConversationClosed; error: SluiceError | undefined } | undefined;
let losses: SessionLoss[];
let unhandled: ReturnType<typeof unhandledRejections>;

beforeEach(() => {
  network = new MemoryNetwork({ protocol: "chat" });
  unhandled = unhandledRejections();
  story = [];
  losses = [];
  end = undefined;
});

afterEach(async () => {
  const lost = new SluiceError("ERR_CONNECTION_LOST", "the test is over");
  lifeline.fail(lost);
  network.restart();
  await network.settle();
  unhandled.stop();
  expect(vi.getTimerCount()).toBe(0);
  network.stop();
  expect(unhandled.seen).toEqual([]);
  expect(page.isWatched).toBe(false);
});

function dial(given: Partial<LifelineOptions> = {}): void {
  const options = {
    url: URL,
    protocols: ["chat"],
    limits: DEFAULT_LIMITS,
    bounds: { highWaterMark: 256 * 1024, maxBufferedAmount: 8 << 20 },
    dial: { backoff: { baseMs: 500, maxMs: 15_000 }, connectTimeoutMs: 10_000, retriesFirst: true },
    onSessionLost: "reopen" as const,
    auth: undefined,
    mode: "auto" as const,
    downlink: "auto" as const,
    WebSocket: network.WebSocket,
    fetch: undefined,
    greeted: new GreetedOrigins(),
    host: browserHost(),
    ...given,
  };
  lifeline = new Lifeline(options, {
    handleEvent: ({ type }) => story.push(type),
    handleOpen: ({ protocol, extensions }) => {
      story.push(`open ${protocol}${extensions}`);
      lifeline.release(
        () => {},
        () => 0,
      );
    },
    handleReopen: () => {
      story.push("reopen");
      return new Set();
    },
    handleLost: (loss) => {
      story.push("lost");
      losses.push(loss);
    },
    handleClosed: (event, error) => {
      story.push(`closed ${event.code} ${error?.code}`);
      end = { event, error };
    },
  });
}

async function connect(given: Partial<LifelineOptions> = {}): Promise<void> {
  dial(given);
  await network.run(10);
  expect(story).toEqual(["open chat", "established"]);
  story.length = 0;
}

const send = (value: string) => lifeline.send(0, "", say(value), {});

/** A promise that the test settles. */
function deferred<T>() {
  let [resolve, reject] = [(_: T) => {}, (_: unknown) => {}];
  const promise = new Promise<T>((yes, no) => {
    [resolve, reject] = [yes, no];
  });
  return { promise, resolve, reject };
}

/** What was collected of what nobody needs. */
async function collect(): Promise<void> {
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc") as () => void;
  for (let i = 0; i < 3; i++) {
    // A WeakRef keeps what it points to until the end of the task.
    await reactions();
    gc();
  }
}

describe("Lifeline: dialling", () => {
  it("tells nothing from inside of the constructor", () => {
    dial({ WebSocket: undefined });
    expect(story).toEqual([]);
  });

  it("offers the application's protocols first, and ours behind them", async () => {
    await connect();
    expect(network.dials.map(({ protocols }) => protocols)).toEqual([["chat", "sluice.v1"]]);
  });

  it("RES-08: names the session in the URL of a resume, and of nothing else", async () => {
    await connect();
    network.cut();
    await network.run(1000);
    network.restart();
    await network.run(2000);
    const [first, resumed, refused, anew] = network.dials.map(({ url }) => url);
    const id = (made: number) => `&sluice-session=${Buffer.alloc(16, made).toString("hex")}`;
    expect([first, resumed, refused, anew]).toEqual([URL, URL + id(1), URL + id(1), URL]);
  });

  it("keeps nothing of a session that is lost", async () => {
    await connect();
    const lost = new WeakRef(lifeline.conversation);
    // Applications may keep receipts for long.
    const receipt = send("a");
    await network.run(100);
    network.restart();
    await network.run(2000);
    expect(story).toContain("reopen");
    network.dials.length = 0;
    await collect();
    expect(lost.deref()).toBeUndefined();
    expect([receipt.state, receipt.cancel()]).toEqual(["delivered", false]);
  });

  it("makes a new attempt for every session, of 128 random bits", async () => {
    await connect();
    network.restart();
    await network.run(2000);
    const attempts = network.server.hellos.map(({ hello }) => Buffer.from(hello.attemptId).toString("hex"));
    expect(attempts).toHaveLength(3);
    expect(attempts[0]).toBe(attempts[1]);
    expect(attempts[0]).not.toBe(attempts[2]);
    expect(network.server.hellos[0]?.hello.attemptId).toHaveLength(16);
    expect(network.server.hellos.map(({ hello }) => hello.epoch)).toEqual([1, 2, 1]);
  });

  it("fails where there is no WebSocket", async () => {
    dial({ WebSocket: undefined });
    const receipt = send("a");
    await network.settle();
    expect(story).toEqual(["closed 1006 ERR_CONNECT_FAILED"]);
    expect(receipt.state).toBe("never-written");
  });

  it("fails where the WebSocket cannot be made, with the cause", async () => {
    const cause = new DOMException("not by this policy", "SecurityError");
    const Forbidden = function Forbidden() {
      throw cause;
    };
    dial({ WebSocket: Forbidden as never });
    await network.settle();
    expect(end?.error).toMatchObject({ code: "ERR_CONNECT_FAILED", cause });
  });

  it("takes it for a failed attempt, and no more, once a server of ours has answered", async () => {
    let isForbidden = false;
    const Moody = function Moody(url: string, protocols: string[]) {
      if (isForbidden) throw new DOMException("not now", "SecurityError");
      return Reflect.construct(network.WebSocket, [url, protocols]);
    };
    await connect({ WebSocket: Moody as never });
    isForbidden = true;
    network.cut();
    await network.run(5000);
    isForbidden = false;
    await network.run(15_000);
    expect(new Set(story.slice(0, -1))).toEqual(new Set(["detached"]));
    expect(story.at(-1)).toBe("resumed");
  });

  it("fails where the server speaks another protocol", async () => {
    network.reach = "foreign";
    dial({ mode: "framed" });
    await network.settle();
    expect(story).toEqual(["closed 1006 ERR_NOT_SLUICE"]);
    await network.run(60_000);
    expect(network.dials).toHaveLength(1);
  });

  it("takes that for a captive portal, which goes again, once a server of ours has answered", async () => {
    await connect();
    const receipt = send("a");
    network.reach = "foreign";
    network.cut();
    await network.run(5000);
    expect(network.dials.length).toBeGreaterThan(2);
    expect(new Set(story)).toEqual(new Set(["detached"]));
    network.reach = "up";
    await network.run(15_000);
    expect(story.at(-1)).toBe("resumed");
    expect(receipt.state).toBe("delivered");
  });

  it("does not go on where none of the protocols was chosen", async () => {
    dial({ protocols: ["other"] });
    await network.run(10);
    expect(story).toEqual(["closed 1006 ERR_CONNECT_FAILED"]);
    expect(network.server.hellos).toEqual([]);
  });
});

describe("Lifeline: credentials", () => {
  it("are asked for anew for every dial", async () => {
    let count = 0;
    const auth = () => ({ token: ++count });
    await connect({ auth });
    network.cut();
    await network.run(1000);
    network.restart();
    await network.run(2000);
    expect(network.server.hellos.map(({ auth: given }) => given)).toEqual([1, 2, 3, 4].map((n) => `{"token":${n}}`));
  });

  it.each<[string, unknown, string | undefined]>([
    ["a value", { token: "t" }, '{"token":"t"}'],
    ["a promise", Promise.resolve("t"), '"t"'],
    ["a function", () => "t", '"t"'],
    ["an async function", async () => ["t"], '["t"]'],
    ["nothing", undefined, undefined],
  ])("may be %s", async (_, auth, given) => {
    await connect({ auth });
    expect(network.server.hellos).toMatchObject([{ auth: given }]);
  });

  it("that come late for an old dial are ignored, and those of the new one count", async () => {
    const answers: ReturnType<typeof deferred<string>>[] = [];
    const auth = () => {
      answers.push(deferred<string>());
      return answers.at(-1)?.promise;
    };
    dial({ auth });
    await network.run(10);
    network.cut();
    await network.run(1000);
    expect(answers).toHaveLength(2);
    answers[0]?.resolve("old");
    await network.settle();
    expect(network.server.hellos).toEqual([]);
    answers[1]?.resolve("new");
    await network.settle();
    expect(network.server.hellos).toMatchObject([{ auth: '"new"', hello: { epoch: 1 } }]);
    expect(story.at(-1)).toBe("established");
  });

  it("that fail late for an old dial change nothing", async () => {
    const answers: ReturnType<typeof deferred<string>>[] = [];
    const auth = () => {
      answers.push(deferred<string>());
      return answers.at(-1)?.promise;
    };
    dial({ auth });
    await network.run(10);
    network.cut();
    await network.run(1000);
    answers[0]?.reject(new Error("aborted with the old connection"));
    await network.settle();
    answers[1]?.resolve("new");
    await network.settle();
    expect(end).toBeUndefined();
    expect(story.at(-1)).toBe("established");
  });

  it("that fail at the first dial end the attempt", async () => {
    const cause = new Error("no token");
    dial({ auth: () => Promise.reject(cause) });
    await network.run(10);
    expect(story).toEqual(["open chat", "closed 1006 ERR_CONNECT_FAILED"]);
    expect(end?.error).toMatchObject({ cause, retryable: true });
  });

  it("that fail at a resume fail this dial only", async () => {
    let isBroken = false;
    const auth = () => (isBroken ? Promise.reject(new Error("no token")) : "t");
    await connect({ auth });
    isBroken = true;
    network.cut();
    await network.run(2000);
    expect(new Set(story)).toEqual(new Set(["detached"]));
    isBroken = false;
    await network.run(15_000);
    expect(story.at(-1)).toBe("resumed");
  });

  it("that fail at a reopen fail this dial only", async () => {
    let calls = 0;
    // The first session, the resume that is refused, and then the next session.
    const auth = () => {
      calls += 1;
      return calls === 3 ? Promise.reject(new Error("no token")) : "t";
    };
    await connect({ auth });
    network.restart();
    await network.run(20_000);
    expect(story).toEqual(["detached", "reopen", "lost", "open chat", "detached", "established"]);
    expect(calls).toBe(4);
  });

  it("refused at a reopen end the socket", async () => {
    await connect();
    network.reach = "down";
    network.restart();
    const receipt = send("waits");
    network.reach = "up";
    network.server.decide = () => false;
    await network.run(5000);
    expect(story).toEqual(["detached", "reopen", "lost", "open chat", "closed 1008 ERR_REFUSED"]);
    expect(receipt.state).toBe("never-written");
    await expect(receipt.delivered).rejects.toMatchObject({ code: "ERR_NEVER_WRITTEN" });
  });
});

describe("Lifeline: between two sessions", () => {
  it("keeps what is sent, and counts it, until it is released", async () => {
    await connect();
    network.reach = "down";
    network.restart();
    await network.settle();
    const carried = send("n1");
    await network.run(200_000);
    expect(losses).toEqual([{ neverWritten: [carried], unknown: [] }]);
    const meanwhile = send("m1");
    expect(lifeline.bufferedAmount(0, "")).toBe(4);
    network.reach = "up";
    await network.run(20_000);
    expect([carried.state, meanwhile.state]).toEqual(["delivered", "delivered"]);
    expect(network.server.end.lines).toEqual(["n1", "m1"]);
    expect(lifeline.bufferedAmount(0, "")).toBe(0);
  });

  it("ends what belongs to a channel that does not go on", async () => {
    await connect();
    network.reach = "down";
    network.restart();
    const channel = lifeline.conversation.openChannel("gone", "normal");
    const receipt = lifeline.send(channel, "gone", say("a"), {});
    network.reach = "up";
    await network.run(5000);
    expect(receipt.state).toBe("never-written");
    expect(losses[0]?.neverWritten).toEqual([receipt]);
    expect(network.server.end.messages).toEqual([]);
  });

  it("ends what waits when there is no next session", async () => {
    await connect();
    network.reach = "down";
    network.restart();
    await network.settle();
    const carried = send("n1");
    await network.run(200_000);
    const meanwhile = send("m1");
    lifeline.fail(new SluiceError("ERR_CONNECTION_LOST", "given up"));
    await network.settle();
    expect([carried.state, meanwhile.state]).toEqual(["never-written", "never-written"]);
    expect(story.at(-1)).toBe("closed 1006 ERR_CONNECTION_LOST");
  });

  it("sends to the server that it knows what it has accepted, and resumes by its token", async () => {
    await connect();
    network.server.end.send("", say("a"));
    await network.run(50);
    network.cut();
    await network.run(1000);
    expect(network.server.hellos.at(-1)?.hello).toMatchObject({ epoch: 2, received: 1, resume: {} });
  });
});

describe("Lifeline: the page", () => {
  const listener = () => page.listener as PageListener;

  it("is watched as long as the socket lives", async () => {
    await connect();
    expect(page.isWatched).toBe(true);
    lifeline.close(1000, "");
    await network.run(100);
    expect(story).toEqual(["closed 1000 undefined"]);
    expect(page.isWatched).toBe(false);
  });

  it("sleeps: the server is told, and keeps the session; it wakes: the session goes on", async () => {
    await connect();
    listener().handleSleep();
    await network.settle();
    expect(network.server.end.of("detached")).toHaveLength(1);
    const receipt = send("a");
    await network.run(60_000);
    expect([network.dials.length, story]).toEqual([1, ["detached"]]);
    listener().handleWake();
    await network.run(100);
    expect(story).toEqual(["detached", "resumed"]);
    expect(receipt.state).toBe("delivered");
  });

  it("that has slept for too long begins anew", async () => {
    await connect();
    listener().handleSleep();
    const receipt = send("a");
    await network.run(100);
    network.restart();
    listener().handleWake();
    await network.run(1000);
    expect(story).toEqual(["detached", "reopen", "lost", "open chat", "established"]);
    expect(receipt.state).toBe("delivered");
  });

  it("is left: what was accepted goes, then the close, all in the same breath", async () => {
    await connect();
    const receipt = send("last words");
    listener().handleLeave();
    expect(story.at(-1)).toMatch(/^closed/);
    expect(page.isWatched).toBe(false);
    await network.settle();
    expect(network.server.end.lines).toEqual(["last words"]);
    expect(network.server.end.of("closed")).toHaveLength(1);
    expect(receipt.state).not.toBe("queued");
    await network.run(60_000);
    expect(network.dials).toHaveLength(1);
  });

  it("is left in the middle of something large: the server learns that no more comes", async () => {
    await connect();
    lifeline.send(0, "", file(4_000_000), {});
    listener().handleLeave();
    await network.settle();
    expect(network.server.end.of("closed")).toMatchObject([{ code: 1001 }]);
    expect(network.server.end.lines).toEqual([]);
    expect(network.server.size).toBe(0);
  });

  it("is left before there is anything: it ends, and nothing is dialled any more", async () => {
    network.reach = "down";
    dial();
    await network.settle();
    const { length } = network.dials;
    listener().handleLeave();
    await network.run(60_000);
    expect(story.at(-1)).toMatch(/^closed 1006/);
    expect(network.dials).toHaveLength(length);
  });

  it("is online again: it dials at once", async () => {
    await connect();
    listener().handleOnline(false);
    network.reach = "down";
    network.cut();
    await network.run(100);
    const before = network.dials.length;
    // Offline, attempts are as rare as may be.
    await network.run(14_000);
    expect(network.dials).toHaveLength(before);
    network.reach = "up";
    listener().handleOnline(true);
    await network.settle();
    expect(network.dials).toHaveLength(before + 1);
    expect(story.at(-1)).toBe("resumed");
  });

  it("is seen again: it dials at once, and asks a line that is there whether it lives", async () => {
    await connect();
    network.reach = "down";
    network.cut();
    await network.run(10_000);
    network.reach = "up";
    listener().handleHidden(false);
    await network.settle();
    expect(story.at(-1)).toBe("resumed");
    const before = network.server.end.of("ping").length;
    listener().handleHidden(true);
    listener().handleHidden(false);
    await network.settle();
    expect(network.server.end.of("ping")).toHaveLength(before + 1);
  });

  it("that is hidden has late timers: acks do not wait for them, in this session and in the next", async () => {
    await connect();
    const acked = async () => {
      const receipt = network.server.end.send("", say("a"));
      await network.settle();
      return receipt.state === "delivered";
    };
    expect(await acked()).toBe(false);
    await network.run(50);
    listener().handleHidden(true);
    expect(await acked()).toBe(true);
    network.restart();
    await network.run(5000);
    expect(story).toContain("reopen");
    expect(await acked()).toBe(true);
    listener().handleHidden(false);
    await network.settle();
    expect(await acked()).toBe(false);
  });

  it("that is hidden hands more at a time to an ordinary server, whose WebSocket does not tell of room", async () => {
    network.reach = "foreign";
    dial({ protocols: [] });
    listener().handleHidden(true);
    await network.run(10);
    expect(story.at(-1)).toMatch(/^open/);
    network.blocked = "up";
    const piece = file(50_000);
    const receipts = Array.from({ length: 8 }, () => lifeline.send(0, "", piece, {}));
    await network.settle();
    expect(receipts.map(({ state }) => state)).toEqual(Array(8).fill("unknown"));
  });

  it("that is offline stays so for the next session", async () => {
    await connect();
    listener().handleOnline(false);
    network.restart();
    await network.run(20_000);
    expect(story).toContain("reopen");
    network.reach = "down";
    network.cut();
    await network.settle();
    const before = network.dials.length;
    await network.run(14_000);
    expect(network.dials).toHaveLength(before);
  });
});
