import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type Receipt,
  type SessionLoss,
  SluiceError,
  SluiceSocket,
  type SluiceSocketOptions,
} from "../../src/client/websocket.js";
import { clientStory, unhandledRejections } from "../support/client-story.js";
import { MemoryNetwork } from "../support/memory-network.js";
import { binary } from "../support/pair.js";
import { say } from "../support/talk.js";

const URL = "wss://example.com/live";

const failure = (code: string) => expect.objectContaining({ code });

let network: MemoryNetwork;
let socket: SluiceSocket;
let story: string[];
let losses: SessionLoss[];
let unhandled: ReturnType<typeof unhandledRejections>;

beforeEach(() => {
  network = new MemoryNetwork();
  unhandled = unhandledRejections();
});

afterEach(async () => {
  network.reach = "up";
  socket.close();
  await network.run(20_000);
  unhandled.stop();
  network.stop();
  expect(socket.readyState).toBe(SluiceSocket.CLOSED);
  expect(unhandled.seen).toEqual([]);
});

async function connect(options: SluiceSocketOptions = {}): Promise<void> {
  socket = new SluiceSocket(URL, [], { WebSocket: network.WebSocket, ...options });
  story = clientStory(socket);
  losses = [];
  socket.onsessionlost = ({ detail }) => losses.push(detail);
  await network.run(10);
  expect(socket.readyState).toBe(SluiceSocket.OPEN);
  story.length = 0;
}

/** The server forgets everything and cannot be reached: what is sent now is never read by the session it is for. */
async function lose(): Promise<void> {
  network.reach = "down";
  network.restart();
  await network.settle();
}

/** The server can be reached again; the client learns that the session is gone. */
async function comeBack(): Promise<void> {
  network.reach = "up";
  await network.run(20_000);
}

const states = (receipts: Receipt[]) => receipts.map(({ state }) => state);

