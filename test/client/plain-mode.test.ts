import { once } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import { type ServerOptions, WebSocket } from "ws";
import { type SluiceCloseEvent, SluiceSocket, type SluiceSocketOptions } from "../../src/client/index.js";
import { encodeBatch } from "../../src/core/wire/encode.js";
import { clientStory } from "../support/client-story.js";
import { inboxOf } from "../support/inbox.js";
import { OrdinaryServer, simpleFetch } from "../support/ordinary-server.js";

const failure = (code: string) => expect.objectContaining({ code });

let server: OrdinaryServer;
const sockets: SluiceSocket[] = [];

async function serve(options: ServerOptions = {}): Promise<void> {
  server = await OrdinaryServer.start(options);
}

afterEach(async () => {
  for (const socket of sockets.splice(0)) {
    if (socket.readyState === SluiceSocket.CLOSED) continue;
    const closed = once(socket, "close");
    socket.close();
    await closed;
  }
  await server.stop();
});

function dial(protocols: string | string[] = [], options: SluiceSocketOptions = {}): SluiceSocket {
  const socket = new SluiceSocket(server.url, protocols, {
    WebSocket,
    fetch: simpleFetch,
    backoff: { baseMs: 5 },
    closeTimeoutMs: 200,
    ...options,
  });
  sockets.push(socket);
  return socket;
}

async function connect(protocols: string | string[] = [], options: SluiceSocketOptions = {}) {
  const socket = dial(protocols, options);
  await once(socket, "open");
  const { socket: peer, inbox } = await server.connections.next();
  return { socket, peer, inbox };
}

/** A batch with the GREETING of a Sluice server. */
const GREETING = encodeBatch(0, [{ type: "greeting", parameters: new Map() } as never]);

describe("plain mode: which servers get it", () => {
  it("one that chooses a protocol of the application, at once", async () => {
    await serve();
    const socket = dial(["chat", "other"]);
    expect(socket.mode).toBeNull();
    socket.send("before");
    await once(socket, "open");
    const { inbox } = await server.connections.next();
    socket.send(Uint8Array.of(1, 2));
    expect(await inbox.take(2)).toEqual(["before", [1, 2]]);
    expect([socket.mode, socket.protocol, socket.transport, socket.connectionState]).toEqual([
      "plain",
      "chat",
      "websocket",
      "connected",
    ]);
    expect(server.offers).toEqual(["chat,other,sluice.v1"]);
    expect(server.requests).toEqual([]);
  });

  it("one that repeats our protocol and says nothing, when it is no Sluice server by HTTP", async () => {
    await serve();
    server.onConnection = (webSocket) =>
      webSocket.on("message", (data, isBinary) => webSocket.send(data, { binary: isBinary }));
    const socket = dial();
    const inbox = inboxOf(socket);
    for (const data of ["1", "2", "3"]) socket.send(data);
    expect(await inbox.take(3)).toEqual(["1", "2", "3"]);
    expect([socket.mode, socket.protocol]).toEqual(["plain", ""]);
    expect(server.offers).toEqual(["sluice.v1"]);
    expect(server.requests).toEqual(["application/vnd.sluice"]);
    expect(server.received).toEqual(["1", "2", "3"]);
  });

  it("one that repeats our protocol and says something else, of which nothing is lost", async () => {
    await serve();
    server.onConnection = (webSocket) => {
      webSocket.send("welcome");
      webSocket.send("to our chat");
    };
    const socket = dial();
    const [story, inbox] = [clientStory(socket), inboxOf(socket)];
    expect(await inbox.take(2)).toEqual(["welcome", "to our chat"]);
    expect(story).toEqual(["connected", "open 1", "message welcome", "message to our chat"]);
    expect(server.received).toEqual([]);
  });

  it("one that chooses nothing: it is dialled again, once, without our protocol", async () => {
    await serve({ handleProtocols: () => false });
    const socket = dial();
    socket.send("a");
    const [, second] = await server.connections.take(2);
    expect(await second?.inbox.next()).toBe("a");
    expect(socket.mode).toBe("plain");
    // `ws`, like browsers, fails a handshake that takes none of what was offered.
    expect(server.offers).toEqual(["sluice.v1", undefined]);
    expect(server.received).toEqual(["a"]);
  });

  it("one that closes before anybody knows it, with what it said", async () => {
    await serve();
    server.onConnection = (webSocket) => {
      webSocket.send("no");
      webSocket.close(4401, "who are you?");
    };
    const socket = dial();
    const story = clientStory(socket);
    const [event] = (await once(socket, "close")) as [SluiceCloseEvent];
    expect(event).toMatchObject({ code: 4401, reason: "who are you?", wasClean: true });
    expect(story).toEqual(["connected", "open 1", "message no", "closed", "close 4401"]);
  });
});

