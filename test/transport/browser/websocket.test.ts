import { beforeEach, describe, expect, it } from "vitest";
import { type WebSocketLike, webSocketTransport } from "../../../src/transport/browser/websocket.js";
import type { Transport, TransportHandler } from "../../../src/transport/transport.js";

/** A browser's WebSocket as the transport sees it. */
class FakeWebSocket implements WebSocketLike {
  static last: FakeWebSocket;
  binaryType = "blob";
  protocol = "";
  extensions = "";
  readyState = 0;
  bufferedAmount = 0;
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  readonly sent: Uint8Array[] = [];
  readonly closes: unknown[][] = [];
  readonly url: string;
  readonly protocols: string[];

  constructor(url: string, protocols: string[]) {
    this.url = url;
    this.protocols = protocols;
    FakeWebSocket.last = this;
  }

  send(data: Uint8Array): void {
    if (this.readyState === 0) throw new DOMException("still connecting", "InvalidStateError");
    this.sent.push(data);
  }

  close(...parts: unknown[]): void {
    this.closes.push(parts);
    this.readyState = 2;
  }

  open(protocol = "sluice.v1"): void {
    this.protocol = protocol;
    this.readyState = 1;
    this.onopen?.({} as never);
  }

  message(data: unknown): void {
    this.onmessage?.({ data } as never);
  }

  end(code: number, wasClean: boolean, reason = ""): void {
    this.readyState = 3;
    if (!wasClean) this.onerror?.({} as never);
    this.onclose?.({ code, wasClean, reason } as never);
  }
}

let transport: Transport;
let socket: FakeWebSocket;
let story: unknown[][];

const handler: TransportHandler = {
  handleOpen: (opened) => story.push(["open", opened]),
  handleBatch: (batch) => story.push(["batch", batch]),
  handleWritable: () => story.push(["writable"]),
  handleClosed: (death) => story.push(["closed", death]),
};

beforeEach(() => {
  story = [];
  transport = webSocketTransport(FakeWebSocket, "wss://example.com/live", ["chat", "sluice.v1"]);
  socket = FakeWebSocket.last;
});