describe("SluiceSocket: a lost session, to be reopened", () => {
  it("tells so, then opens anew", async () => {
    await connect();
    await lose();
    expect([socket.readyState, socket.connectionState]).toEqual([1, "reconnecting"]);
    const lost = new Promise<number>((resolve) =>
      socket.addEventListener("sessionlost", () => resolve(socket.readyState)),
    );
    await comeBack();
    expect(story).toEqual(["reconnecting", "sessionlost 0", "connected", "open 1"]);
    expect(await lost).toBe(0);
    expect([socket.readyState, socket.connectionState, socket.transport]).toEqual([1, "connected", "websocket"]);
    expect(losses).toEqual([{ neverWritten: [], unknown: [] }]);
    expect(network.server.ends.items).toHaveLength(2);
    expect(socket.stats().resumes).toBe(0);
    network.server.end.send("", say("hello again"));
    await network.run(50);
    expect(story.at(-1)).toBe("message hello again");
  });

  it("tells of each message what is known, in the order of `send`", async () => {
    await connect();
    const delivered = socket.send("delivered");
    await network.run(50);
    network.blocked = "down";
    const unknown = [socket.send("u1"), socket.send("u2")];
    await network.settle();
    network.blocked = undefined;
    await lose();
    const waiting = [socket.send("n1"), socket.send("n2")];
    await comeBack();
    expect(losses).toEqual([{ neverWritten: waiting, unknown }]);
    expect(losses[0]?.neverWritten).toHaveLength(2);
    expect(losses[0]?.unknown[0]).toBe(unknown[0]);
    expect(states([delivered, ...unknown, ...waiting])).toEqual([
      "delivered",
      "unknown",
      "unknown",
      "delivered",
      "delivered",
    ]);
    for (const receipt of unknown) await expect(receipt.delivered).rejects.toEqual(failure("ERR_DELIVERY_UNKNOWN"));
    // Never sent again: they may have arrived.
    expect(network.server.end.lines).toEqual(["n1", "n2"]);
  });

  it("sends what the `open` handlers send, then what was never written, then what was sent meanwhile", async () => {
    await connect();
    await lose();
    const carried = [socket.send("n1"), socket.send("n2"), socket.send(new Blob(["n3"]))];
    let during: string[] = [];
    const meanwhile: Receipt[] = [];
    socket.addEventListener("sessionlost", () => {
      during = states(carried);
      meanwhile.push(socket.send("m1"), socket.send("m2"));
    });
    const first: Receipt[] = [];
    const buffered: number[] = [];
    socket.onopen = () => {
      buffered.push(socket.bufferedAmount);
      first.push(socket.send("o1"));
    };
    socket.addEventListener("open", () => first.push(socket.send("o2")));
    await comeBack();
    expect(during).toEqual(["queued", "queued", "queued"]);
    expect(network.server.end.lines).toEqual(["o1", "o2", "n1", "n2", 2, "m1", "m2"]);
    expect(buffered).toEqual([10]);
    expect(new Set(states([...carried, ...meanwhile, ...first]))).toEqual(new Set(["delivered"]));
    expect(socket.bufferedAmount).toBe(0);
    expect(socket.stats().messagesSent).toBe(7);
  });

  it("lets messages be taken back while they wait for the next session", async () => {
    await connect();
    await lose();
    const controller = new AbortController();
    const carried = [socket.send("a"), socket.send("b"), socket.send("c", { signal: controller.signal })];
    socket.onsessionlost = () => {
      expect(carried[0]?.cancel()).toBe(true);
      controller.abort();
      expect(socket.bufferedAmount).toBe(1);
    };
    await comeBack();
    expect(states(carried)).toEqual(["cancelled", "delivered", "cancelled"]);
    await expect(carried[0]?.delivered).rejects.toEqual(failure("ERR_CANCELLED"));
    expect(network.server.end.lines).toEqual(["b"]);
  });

  it("refuses what is too large at once, also between two sessions", async () => {
    await connect({ limits: { messageBytesMax: 1000 } });
    await lose();
    let thrown: unknown;
    socket.onsessionlost = () => {
      try {
        socket.send(new Uint8Array(1001));
      } catch (error) {
        thrown = error;
      }
    };
    await comeBack();
    expect(thrown).toEqual(failure("ERR_MESSAGE_TOO_LARGE"));
    expect(network.server.end.lines).toEqual([]);
  });

  it("begins a Blob again from its start", async () => {
    await connect();
    const blob = new Blob([binary(3_000_000).bytes]);
    network.blocked = "up";
    const receipt = socket.send(blob);
    await network.run(10);
    network.blocked = undefined;
    await lose();
    expect(receipt.state).toBe("writing");
    const waits = socket.send(blob);
    await comeBack();
    await network.run(2000);
    expect(states([receipt, waits])).toEqual(["unknown", "delivered"]);
    expect(network.server.end.lines).toEqual([3_000_000]);
  });

  it("knows that what came behind the refused HELLO was never read", async () => {
    await connect();
    network.restart();
    await network.settle();
    const receipts = [socket.send("early"), socket.send(binary(20_000).bytes)];
    // Both leave as early data, and the server refuses.
    await network.run(1000);
    expect(losses).toEqual([{ neverWritten: receipts, unknown: [] }]);
    expect(network.server.end.lines).toEqual(["early", 20_000]);
    expect(states(receipts)).toEqual(["delivered", "delivered"]);
  });

  it("may be lost again: what is still not written is carried on, in order", async () => {
    await connect();
    await lose();
    const receipts = [socket.send("n1"), socket.send("n2")];
    const large: Receipt[] = [];
    socket.onopen = () => {
      if (large.length > 0) return;
      large.push(socket.send(binary(1_000_000).bytes));
      network.blocked = "up";
    };
    network.reach = "up";
    await network.run(1000);
    expect(states([...large, ...receipts])).toEqual(["writing", "queued", "queued"]);
    network.blocked = undefined;
    await lose();
    receipts.push(socket.send("n3"));
    await comeBack();
    expect(losses).toEqual([
      { neverWritten: receipts.slice(0, 2), unknown: [] },
      { neverWritten: receipts, unknown: large },
    ]);
    expect(network.server.end.lines).toEqual(["n1", "n2", "n3"]);
    expect(states([...large, ...receipts])).toEqual(["unknown", "delivered", "delivered", "delivered"]);
  });

  it("is not opened to the application when it is lost again before that could be told", async () => {
    await connect();
    await lose();
    socket.send("n1");
    socket.addEventListener("sessionlost", () => socket.send(`m${losses.length}`));
    socket.onopen = () => socket.send("o1");
    const receive = network.server.receive.bind(network.server);
    let received = 0;
    network.server.receive = (transport) => {
      received += 1;
      // The first one is to resume, and is refused.
      if (received === 2) network.blocked = "down";
      receive(transport);
    };
    network.reach = "up";
    await network.run(2000);
    expect([received, story.at(-1)]).toEqual([2, "sessionlost 0"]);
    const { near, far } = network.dial;
    far.deliver();
    for (let i = 0; i < 10; i++) await Promise.resolve();
    near.deliver();
    far.deliver();
    network.server.end.conversation.abort(1012, "", new SluiceError("ERR_SESSION_LOST", "shut down"));
    far.deliver();
    network.blocked = undefined;
    await network.run(100);
    const opened = ["connected", "open 1"];
    expect(story).toEqual(["reconnecting", "sessionlost 0", "connected", "reconnecting", "sessionlost 0", ...opened]);
    expect(network.server.end.lines).toEqual(["o1", "n1", "m1", "m2"]);
  });

  it("goes on for as long as it takes, however long that is", async () => {
    await connect();
    await lose();
    const receipt = socket.send("a");
    // Far beyond the window of the server, and any connect timeout.
    await network.run(400_000);
    expect(story).toEqual(["reconnecting", "sessionlost 0"]);
    expect([receipt.state, socket.readyState, socket.connectionState]).toEqual(["queued", 0, "reconnecting"]);
    await comeBack();
    expect(network.server.end.lines).toEqual(["a"]);
    expect(story).toEqual(["reconnecting", "sessionlost 0", "connected", "open 1"]);
  });

  it("follows when the server itself ends the session, and wants to be asked again", async () => {
    await connect();
    const { conversation } = network.server.end;
    conversation.abort(1012, "", new SluiceError("ERR_SESSION_LOST", "shut down"));
    await network.run(1000);
    expect(story).toEqual(["reconnecting", "sessionlost 0", "connected", "open 1"]);
  });
});

