import { describe, expect, it } from "vitest";
import { SluiceError } from "../../src/core/error.js";
import { encodeBatch } from "../../src/core/wire/encode.js";
import type { ConversationClosed } from "../../src/driver/conversation.js";
import { Gates } from "../../src/driver/gate.js";
import { failNeverWritten } from "../../src/driver/outbox.js";
import { PlainConversation, type PlainEvent, type PlainOptions } from "../../src/driver/plain-conversation.js";
import { SendBudget } from "../../src/driver/send-bounds.js";
import { FakeHost } from "../support/fake-host.js";
import { FakePlainLink } from "../support/fake-plain-link.js";
import { file, say } from "../support/talk.js";

const KIB = 1024;
const failure = (code: string) => expect.objectContaining({ code });
const HERE = { isHidden: false, isOnline: true };

/** A conversation, its links, and what it has told. */
class Scene {
  readonly host = new FakeHost();
  readonly links: FakePlainLink[] = [];
  readonly events: PlainEvent[] = [];
  readonly gates = new Gates({ highWaterMark: 256 * KIB, maxBufferedAmount: 64 << 20 });
  readonly conversation: PlainConversation;
  turns = 0;

  constructor(options: Partial<PlainOptions> = {}) {
    const { host } = this;
    const given = {
      host,
      budget: new SendBudget(64 << 20),
      dial: { backoff: { baseMs: 500, maxMs: 15_000 }, connectTimeoutMs: 10_000, retriesFirst: true },
      losses: 0,
      connect: () => {
        const link = new FakePlainLink();
        this.links.push(link);
        return link;
      },
      handshakeTimeoutMs: 4000,
      closeTimeoutMs: 5000,
      messageBytesMax: 1000,
      reopens: true,
      isAwaited: () => this.gates.shutCount > 0,
      onTurn: () => {
        this.turns += 1;
        this.gates.handleTurn();
      },
      ...options,
    };
    this.conversation = new PlainConversation(given, (event) => this.events.push(event));
  }

  begin(): this {
    this.conversation.begin(HERE);
    this.host.endTask();
    return this;
  }

  connect(): this {
    this.begin();
    this.link.open();
    return this;
  }

  send(text: string, options = {}) {
    return this.conversation.send(0, say(text), options);
  }

  get link(): FakePlainLink {
    return this.links.at(-1) as FakePlainLink;
  }

  get story(): string[] {
    return this.events.map((event) =>
      event.type === "closed" ? `closed ${event.code} ${event.error?.code}` : event.type,
    );
  }

  get end(): ConversationClosed {
    return this.events.at(-1) as ConversationClosed;
  }
}