describe("plain mode: which servers never get it", () => {
  /** The end of a socket that does not come about, and all that has reached the server. */
  async function refusal(options: SluiceSocketOptions): Promise<unknown> {
    const socket = dial([], { connectTimeoutMs: 300, ...options });
    socket.send("secret");
    const [[{ error }]] = await Promise.all([once(socket, "error"), once(socket, "close")]);
    expect(socket.mode).toBeNull();
    expect(server.received).toEqual([]);
    return error;
  }

  it("one that is a Sluice server by HTTP, though no greeting comes", async () => {
    await serve();
    server.answer = { status: 200, type: "application/vnd.sluice" };
    expect(await refusal({})).toEqual(failure("ERR_CONNECT_FAILED"));
    expect(server.requests.length).toBeGreaterThan(0);
  });

  it("one that is a Sluice server by HTTP, though the second handshake succeeds", async () => {
    await serve({ handleProtocols: () => false });
    server.answer = { status: 200, type: "application/vnd.sluice" };
    expect(await refusal({})).toEqual(failure("ERR_CONNECT_FAILED"));
  });

  it("one that has not greeted, where nobody answers over HTTP", async () => {
    await serve();
    const fetch = () => Promise.reject(new TypeError("blocked by CSP"));
    expect(await refusal({ fetch })).toMatchObject({ code: "ERR_CONNECT_FAILED", retryable: true });
  });

  it.each([
    ["of a socket with `auth`", { auth: "token" }],
    ["of a socket in framed mode", { mode: "framed" as const }],
  ])("any %s", async (_, options) => {
    await serve({ handleProtocols: () => "chat" });
    const socket = dial(["chat"], options);
    const [{ error }] = await once(socket, "error");
    expect(error).toEqual(failure("ERR_NOT_SLUICE"));
    expect(server.offers).toEqual(["chat,sluice.v1"]);
  });
});

describe("plain mode: asked for", () => {
  it("offers nothing of ours, and asks nobody", async () => {
    await serve();
    const { socket, inbox } = await connect(["chat"], { mode: "plain" });
    socket.send("a");
    expect(await inbox.next()).toBe("a");
    expect([socket.protocol, socket.mode]).toEqual(["chat", "plain"]);
    expect(server.offers).toEqual(["chat"]);
    expect(server.requests).toEqual([]);
  });

  it("takes no credentials, and no other words", async () => {
    await serve();
    expect(() => dial([], { mode: "plain", auth: 1 })).toThrow(failure("ERR_USAGE_ARGUMENT"));
    expect(() => dial([], { mode: "raw" as never })).toThrow(failure("ERR_USAGE_ARGUMENT"));
    expect(() => dial([], { fetch: 1 })).toThrow(failure("ERR_USAGE_ARGUMENT"));
  });

  it("tells nothing from inside of the constructor", async () => {
    await serve();
    function Forbidden(): never {
      throw new DOMException("mixed content", "SecurityError");
    }
    const socket = dial([], { mode: "plain", WebSocket: Forbidden });
    expect(socket.readyState).toBe(0);
    const [{ error }] = await once(socket, "error");
    expect(error).toMatchObject({ code: "ERR_CONNECT_FAILED", cause: expect.any(DOMException) });
  });
});