describe("SluiceSocket: channels over a lost session", () => {
  it("live on when the application has asked for them, and carry what was never written", async () => {
    await connect();
    const files = socket.channel("files", { priority: "low" });
    const chat = socket.channel("chat", { priority: "high" });
    files.send("before");
    await network.run(50);
    await lose();
    const receipts = [files.send("f1"), socket.send("s1"), chat.send("c1"), files.send("f2")];
    const received: string[] = [];
    files.onmessage = ({ data }) => received.push(data);
    socket.onopen = () => files.send("from open");
    socket.onsessionlost = () => {
      expect(files.bufferedAmount).toBe(4);
      receipts.push(files.send("f3"));
    };
    await comeBack();
    expect(network.server.end.messages.filter(([name]) => name === "files")).toEqual([
      ["files", "from open"],
      ["files", "f1"],
      ["files", "f2"],
      ["files", "f3"],
    ]);
    expect(network.server.end.messages).toContainEqual(["chat", "c1"]);
    expect(network.server.end.lines).toEqual(["s1"]);
    expect(network.server.end.of("channel").map(({ name, priority }) => [name, priority])).toEqual(
      expect.arrayContaining([
        ["files", "low"],
        ["chat", "high"],
      ]),
    );
    expect(new Set(states(receipts))).toEqual(new Set(["delivered"]));
    network.server.end.send("files", say("down"));
    await network.run(50);
    expect(received).toEqual(["down"]);
    expect([files.state, files.bufferedAmount]).toEqual(["open", 0]);
    expect(socket.channel("files")).toBe(files);
  });

  it("end when only the server has opened them: it may open them again", async () => {
    await connect();
    const channels: string[] = [];
    socket.addEventListener("channel", ({ channel }) => {
      channels.push(`open ${channel.name}`);
      channel.onmessage = ({ data }) => channels.push(data);
      channel.onclose = () => channels.push(`close ${channel.name}`);
    });
    network.server.end.send("news", say("first"));
    await network.run(50);
    await lose();
    await comeBack();
    expect(channels).toEqual(["open news", "first", "close news"]);
    network.server.end.send("news", say("second"));
    await network.run(50);
    expect(channels).toEqual(["open news", "first", "close news", "open news", "second"]);
  });

  it("that were closing have ended, and so has what waited on them", async () => {
    await connect();
    const files = socket.channel("files");
    files.send("before");
    await network.run(50);
    await lose();
    const receipt = files.send("waits");
    files.close();
    await comeBack();
    expect([files.state, receipt.state]).toEqual(["closed", "never-written"]);
    await expect(receipt.delivered).rejects.toEqual(failure("ERR_NEVER_WRITTEN"));
    expect(network.server.end.messages).toEqual([]);
    expect(losses[0]?.neverWritten).toEqual([receipt]);
  });

  it("closed while the next session is not open yet end behind what waits on them", async () => {
    await connect();
    const files = socket.channel("files");
    await lose();
    const receipts = [files.send("carried")];
    const ends: string[] = [];
    files.onclose = () => ends.push("close");
    socket.onsessionlost = () => {
      receipts.push(files.send("meanwhile"));
      files.close();
      expect(files.send("late").state).toBe("never-written");
    };
    await comeBack();
    expect(states(receipts)).toEqual(["delivered", "delivered"]);
    expect(network.server.end.messages).toEqual([
      ["files", "carried"],
      ["files", "meanwhile"],
    ]);
    expect(network.server.end.of("channel-closed")).toHaveLength(1);
    expect([ends, files.state]).toEqual([["close"], "closed"]);
  });

  it("closed inside of the `open` handler end behind what waits on them, too", async () => {
    await connect();
    const files = socket.channel("files");
    await lose();
    const receipts = [files.send("carried")];
    socket.onopen = () => {
      receipts.push(files.send("from open"));
      files.close();
    };
    await comeBack();
    expect(states(receipts)).toEqual(["delivered", "delivered"]);
    expect(files.state).toBe("closed");
    // And a channel of the running session at once.
    const other = socket.channel("other");
    other.close();
    await network.run(100);
    expect(other.state).toBe("closed");
  });

  it("asked for between two sessions are there in the next", async () => {
    await connect();
    await lose();
    let receipt: Receipt | undefined;
    socket.onsessionlost = () => {
      receipt = socket.channel("new", { priority: "high" }).send("a");
    };
    await comeBack();
    expect(receipt?.state).toBe("delivered");
    expect(network.server.end.messages).toEqual([["new", "a"]]);
  });
});