describe("PlainConversation: dialling", () => {
  it("tells nothing and makes no link from inside of `begin`", () => {
    const scene = new Scene();
    scene.conversation.begin(HERE);
    expect(scene.links).toEqual([]);
    scene.host.endTask();
    expect(scene.links).toHaveLength(1);
    expect(scene.conversation.transport).toBeNull();
  });

  it("is open when the link is, and what waited leaves", () => {
    const scene = new Scene();
    scene.send("early");
    scene.connect();
    expect(scene.story).toEqual(["opened"]);
    expect(scene.link.sent).toEqual(["early"]);
    expect(scene.conversation.transport).toBe("websocket");
  });

  it("hands texts over as texts, be they encoded or not, and bytes as bytes", () => {
    const scene = new Scene().connect();
    const bytes = new TextEncoder().encode("grün");
    scene.send("grün");
    scene.conversation.send(0, { type: "text", bytes }, {});
    scene.conversation.send(0, { type: "binary", bytes }, {});
    scene.conversation.send(0, { type: "binary", bytes: scene.host.contentOf("grün") }, {});
    scene.host.endTask();
    expect(scene.link.sent).toEqual(["grün", "grün", bytes, bytes]);
  });

  it("tries again with backoff, until the time to connect is over", () => {
    const scene = new Scene().begin();
    scene.link.die();
    expect(scene.links).toHaveLength(1);
    scene.host.advance(250);
    expect(scene.links).toHaveLength(2);
    scene.link.die();
    scene.host.advance(499);
    expect(scene.links).toHaveLength(2);
    scene.host.advance(1);
    expect(scene.links).toHaveLength(3);
    scene.host.advance(60_000);
    expect(scene.story).toEqual(["closed 1006 ERR_CONNECT_FAILED"]);
    expect(scene.host.timers).toEqual([]);
    expect(scene.link.calls).toEqual(["terminate"]);
  });

  it("gives an attempt up that takes too long", () => {
    const scene = new Scene().begin();
    scene.host.advance(4250);
    expect(scene.links.map(({ calls }) => calls)).toEqual([["terminate"], []]);
    scene.links[0]?.open();
    expect(scene.story).toEqual([]);
  });

  it("does not try again where that is not wanted", () => {
    const dial = { backoff: { baseMs: 500, maxMs: 15_000 }, connectTimeoutMs: 10_000, retriesFirst: false };
    const scene = new Scene({ dial }).begin();
    scene.link.die();
    expect(scene.story).toEqual(["closed 1006 ERR_CONNECT_FAILED"]);
  });

  it("ends where no link can be made", () => {
    const cause = new Error("forbidden");
    const connect = () => {
      throw cause;
    };
    const scene = new Scene({ connect }).begin();
    expect(scene.end.error).toMatchObject({ code: "ERR_CONNECT_FAILED", cause });
  });

  it.each([
    [1, 250],
    [2, 500],
    [4, 2000],
    [9, 7500],
  ])("waits first after %i lost connections", (losses, waitMs) => {
    const scene = new Scene({ losses }).begin();
    scene.host.advance(waitMs - 1);
    expect(scene.links).toHaveLength(0);
    scene.host.advance(1);
    expect(scene.links).toHaveLength(1);
  });

  it("counts its own loss, and starts anew where something has come", () => {
    const scene = new Scene({ losses: 3 }).begin();
    scene.host.advance(1000);
    expect(scene.conversation.losses).toBe(4);
    scene.link.open();
    scene.link.say("hello");
    expect(scene.conversation.losses).toBe(1);
  });

  it("dials at once when the network or the page is back, and not while the page sleeps", () => {
    const scene = new Scene().begin();
    scene.link.die();
    scene.conversation.handleOnline(false);
    scene.conversation.handleOnline(true);
    expect(scene.links).toHaveLength(2);
    scene.conversation.suspend();
    expect(scene.link.calls).toEqual(["terminate"]);
    scene.host.advance(5000);
    expect(scene.links).toHaveLength(2);
    scene.conversation.wake();
    expect(scene.links).toHaveLength(3);
    scene.link.die();
    scene.conversation.handleHidden(true);
    scene.conversation.handleHidden(false);
    expect(scene.links).toHaveLength(4);
  });
});