describe("browser WebSocket transport", () => {
  it("dials with the URL and the protocols it is given", () => {
    expect(transport.name).toBe("websocket");
    expect([socket.url, socket.protocols]).toEqual(["wss://example.com/live", ["chat", "sluice.v1"]]);
    expect(socket.binaryType).toBe("arraybuffer");
  });

  it("throws what the constructor throws", () => {
    class Forbidden extends FakeWebSocket {
      constructor() {
        super("", []);
        throw new DOMException("not by this policy", "SecurityError");
      }
    }
    expect(() => webSocketTransport(Forbidden, "wss://example.com", [])).toThrow(
      expect.objectContaining({ name: "SecurityError" }),
    );
  });

  it("says that it is open, and what the server has chosen", () => {
    transport.start(handler);
    expect(story).toEqual([]);
    socket.extensions = "permessage-deflate";
    socket.open("sluice.v1");
    expect(story).toEqual([["open", { subprotocol: "sluice.v1", extensions: "permessage-deflate" }]]);
  });

  it("lets messages be handled in a task that whoever made it knows of", () => {
    const runs: [unknown, () => void][] = [];
    const task = { within: (event: unknown, run: () => void) => void runs.push([event, run]), follow: () => {} };
    webSocketTransport(FakeWebSocket, "wss://example.com/live", [], task).start(handler);
    FakeWebSocket.last.open();
    FakeWebSocket.last.message(Uint8Array.of(1).buffer);
    expect(story.map(([type]) => type)).toEqual(["open"]);
    expect(runs[0]?.[0]).toMatchObject({ data: Uint8Array.of(1).buffer });
    runs[0]?.[1]();
    expect(story.at(-1)).toEqual(["batch", Uint8Array.of(1)]);
  });

  it("counts on further listeners of a message once they have been called, and keeps them when it has ended", () => {
    class Target extends FakeWebSocket {
      readonly listeners: (() => void)[] = [];
      addEventListener(_type: "message", listener: () => void): void {
        this.listeners.push(listener);
      }
      hear(data: unknown, isCalled = true): void {
        this.message(data);
        for (const listener of isCalled ? this.listeners : []) listener();
      }
    }
    const calls: unknown[] = [];
    const within = (_event: unknown, run: () => void, followers: number): void => {
      calls.push(followers);
      run();
    };
    const task = { within, follow: (isLast: boolean) => void calls.push(isLast) };
    let isOver = false;
    const transport = webSocketTransport(Target, "wss://example.com/live", [], task);
    transport.start({ ...handler, handleBatch: () => isOver && transport.terminate() });
    const socket = FakeWebSocket.last as Target;
    socket.open();
    socket.hear(new ArrayBuffer(1), false);
    socket.hear(new ArrayBuffer(1));
    expect(calls.splice(0)).toEqual([0, 0, false, false, true]);
    isOver = true;
    socket.hear(new ArrayBuffer(1));
    expect(calls.splice(0)).toEqual([3, false, false, true]);
    expect(socket.onmessage).toBeNull();
  });

  it.each<[string, unknown, number[]]>([
    ["an ArrayBuffer", Uint8Array.of(1, 2, 3).buffer, [1, 2, 3]],
    ["an ArrayBuffer of another realm", foreign(Uint8Array.of(1, 2).buffer), [1, 2]],
    ["a view", Uint8Array.of(9, 1, 2, 9).subarray(1, 3), [1, 2]],
    ["a text message, which carries no batch", "hello", []],
    ["a Blob, which nobody has asked for", new Blob(["hello"]), []],
    ["nothing", undefined, []],
  ])("makes a batch of %s", (_, data, bytes) => {
    transport.start(handler);
    socket.open();
    socket.message(data);
    expect(story.at(-1)?.[0]).toBe("batch");
    const batch = story.at(-1)?.[1] as Uint8Array;
    expect(batch).toBeInstanceOf(Uint8Array);
    expect([...batch]).toEqual(bytes);
  });

  it("tells once how it ended", () => {
    transport.start(handler);
    socket.open();
    socket.end(1006, false);
    socket.end(1000, true);
    expect(story.slice(1)).toEqual([["closed", { wasClean: false, code: 1006, reason: "" }]]);
  });

  it("tells code and reason of a clean end, also before it was open", () => {
    transport.start(handler);
    socket.end(4000, true, "bye");
    expect(story).toEqual([["closed", { wasClean: true, code: 4000, reason: "bye" }]]);
  });

  it("hands over batches while it is open, and drops what comes earlier or later", () => {
    transport.start(handler);
    transport.send(Uint8Array.of(1));
    socket.open();
    transport.send(Uint8Array.of(2));
    socket.readyState = 2;
    transport.send(Uint8Array.of(3));
    socket.readyState = 3;
    transport.send(Uint8Array.of(4));
    expect(socket.sent).toEqual([Uint8Array.of(2)]);
  });

  it("says what the platform still buffers, 0 where that is not known", () => {
    socket.bufferedAmount = 70_000;
    expect(transport.bufferedBytes).toBe(70_000);
    Object.assign(socket, { bufferedAmount: undefined });
    expect(transport.bufferedBytes).toBe(0);
  });

  it.each([
    [1000, [1000, "bye"]],
    [3000, [3000, "bye"]],
    [4999, [4999, "bye"]],
    [1001, []],
    [1002, []],
    [1008, []],
    [1009, []],
    [2999, []],
  ])("closes with %i as far as a page may", (code, parts) => {
    transport.start(handler);
    socket.open();
    transport.close(code, "bye");
    expect(socket.closes).toEqual([parts]);
  });

  it.each([["close", () => transport.close(1000, "")] as const, ["terminate", () => transport.terminate()] as const])(
    "tells nothing any more after %s, whatever still comes",
    (_, end) => {
      transport.start(handler);
      socket.open();
      end();
      socket.readyState = 1;
      socket.message(Uint8Array.of(1).buffer);
      socket.open();
      socket.end(1006, false);
      expect(story).toHaveLength(1);
      expect(socket.closes).toHaveLength(1);
    },
  );

  it("ends a connection that is still being made, and an `error` finds somebody to take it", () => {
    transport.start(handler);
    transport.terminate();
    expect(socket.closes).toEqual([[]]);
    // An implementation for Node emits `error`, which nobody may leave unheard.
    expect(socket.onerror).toBeTypeOf("function");
    socket.end(1006, false);
    expect(story).toEqual([]);
  });
});

/** An ArrayBuffer that fails `instanceof`, as those of jsdom do. */
function foreign(buffer: ArrayBuffer): ArrayBuffer {
  const copy = structuredClone(buffer);
  Object.setPrototypeOf(copy, Object.create(ArrayBuffer.prototype, { constructor: { value: null } }));
  return copy;
}