describe("SluiceSocket: close() around a lost session", () => {
  it("while a backlog waits: everything is delivered, then it closes, and `open` never comes", async () => {
    await connect();
    await lose();
    const files = socket.channel("files");
    const receipts = [socket.send("n1"), files.send("f1")];
    socket.onsessionlost = () => {
      receipts.push(socket.send("m1"));
      network.reach = "up";
      socket.close(4000, "done");
    };
    await comeBack();
    expect(new Set(states(receipts))).toEqual(new Set(["delivered"]));
    expect(network.server.end.lines).toEqual(["n1", "m1"]);
    expect(network.server.end.messages).toContainEqual(["files", "f1"]);
    expect(story.filter((entry) => !entry.startsWith("c"))).toEqual(["reconnecting", "sessionlost 0"]);
    expect(story.at(-1)).toBe("close 4000");
    expect(network.server.end.of("closed")).toMatchObject([{ code: 4000, wasClean: true }]);
  });

  it("inside of the `open` handler: what waits still goes before the end", async () => {
    await connect();
    await lose();
    const files = socket.channel("files");
    const receipts = [socket.send("n1"), files.send("f1")];
    socket.onopen = () => {
      receipts.push(socket.send("o1"));
      socket.close();
      expect(socket.send("late").state).toBe("never-written");
    };
    await comeBack();
    expect(states(receipts)).toEqual(["delivered", "delivered", "delivered"]);
    expect(network.server.end.lines).toEqual(["o1", "n1"]);
    expect(network.server.end.messages).toContainEqual(["files", "f1"]);
    expect(story.at(-1)).toBe("close 1005");
  });

  it("between two sessions, with nothing to deliver, fails the connection as a native socket does", async () => {
    await connect();
    await lose();
    socket.onsessionlost = () => {
      network.reach = "down";
      socket.close();
    };
    await comeBack();
    expect(story).toEqual(["reconnecting", "sessionlost 0", "closed", "error ERR_CONNECT_FAILED", "close 1006"]);
  });
});

describe("SluiceSocket: a lost session, to be closed", () => {
  it("is `sessionlost`, then `error` and `close` 1006, and everything has ended", async () => {
    await connect({ onSessionLost: "close" });
    const files = socket.channel("files");
    const ends: string[] = [];
    files.onclose = () => ends.push(`channel ${socket.readyState}`);
    network.blocked = "down";
    const unknown = [socket.send("u1")];
    await network.settle();
    network.blocked = undefined;
    await lose();
    const neverWritten = [socket.send("n1"), files.send("n2")];
    await comeBack();
    expect(story).toEqual(["reconnecting", "sessionlost 1", "closed", "error ERR_SESSION_LOST", "close 1006"]);
    expect(losses).toEqual([{ neverWritten, unknown }]);
    expect(states([...unknown, ...neverWritten])).toEqual(["unknown", "never-written", "never-written"]);
    await expect(neverWritten[1]?.delivered).rejects.toEqual(failure("ERR_NEVER_WRITTEN"));
    expect([ends, files.state]).toEqual([["channel 1"], "closed"]);
    expect([socket.connectionState, socket.transport]).toEqual(["closed", null]);
    const before = network.dials.length;
    await network.run(60_000);
    expect(network.dials).toHaveLength(before);
  });

  it("is still resumed as long as it can be", async () => {
    await connect({ onSessionLost: "close" });
    network.cut();
    await network.run(1000);
    expect(story).toEqual(["reconnecting", "connected"]);
  });

  it("gives up once the server's window, and the time it may take to notice, are over", async () => {
    await connect({ onSessionLost: "close" });
    await lose();
    await network.run(154_000);
    expect(story).toEqual(["reconnecting"]);
    await network.run(5000);
    expect(story.slice(1)).toEqual(["sessionlost 1", "closed", "error ERR_SESSION_LOST", "close 1006"]);
  });
});