describe("PlainConversation: messages", () => {
  it("are handed over as strings and bytes, when the script has ended", () => {
    const scene = new Scene().connect();
    const receipt = scene.send("ä");
    scene.conversation.send(0, file(3), {});
    expect(scene.link.sent).toEqual([]);
    scene.host.endTask();
    expect(scene.link.sent).toEqual(["ä", file(3).type === "binary" && expect.any(Uint8Array)]);
    expect(receipt.state).toBe("unknown");
  });

  it("wait while the buffer holds more than 128 KiB, and follow when it has run down, without a busy wait", () => {
    const scene = new Scene().connect();
    scene.link.keeps = true;
    const receipts = Array.from({ length: 5 }, () => scene.conversation.send(0, file(100 * KIB), {}));
    scene.host.endTask();
    // The second one goes as there were 100 KiB.
    expect(scene.link.sent).toHaveLength(2);
    expect(receipts.map(({ state }) => state)).toEqual(["unknown", "unknown", "queued", "queued", "queued"]);
    expect(scene.conversation.bufferedAmount(0)).toBe(500 * KIB);
    const { timersSet } = scene.host;
    scene.host.advance(1000);
    expect(scene.host.timersSet - timersSet).toBeLessThan(12);
    scene.link.bufferedBytes = 128 * KIB;
    scene.host.advance(250);
    expect(scene.link.sent).toHaveLength(3);
    scene.link.bufferedBytes = 0;
    scene.host.advance(250);
    expect(scene.link.sent).toHaveLength(5);
    scene.link.bufferedBytes = 0;
    scene.host.advance(250);
    expect(scene.host.timers).toEqual([]);
  });

  it("that wait are replaced, expire and are taken back", async () => {
    const scene = new Scene().connect();
    scene.link.bufferedBytes = 1 << 20;
    const [old, late, gone] = [scene.send("old", { key: "k" }), scene.send("late", { ttl: 100 }), scene.send("gone")];
    scene.send("new", { key: "k" });
    expect(gone.cancel()).toBe(true);
    scene.host.advance(200);
    scene.link.bufferedBytes = 0;
    scene.host.advance(250);
    expect(scene.link.sent).toEqual(["new"]);
    expect([old.state, late.state, gone.state]).toEqual(["cancelled", "expired", "cancelled"]);
    await expect(old.written).rejects.toEqual(failure("ERR_SUPERSEDED"));
    await expect(late.written).rejects.toEqual(failure("ERR_EXPIRED"));
  });

  it("may be more at a time while timers come late", () => {
    const scene = new Scene().connect();
    scene.link.bufferedBytes = 1 << 20;
    scene.send("a");
    scene.host.endTask();
    expect(scene.link.sent).toEqual([]);
    scene.conversation.handleHidden(true);
    expect(scene.link.sent).toEqual(["a"]);
    scene.link.bufferedBytes = 5 << 20;
    scene.send("b");
    scene.host.endTask();
    expect(scene.link.sent).toEqual(["a"]);
  });

  it("that come are a reason to look at the buffer", () => {
    const scene = new Scene().connect();
    scene.link.bufferedBytes = 1 << 20;
    scene.send("a");
    scene.host.endTask();
    scene.link.bufferedBytes = 0;
    scene.link.say("b");
    expect(scene.link.sent).toEqual(["a"]);
    expect(scene.events.at(-1)).toEqual({ type: "message", channel: 0, text: true, data: "b", cost: 0 });
  });

  it("are not handed to a socket that is closing, where they would vanish", () => {
    const scene = new Scene().connect();
    scene.link.isOpen = false;
    const receipt = scene.send("a");
    scene.host.endTask();
    expect(receipt.state).toBe("queued");
    scene.link.die({ code: 1000, wasClean: true });
    expect(scene.end.losses.neverWritten.map(({ message }) => message.receipt)).toEqual([receipt]);
  });

  it("wake the poll for who waits for the buffer, with nothing queued", () => {
    const scene = new Scene().connect();
    let drains = 0;
    const gate = scene.gates.add({
      bufferedBytes: () => scene.conversation.bufferedAmount(0),
      queuedBytes: () => scene.conversation.queuedAmount(0),
      onDrain: () => {
        drains += 1;
      },
    });
    scene.link.keeps = true;
    scene.conversation.send(0, file(400 * KIB), {});
    gate.handleSent();
    scene.host.endTask();
    scene.link.bufferedBytes = 0;
    scene.host.advance(300);
    expect(drains).toBe(1);
    expect(scene.host.timers).toEqual([]);
  });

  it("go on no channel but the default one", () => {
    const scene = new Scene().connect();
    expect(scene.conversation.send(1, say("a"), {}).state).toBe("never-written");
    expect(() => scene.conversation.openChannel()).toThrow(failure("ERR_NOT_SLUICE"));
    expect([scene.conversation.channelName(0), scene.conversation.channelName(1)]).toEqual(["", undefined]);
    expect(scene.conversation.bufferedAmount(1)).toBe(0);
  });
});

