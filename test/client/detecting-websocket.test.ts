import { afterEach, describe, expect, it } from "vitest";
import { DetectingWebSocket, type FoundPlain } from "../../src/client/detecting-websocket.js";
import type { ProbeAnswer } from "../../src/client/probe.js";
import type { SluiceError } from "../../src/core/error.js";
import { encodeBatch } from "../../src/core/wire/encode.js";
import type { WebSocketLike } from "../../src/transport/browser/websocket.js";
import { reactions } from "../support/event-loop.js";
import { FakeHost } from "../support/fake-host.js";

const GREETING = encodeBatch(0, [{ type: "greeting", parameters: new Map() } as never]);

/** A native WebSocket whose events are what a test says. */
class Native implements WebSocketLike {
  static all: Native[] = [];
  static isForbidden = false;
  binaryType = "blob";
  protocol = "";
  extensions = "x";
  readyState = 0;
  bufferedAmount = 7;
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  readonly sent: unknown[] = [];
  readonly listeners: (() => void)[] = [];
  readonly closes: unknown[][] = [];
  readonly offer: string[];

  constructor(_url: string, offer: string[]) {
    if (Native.isForbidden) throw new Error("forbidden");
    this.offer = offer;
    Native.all.push(this);
  }

  send(data: unknown): void {
    this.sent.push(data);
  }

  close(...args: unknown[]): void {
    this.closes.push(args);
  }

  open(protocol: string): void {
    this.protocol = protocol;
    this.readyState = 1;
    this.onopen?.({} as never);
  }

  say(data: unknown): void {
    const listeners = [...this.listeners];
    this.onmessage?.({ data } as never);
    for (const listener of listeners) listener();
  }

  addEventListener(_type: "message", listener: () => void): void {
    this.listeners.push(listener);
  }

  die(code = 1006, reason = "", wasClean = false): void {
    this.readyState = 3;
    this.onclose?.({ code, reason, wasClean } as never);
  }
}

class Scene {
  readonly host = new FakeHost();
  readonly socket: DetectingWebSocket;
  readonly story: string[] = [];
  readonly found: FoundPlain[] = [];
  readonly blocked: SluiceError[] = [];
  silences = 0;
  probes = 0;
  answer: (answer: ProbeAnswer) => Promise<void> = async () => {};

  constructor(protocols = ["chat", "sluice.v1"]) {
    Native.all = [];
    Native.isForbidden = false;
    const probe = () => {
      this.probes += 1;
      return new Promise<ProbeAnswer>((resolve) => {
        this.answer = async (answer) => {
          resolve(answer);
          await reactions();
        };
      });
    };
    const handlers = {
      onPlain: (found: FoundPlain) => this.found.push(found),
      onSilent: () => {
        this.silences += 1;
      },
      onBlocked: (error: SluiceError) => this.blocked.push(error),
    };
    const options = { WebSocket: Native, host: this.host, probe, ...handlers };
    this.socket = new DetectingWebSocket(options, "ws://example.com/", protocols);
    this.socket.onopen = () => this.story.push("open");
    this.socket.onmessage = ({ data }: { data: unknown }) => this.story.push(`message ${data}`);
    this.socket.onclose = ({ code }: { code: number }) => this.story.push(`close ${code}`);
  }

  get native(): Native {
    return Native.all.at(-1) as Native;
  }
}

let scene: Scene;
afterEach(() => expect(scene.host.timers).toEqual([]));