describe("plain mode: messages", () => {
  it("are text or binary as in a native WebSocket, Blobs and streams too, in their order", async () => {
    await serve();
    const { socket, inbox } = await connect(["chat"]);
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(Uint8Array.of(7));
        controller.enqueue(Uint8Array.of(8));
        controller.close();
      },
    });
    socket.send("ä\ud800");
    socket.send(stream);
    socket.send(new Blob(["AB"]));
    socket.send(new Uint16Array([1]));
    expect(await inbox.take(4)).toEqual(["ä\ufffd", [7, 8], [65, 66], [1, 0]]);
    expect(socket.stats()).toMatchObject({ messagesSent: 4, bytesSent: 11, queuedBytes: 0, transport: "websocket" });
  });

  it("come as the binary type of the moment says", async () => {
    await serve();
    const { socket, peer, inbox } = await connect(["chat"]);
    expect(socket.binaryType).toBe("blob");
    const received = inboxOf(socket);
    peer.send(Uint8Array.of(1));
    expect(await received.next()).toBeInstanceOf(Blob);
    socket.binaryType = "arraybuffer";
    peer.send(Uint8Array.of(1, 2));
    expect(new Uint8Array((await received.next()) as ArrayBuffer)).toEqual(Uint8Array.of(1, 2));
    peer.send("text");
    expect(await received.next()).toBe("text");
    expect(inbox.items).toEqual([]);
    expect(socket.stats()).toMatchObject({ messagesReceived: 3, bytesReceived: 7 });
  });

  it("are taken by loops, streams and as they begin, too, across a lost connection", async () => {
    await serve();
    const loop = await connect(["chat"]);
    loop.peer.send("1");
    const seen: unknown[] = [];
    for await (const data of loop.socket) {
      seen.push(data);
      if (data === "1") {
        loop.peer.terminate();
        (await server.connections.next()).socket.send("2");
      } else {
        break;
      }
    }
    expect(seen).toEqual(["1", "2"]);

    const stream = await connect(["chat"]);
    stream.peer.send("3");
    const reader = stream.socket.readable.getReader();
    expect((await reader.read()).value).toBe("3");
    await reader.cancel();

    const begun = await connect(["chat"]);
    const { incoming } = begun.socket;
    begun.peer.send(Uint8Array.of(4, 5));
    for await (const message of incoming) {
      expect(message).toMatchObject({ type: "binary", size: 2 });
      expect(await message.arrayBuffer()).toEqual(Uint8Array.of(4, 5).buffer);
      break;
    }
  });

  it("are written, and never acknowledged", async () => {
    await serve();
    const { socket } = await connect(["chat"]);
    const receipt = socket.send("a");
    expect(receipt.state).toBe("queued");
    await receipt.written;
    await expect(receipt.delivered).rejects.toEqual(failure("ERR_NO_ACK"));
    expect([receipt.state, receipt.cancel()]).toEqual(["unknown", false]);
  });

  it("of one script can still be replaced and taken back", async () => {
    await serve();
    const { socket, inbox } = await connect(["chat"]);
    const [old, gone] = [socket.send("old", { key: "k" }), socket.send("gone")];
    socket.send("new", { key: "k" });
    socket.send("last");
    expect(gone.cancel()).toBe(true);
    expect(await inbox.take(2)).toEqual(["new", "last"]);
    await expect(old.written).rejects.toEqual(failure("ERR_SUPERSEDED"));
  });

  it("go through `writable`, which closes the socket", async () => {
    await serve();
    const { socket, inbox } = await connect(["chat"]);
    const closed = once(socket, "close");
    const writer = socket.writable.getWriter();
    await writer.write("a");
    await writer.close();
    expect(await inbox.next()).toBe("a");
    expect((await closed)[0]).toMatchObject({ code: 1000, wasClean: true });
  });
});

describe("plain mode: channels", () => {
  it("that were opened before anybody knew end, and so do their messages", async () => {
    await serve();
    const socket = dial(["chat"]);
    const files = socket.channel("files");
    const [lost, kept] = [files.send("lost"), socket.send("kept")];
    const closed = once(files, "close");
    await expect(lost.delivered).rejects.toEqual(failure("ERR_NOT_SLUICE"));
    await closed;
    await kept.written;
    expect([lost.state, files.state, files.send("late").state]).toEqual(["never-written", "closed", "never-written"]);
    const { inbox } = await server.connections.next();
    expect(await inbox.next()).toBe("kept");
    expect(server.received).toEqual(["kept"]);
  });

  it("cannot be opened", async () => {
    await serve();
    const { socket } = await connect(["chat"]);
    expect(() => socket.channel("files")).toThrow(failure("ERR_NOT_SLUICE"));
  });
});