describe("PlainConversation: the end", () => {
  it("flushes, closes with the code, and passes on what the server says", () => {
    const scene = new Scene().connect();
    scene.link.bufferedBytes = 1 << 20;
    scene.send("last");
    scene.conversation.close(4000, "bye");
    scene.host.endTask();
    expect([scene.send("late").state, scene.link.calls]).toEqual(["never-written", []]);
    scene.link.bufferedBytes = 0;
    scene.host.advance(250);
    expect([scene.link.sent, scene.link.calls]).toEqual([["last"], ["close 4000 bye"]]);
    scene.link.die({ wasClean: true, code: 4000, reason: "bye" });
    expect(scene.end).toMatchObject({ code: 4000, reason: "bye", wasClean: true, error: undefined });
    expect(scene.host.timers).toEqual([]);
  });

  it("waits for as long as something moves, and no longer than its timeout for what does not", () => {
    const scene = new Scene().connect();
    scene.link.keeps = true;
    scene.conversation.send(0, file(800 * KIB), {});
    scene.conversation.close(1000, "");
    scene.host.endTask();
    expect(scene.link.calls).toEqual(["close 1000 "]);
    for (let step = 0; step < 4; step++) {
      scene.host.advance(4000);
      scene.link.bufferedBytes -= 100 * KIB;
    }
    scene.host.advance(4999);
    expect(scene.story).toEqual(["opened"]);
    scene.host.advance(300);
    expect(scene.story).toEqual(["opened", "closed 1006 ERR_CONNECTION_LOST"]);
    expect(scene.link.calls).toEqual(["close 1000 ", "terminate"]);
  });

  it("fails while nothing is connected and nothing waits", () => {
    const scene = new Scene().begin();
    scene.conversation.close(1000, "");
    expect(scene.story).toEqual(["closed 1006 ERR_CONNECT_FAILED"]);
    expect(scene.link.calls).toEqual(["terminate"]);
  });

  it("names what was never written, and the last of what is unknown", () => {
    const scene = new Scene().connect();
    const written = Array.from({ length: 1030 }, (_, index) => scene.send(String(index)));
    scene.host.endTask();
    scene.link.bufferedBytes = 1 << 20;
    const waiting = scene.send("waits");
    scene.host.endTask();
    scene.link.die();
    expect(scene.story).toEqual(["opened", "closed 1006 ERR_SESSION_LOST"]);
    expect(scene.end.losses.unknown).toEqual(written.slice(-1024));
    expect(scene.end.losses.neverWritten.map(({ message }) => message.receipt)).toEqual([waiting]);
    expect(waiting.state).toBe("queued");
    failNeverWritten(scene.end.losses.neverWritten);
  });

  it("of the server with a code passes through, but for the ones that ask to come again", () => {
    const ends = [
      [true, 1000],
      [true, 1012],
      [false, 1012],
    ] as const;
    const codes = ends.map(([reopens, code]) => {
      const scene = new Scene({ reopens }).connect();
      scene.link.die({ wasClean: true, code });
      return scene.story.at(-1);
    });
    expect(codes).toEqual(["closed 1000 undefined", "closed 1012 ERR_SESSION_LOST", "closed 1012 undefined"]);
  });

  it("comes with the page: what can leave leaves, and the browser closes the socket", () => {
    const scene = new Scene().connect();
    scene.link.bufferedBytes = 150 * KIB;
    scene.send("bye");
    scene.conversation.leave(new SluiceError("ERR_CONNECTION_LOST", "left"));
    expect([scene.link.sent, scene.link.calls]).toEqual([["bye"], ["abandon"]]);
    expect(scene.story.at(-1)).toBe("closed 1001 ERR_CONNECTION_LOST");
  });

  it("does not come with a page that sleeps: its socket may live on", () => {
    const scene = new Scene().connect();
    scene.conversation.suspend();
    scene.conversation.wake();
    expect(scene.link.calls).toEqual([]);
    scene.send("a");
    scene.host.endTask();
    expect(scene.link.sent).toEqual(["a"]);
  });
});

describe("PlainConversation: a link that somebody has found", () => {
  const greeting = encodeBatch(0, [{ type: "greeting", parameters: new Map() } as never]);

  it("is open at once, behind what was taken over", () => {
    const scene = new Scene();
    scene.send("waits");
    const link = new FakePlainLink();
    scene.links.push(link);
    scene.conversation.adopt(link, true);
    link.open();
    expect(scene.story).toEqual(["opened"]);
    expect(link.sent).toEqual(["waits"]);
  });

  it.each<[string, boolean, Uint8Array | string, string[]]>([
    ["is left for one that greets", true, greeting, ["opened", "greeting", "closed 1006 ERR_SESSION_LOST"]],
    ["takes bytes that are no greeting for a message", true, Uint8Array.of(0, 2), ["opened", "message"]],
    ["takes text for a message", true, "text", ["opened", "message"]],
    ["takes a greeting for a message where none is due", false, greeting, ["opened", "message"]],
  ])("%s", (_, mayGreet, data, story) => {
    const scene = new Scene();
    const link = new FakePlainLink();
    scene.conversation.adopt(link, mayGreet);
    link.open();
    link.say(data);
    expect(scene.story).toEqual(story);
    link.say(greeting);
    expect(scene.story.slice(story.length)).toEqual(story.at(-1) === "message" ? ["message"] : []);
  });
});