describe("DetectingWebSocket: a Sluice server", () => {
  it("lets listeners hear the messages behind its GREETING", () => {
    scene = new Scene();
    const { socket, native, story } = scene;
    socket.addEventListener("message", () => story.push("heard"));
    native.open("sluice.v1");
    native.say(GREETING);
    expect(story).toEqual(["open", `message ${GREETING}`]);
    native.say("a");
    expect(story.slice(2)).toEqual(["message a", "heard"]);
  });

  it("opens with its GREETING, never before, and is passed through from there on", () => {
    scene = new Scene();
    const { socket, native } = scene;
    native.open("sluice.v1");
    socket.send(Uint8Array.of(1));
    expect([scene.story, native.sent, socket.readyState, socket.bufferedAmount]).toEqual([[], [], 0, 0]);
    native.say(GREETING);
    expect(scene.story).toEqual(["open", `message ${GREETING}`]);
    expect([socket.readyState, socket.bufferedAmount, socket.protocol, socket.extensions]).toEqual([
      1,
      7,
      "sluice.v1",
      "x",
    ]);
    socket.send(Uint8Array.of(2));
    native.say("a");
    native.say(GREETING);
    socket.close(1000, "bye");
    native.die(1000);
    expect(native.sent).toEqual([Uint8Array.of(2)]);
    expect(native.closes).toEqual([[1000, "bye"]]);
    expect(scene.story.slice(2)).toEqual(["message a", `message ${GREETING}`, "close 1000"]);
    expect(scene.probes).toBe(0);
  });

  it("may be slow: it is asked over HTTP, and then waited for", async () => {
    scene = new Scene();
    scene.native.open("sluice.v1");
    scene.host.advance(99);
    expect(scene.probes).toBe(0);
    scene.host.advance(1);
    expect(scene.probes).toBe(1);
    expect(scene.silences).toBe(0);
    await scene.answer("sluice");
    expect(scene.silences).toBe(1);
    scene.native.say(GREETING);
    expect(scene.story[0]).toBe("open");
    scene.native.die();
  });

  it("that greets while it is asked needs no answer", async () => {
    scene = new Scene();
    scene.native.open("sluice.v1");
    scene.host.advance(100);
    scene.native.say(GREETING);
    await scene.answer("other");
    expect([scene.story.length, scene.found]).toEqual([2, []]);
  });

  it("gets half as long as the handshake took, but no more than a second", () => {
    scene = new Scene();
    scene.host.advance(500);
    scene.native.open("sluice.v1");
    scene.host.advance(249);
    expect(scene.probes).toBe(0);
    scene.host.advance(1);
    expect(scene.probes).toBe(1);
    scene = new Scene();
    scene.host.advance(5000);
    scene.native.open("sluice.v1");
    scene.host.advance(1000);
    expect(scene.probes).toBe(1);
  });

  it("whose line breaks before its GREETING has failed", async () => {
    scene = new Scene();
    scene.native.open("sluice.v1");
    scene.native.die();
    expect(scene.probes).toBe(1);
    await scene.answer("sluice");
    expect(scene.silences).toBe(0);
    expect(scene.blocked).toEqual([expect.objectContaining({ code: "ERR_CONNECT_FAILED", retryable: true })]);
  });
});

describe("DetectingWebSocket: an ordinary server", () => {
  it("that selects another protocol is found at once", () => {
    scene = new Scene();
    scene.native.open("chat");
    expect(scene.found).toEqual([
      { socket: scene.native, subprotocol: "chat", extensions: "x", messages: [], death: undefined, mayGreet: false },
    ]);
    expect([scene.story, scene.probes]).toEqual([[], 0]);
    // It is somebody else's by now.
    scene.socket.close();
    expect(scene.native.closes).toEqual([]);
  });

  it("that repeats ours is found when HTTP says so, with all that it has said", async () => {
    scene = new Scene();
    scene.native.open("sluice.v1");
    scene.native.say("hello");
    expect(scene.probes).toBe(1);
    scene.native.say(GREETING);
    scene.native.die(4000, "bye", true);
    await scene.answer("other");
    expect(scene.found[0]).toMatchObject({
      subprotocol: "",
      messages: ["hello", GREETING],
      death: { code: 4000, reason: "bye", wasClean: true },
      mayGreet: true,
    });
    expect([scene.story, scene.native.sent]).toEqual([[], []]);
  });

  it.each<ProbeAnswer>(["sluice", "unknown"])("is nothing that may be assumed: the answer is %s", async (answer) => {
    scene = new Scene();
    scene.native.open("sluice.v1");
    scene.native.say("hello");
    await scene.answer(answer);
    expect([scene.found, scene.story, scene.blocked.length]).toEqual([[], [], 1]);
    expect(scene.native.closes).toEqual([[]]);
    scene.native.say("late");
    scene.native.die();
    expect(scene.story).toEqual([]);
  });

  it("may say no more than is kept of it", () => {
    scene = new Scene();
    scene.native.open("sluice.v1");
    for (let i = 0; i < 16; i++) scene.native.say(new Uint8Array(1 << 20));
    expect(scene.blocked).toEqual([]);
    scene.native.say("x");
    expect(scene.blocked).toHaveLength(1);
    expect(scene.native.closes).toEqual([[]]);
  });
});