describe("plain mode: the end", () => {
  it("passes codes and reasons through, both ways", async () => {
    await serve();
    const { socket: mine, peer, inbox } = await connect(["chat"]);
    const [near, other] = [once(mine, "close"), once(peer, "close")];
    mine.send("last");
    mine.close(4000, "bye");
    expect([mine.readyState, mine.send("late").state]).toEqual([2, "never-written"]);
    const [code, reason] = await other;
    expect([code, String(reason)]).toEqual([4000, "bye"]);
    expect((await near)[0]).toMatchObject({ code: 4000, reason: "bye", wasClean: true });
    expect(inbox.items).toEqual(["last"]);

    const { socket } = await connect(["chat"]);
    const closed = once(socket, "close");
    const story = clientStory(socket);
    server.connections.items[1]?.socket.close(4001, "enough");
    expect((await closed)[0]).toMatchObject({ code: 4001, reason: "enough", wasClean: true });
    expect(story).toEqual(["closed", "close 4001"]);
  });

  it("closes before the connection is there when nothing waits, and else delivers that first", async () => {
    await serve();
    const early = dial(["chat"], { mode: "plain" });
    const [{ error }] = await Promise.all([once(early, "error"), Promise.resolve(early.close())]).then(
      ([first]) => first,
    );
    expect(error).toEqual(failure("ERR_CONNECT_FAILED"));
    for (const mode of ["auto", "plain"] as const) {
      const socket = dial(["chat"], { mode });
      const closed = once(socket, "close");
      socket.send(mode);
      socket.close(3000);
      expect((await closed)[0]).toMatchObject({ code: 3000, wasClean: true });
    }
    expect(server.received).toEqual(["auto", "plain"]);
  });

  it("is a lost session when the line is cut: the next one is dialled as plain, and what was not written follows", async () => {
    await serve();
    const { socket } = await connect(["chat"]);
    const story = clientStory(socket);
    const written = socket.send("written");
    await written.written;
    const lost = once(socket, "sessionlost");
    server.connections.items[0]?.socket.terminate();
    const [{ detail }] = await lost;
    expect(detail).toEqual({ neverWritten: [], unknown: [written] });
    const waiting = socket.send("waits");
    socket.addEventListener("open", () => socket.send("first"));
    const next = await server.connections.next();
    expect(await next.inbox.take(2)).toEqual(["first", "waits"]);
    await waiting.written;
    expect(story).toEqual(["reconnecting", "sessionlost 0", "connected", "open 1"]);
    expect(server.offers).toEqual(["chat,sluice.v1", "chat"]);
  });

  it("is `error` and `close` 1006 for who wants that", async () => {
    await serve();
    const { socket } = await connect(["chat"], { onSessionLost: "close" });
    const story = clientStory(socket);
    const closed = once(socket, "close");
    server.connections.items[0]?.socket.terminate();
    await closed;
    expect(story).toEqual(["sessionlost 1", "closed", "error ERR_SESSION_LOST", "close 1006"]);
  });

  it.each([1012, 1013])("is none when the server asks to come again, by %i", async (code) => {
    await serve();
    const { socket } = await connect(["chat"]);
    const story = clientStory(socket);
    const reopened = once(socket, "open");
    server.connections.items[0]?.socket.close(code);
    await reopened;
    expect(story[1]).toBe("sessionlost 0");

    const { socket: other } = await connect(["chat"], { onSessionLost: "close" });
    const closed = once(other, "close");
    server.connections.items[2]?.socket.close(code, "later");
    expect((await closed)[0]).toMatchObject({ code, reason: "later", wasClean: true });
  });

  it("tries again until the server is back", async () => {
    await serve();
    const { socket, peer } = await connect(["chat"]);
    const reopened = once(socket, "open");
    server.isUp = false;
    peer.terminate();
    await server.handshakes.take(4);
    server.isUp = true;
    await reopened;
    expect(socket.connectionState).toBe("connected");
  });
});

describe("plain mode: a greeting that comes late", () => {
  it("ends it: the server is dialled again as what it is, and never taken for another", async () => {
    await serve();
    const { socket } = await connect();
    const lost = once(socket, "sessionlost");
    expect(socket.mode).toBe("plain");
    const written = socket.send("a");
    await written.written;
    server.connections.items[0]?.socket.send(GREETING);
    const [{ detail }] = await lost;
    expect(detail.unknown).toEqual([written]);
    socket.send("b");
    await server.connections.take(1);
    expect(server.offers).toEqual(["sluice.v1", "sluice.v1"]);
    const before = server.requests.length;
    const other = dial([], { connectTimeoutMs: 50 });
    const [{ error }] = await once(other, "error");
    expect(error).toEqual(failure("ERR_CONNECT_FAILED"));
    expect(server.requests).toHaveLength(before);
    expect(server.received).toEqual(["a"]);
  });
});