describe("DetectingWebSocket: a handshake that fails", () => {
  it("is tried again without our protocol once the server has been asked, and is another", async () => {
    scene = new Scene();
    scene.native.die();
    expect([scene.probes, Native.all.length]).toEqual([1, 1]);
    await scene.answer("other");
    expect(Native.all.map(({ offer }) => offer)).toEqual([["chat", "sluice.v1"], ["chat"]]);
    scene.native.open("chat");
    await reactions();
    expect(scene.found[0]).toMatchObject({ socket: scene.native, subprotocol: "chat", messages: [], mayGreet: false });
  });

  it("is not tried where a Sluice server says that it is there, so that nobody there sees a client that never speaks", async () => {
    scene = new Scene();
    scene.native.die();
    await scene.answer("sluice");
    expect([scene.story, scene.found, Native.all.length]).toEqual([["close 1006"], [], 1]);
  });

  it.each([
    [0, 100],
    [400, 400],
    [5000, 1000],
  ])("of %i ms waits for the answer no longer than %i ms", async (tookMs, waitMs) => {
    scene = new Scene();
    scene.host.advance(tookMs);
    scene.native.die();
    scene.host.advance(waitMs - 1);
    expect(Native.all).toHaveLength(1);
    scene.host.advance(1);
    expect(Native.all).toHaveLength(2);
    scene.native.open("chat");
    scene.native.say("hello");
    expect(scene.found).toEqual([]);
    await scene.answer("unknown");
    expect(scene.found[0]).toMatchObject({ socket: scene.native, messages: ["hello"], mayGreet: false });
  });

  it("is over as soon as a Sluice server says that it is there: no other handshake is waited for", async () => {
    scene = new Scene();
    scene.native.die();
    scene.host.advance(100);
    await scene.answer("sluice");
    expect([scene.story, scene.found, scene.native.closes]).toEqual([["close 1006"], [], [[]]]);
  });

  it("is not tried more than once", async () => {
    scene = new Scene();
    scene.native.die();
    await scene.answer("other");
    scene.native.die();
    expect([scene.story, Native.all.length]).toEqual([["close 1006"], 2]);
  });

  it("has failed where the second socket cannot be made", async () => {
    scene = new Scene();
    Native.isForbidden = true;
    scene.native.die();
    await scene.answer("unknown");
    expect(scene.story).toEqual(["close 1006"]);
  });

  it("has failed when a Sluice server is there by now", async () => {
    scene = new Scene();
    scene.native.die();
    scene.host.advance(100);
    scene.native.open("chat");
    await scene.answer("sluice");
    expect([scene.story, scene.found, scene.native.closes]).toEqual([["close 1006"], [], [[]]]);
  });

  it("is over when nobody wants it any more", async () => {
    scene = new Scene();
    const first = scene.native;
    first.die();
    scene.socket.close();
    await scene.answer("other");
    expect([scene.story, Native.all.length]).toEqual([[], 1]);
    scene = new Scene();
    scene.native.die();
    scene.host.advance(100);
    scene.socket.close();
    expect(scene.native.closes).toEqual([[]]);
    scene.native.open("chat");
    await scene.answer("other");
    expect([scene.story, scene.found]).toEqual([[], []]);
    scene = new Scene();
    scene.socket.close();
    scene.native.die();
    expect([scene.native.closes, scene.story, Native.all.length]).toEqual([[[]], [], 1]);
  });
});
