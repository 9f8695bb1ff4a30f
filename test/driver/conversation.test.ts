import { beforeEach, describe, expect, it, vi } from "vitest";
import { SluiceError } from "../../src/core/error.js";
import { DEFAULT_LIMITS } from "../../src/core/limits.js";
import type { ClientSession } from "../../src/core/session/client-session.js";
import type { ServerSession } from "../../src/core/session/server-session.js";
import type { Conversation } from "../../src/driver/conversation.js";
import { failNeverWritten } from "../../src/driver/outbox.js";
import { PendingMessage } from "../../src/driver/pending-message.js";
import { file, say, Talk } from "../support/talk.js";

const MIB = 1024 * 1024;

let talk: Talk;
let client: Conversation<ClientSession>;
let server: Conversation<ServerSession>;

const LOST = new SluiceError("ERR_CONNECTION_LOST", "given up");

beforeEach(() => {
  talk = new Talk().connect();
  client = talk.client.conversation;
  server = talk.server.conversation;
});

function closingChannel(): number {
  const channel = client.openChannel("files", "low");
  client.send(channel, file(MIB), {});
  client.closeChannel(channel);
  return channel;
}

describe("Conversation", () => {
  it("tells of the session, and keeps the events of single messages to the receipts", () => {
    const receipt = client.send(0, say("hello"), {});
    talk.run(20);
    expect(talk.client.story).toEqual(["dial", "greeted", "introduce", "established"]);
    expect(talk.server.story).toEqual(["established", "confirmed", "message"]);
    expect(receipt.state).toBe("delivered");
  });

  it("hands over credentials that come late", () => {
    const late = new Talk();
    late.lines.introduces = false;
    late.connect();
    expect(late.lines.hellos).toEqual([]);
    late.lines.auth = '"secret"';
    late.lines.introduce();
    late.settle();
    expect(late.lines.hellos).toMatchObject([{ auth: '"secret"' }]);
    expect(late.client.story).toContain("established");
  });

  it("knows its session, and what carries it", () => {
    expect(client.session.isWelcomed).toBe(true);
    expect(client.transport).toBe("websocket");
    const fresh = new Talk();
    expect(fresh.client.conversation.transport).toBeNull();
    fresh.lines.accepts = false;
    fresh.connect();
    // Greeted, and open to the application.
    expect(fresh.client.conversation.transport).toBe("websocket");
    expect(fresh.server.conversation.transport).toBeNull();
  });

  it("is connected from its first greeting on, however many attempts that takes", () => {
    const late = new Talk();
    const seen: (string | null)[] = [];
    late.client.react = ({ type }) => seen.push(type, late.client.conversation.transport);
    late.lines.network = "down";
    late.connect();
    late.lines.network = "up";
    late.run(1000);
    expect(seen.slice(0, 8)).toEqual(["dial", null, "detached", null, "dial", null, "greeted", "websocket"]);
  });

  it("goes on over the next line: nothing is lost, nothing comes twice", () => {
    const seen: (string | null)[] = [];
    talk.client.react = ({ type }) => {
      if (type === "detached" || type === "greeted" || type === "resumed") seen.push(type, client.transport);
    };
    const receipts = [client.send(0, file(MIB), {}), client.send(0, say("up"), {})];
    server.send(0, say("down"), {});
    talk.host.endTask();
    talk.lines.cut();
    expect(client.transport).toBeNull();
    receipts.push(client.send(0, say("meanwhile"), {}));
    talk.run(1000);
    expect(receipts.map(({ state }) => state)).toEqual(["delivered", "delivered", "delivered"]);
    expect(talk.server.of("message").map(({ data }) => data.length)).toEqual([MIB, 2, 9]);
    expect(talk.client.of("message").map(({ data }) => data)).toEqual(["down"]);
    expect(talk.client.story.filter((type) => type !== "message").slice(4)).toEqual([
      "detached",
      "dial",
      "greeted",
      "introduce",
      "resumed",
    ]);
    // Greeted is not resumed yet.
    expect(seen).toEqual(["detached", null, "greeted", null, "resumed", "websocket"]);
    expect([client.stats.resumes, server.stats.resumes, client.stats.messagesSent]).toEqual([1, 1, 3]);
  });

  it("tells with its end what was lost, in order, and leaves it to others to end what was never written", () => {
    const sent = client.send(0, say("sent"), {});
    talk.host.endTask();
    const files = client.openChannel("files", "low");
    const waits = [client.send(0, say("a"), {}), client.send(files, say("b"), {})];
    client.fail(LOST);
    const [closed] = talk.client.of("closed");
    expect(closed).toMatchObject({ code: 1006, error: { code: "ERR_CONNECTION_LOST" } });
    expect(closed?.losses.unknown).toEqual([sent]);
    expect(closed?.losses.neverWritten.map(({ channel }) => channel)).toEqual([0, files]);
    expect(closed?.losses.neverWritten.map(({ message }) => message.receipt)).toEqual(waits);
    expect([sent, ...waits].map(({ state }) => state)).toEqual(["unknown", "queued", "queued"]);
    expect([client.channelName(files), client.channelName(0)]).toEqual(["files", ""]);
    expect(client.transport).toBeNull();
  });

  it("sends what another session has left", () => {
    const message = new PendingMessage(say("carried"), {}, 0);
    client.resend(0, message);
    expect(client.stats.messagesSent).toBe(1);
    talk.run(20);
    expect(message.state).toBe("delivered");
    expect(talk.server.of("message").map(({ data }) => data)).toEqual(["carried"]);
  });

  it.each<[string, () => number, string]>([
    ["there is no such channel", () => 99, "ERR_NEVER_WRITTEN"],
    ["the channel is closing", closingChannel, "ERR_NEVER_WRITTEN"],
    ["it is larger than this session takes", () => 0, "ERR_MESSAGE_TOO_LARGE"],
  ])("ends what another session has left as never written where %s", async (_, channel, code) => {
    const size = code === "ERR_MESSAGE_TOO_LARGE" ? DEFAULT_LIMITS.messageBytesMax + 1 : 1;
    const message = new PendingMessage({ type: "binary", bytes: new Uint8Array(size) }, {}, 0);
    const key = channel();
    const before = client.stats.messagesSent;
    client.resend(key, message);
    expect(message.state).toBe("never-written");
    await expect(message.delivered).rejects.toMatchObject({ code });
    expect(client.stats.messagesSent).toBe(before);
  });

  it("sends nothing for a signal that is aborted already, nor listens to it", async () => {
    const receipt = client.send(0, say("a"), { signal: AbortSignal.abort() });
    expect(receipt.state).toBe("cancelled");
    await expect(receipt.delivered).rejects.toMatchObject({ code: "ERR_CANCELLED" });
    talk.run(20);
    expect(talk.server.of("message")).toEqual([]);
  });

  it("does not listen to the signal of what it refuses", () => {
    const signal = { aborted: false, addEventListener: vi.fn(), removeEventListener: vi.fn() };
    const bytes = new Uint8Array(DEFAULT_LIMITS.messageBytesMax + 1);
    expect(() => client.send(0, { type: "binary", bytes }, { signal })).toThrow(SluiceError);
    expect(signal.addEventListener).not.toHaveBeenCalled();
  });

  it("tells of every turn, behind its events", () => {
    const before = talk.client.turns;
    server.send(0, say("a"), {});
    talk.settle();
    expect(talk.client.turns).toBeGreaterThan(before);
  });

  it("says how much the session keeps", () => {
    expect(client.heldBytes).toBe(0);
    client.send(0, file(MIB), {});
    talk.host.endTask();
    expect(client.heldBytes).toBeGreaterThanOrEqual(MIB);
    talk.run(1000);
    expect(client.heldBytes).toBe(0);
  });

  it("says what has not left: not what is on its way, unless nothing carries it", () => {
    client.send(0, file(1000), {});
    expect([client.bufferedAmount(0), client.queuedAmount(0)]).toEqual([1000, 1000]);
    talk.host.endTask();
    expect([client.bufferedAmount(0), client.queuedAmount(0)]).toEqual([1000, 0]);
    talk.lines.cut();
    talk.settle();
    expect([client.transport, client.bufferedAmount(0), client.queuedAmount(0)]).toEqual([null, 1000, 1000]);
  });

  it("pings, and hears the answer", () => {
    client.ping(Uint8Array.of(7));
    talk.settle();
    expect(talk.server.of("ping")).toMatchObject([{ payload: Uint8Array.of(7) }]);
    expect(talk.client.of("pong")).toMatchObject([{ payload: Uint8Array.of(7) }]);
  });

  it("says never-written for what is sent on a channel that is closing, closed or unknown", async () => {
    const channel = client.openChannel("files", "low");
    client.send(channel, say("last"), {});
    client.closeChannel(channel);
    expect(client.send(channel, say("late"), {}).state).toBe("never-written");
    talk.run(50);
    expect(talk.client.of("channel-closed")).toHaveLength(1);
    const receipt = client.send(channel, say("later"), {});
    expect(receipt.state).toBe("never-written");
    await expect(receipt.delivered).rejects.toMatchObject({ code: "ERR_NEVER_WRITTEN" });
    expect(client.send(99, say("nowhere"), {}).state).toBe("never-written");
    client.close(1000, "");
    expect(client.send(0, say("after close"), {}).state).toBe("never-written");
    expect(talk.server.of("message").map(({ data }) => data)).toEqual(["last"]);
  });

  it("closes after everything accepted has arrived", () => {
    client.send(0, file(MIB), {});
    client.close(4001, "bye");
    talk.settle();
    expect(talk.server.of("message")).toHaveLength(1);
    expect(talk.server.of("closed")).toMatchObject([{ code: 4001, reason: "bye", wasClean: true }]);
    expect(talk.client.of("closed")).toMatchObject([{ code: 4001, reason: "bye", wasClean: true }]);
    expect(talk.host.timers).toEqual([]);
  });

  it("aborts at once, and tells the peer", () => {
    client.send(0, file(MIB), {});
    client.abort(1009, "no", new SluiceError("ERR_PEER_VIOLATION", "too much"));
    talk.settle();
    expect(talk.client.of("closed")).toMatchObject([{ code: 1006, error: { code: "ERR_PEER_VIOLATION" } }]);
    expect(talk.server.of("closed")).toMatchObject([{ code: 1009, reason: "no" }]);
  });

  it("fails at once, together with its line, and tells the peer nothing", () => {
    const before = talk.near.sent.length;
    client.fail(LOST);
    talk.settle();
    expect(talk.near.ended).toMatchObject({ how: "terminated", afterBatches: before });
    expect(talk.client.of("closed")).toMatchObject([{ code: 1006, error: LOST }]);
    expect(talk.server.story.at(-1)).toBe("detached");
    client.fail(LOST);
    expect(talk.client.of("closed")).toHaveLength(1);
  });

  it("ends every receipt and every wait when a defect ends the session", () => {
    let runs = 0;
    const receipt = client.send(0, file(MIB), {});
    client.whenRoom(below(client, 0, 1), () => {
      runs += 1;
    });
    talk.host.stepBack(500);
    client.fail(LOST);
    expect(talk.client.of("closed")).toMatchObject([{ error: { code: "ERR_INTERNAL" } }]);
    expect(receipt.state).toBe("unknown");
    expect(runs).toBe(1);
    expect(client.send(0, say("late"), {}).state).toBe("never-written");
  });
});

describe("Conversation: what its messages may hold", () => {
  const full = expect.objectContaining({ code: "ERR_BUFFER_FULL", retryable: true });

  it("is counted until they have ended, and what does not fit is refused without a change", () => {
    const small = new Talk({ bytesMax: 1000 });
    const { conversation } = small.client;
    conversation.send(0, file(600), {});
    const channel = conversation.openChannel("files", "low");
    expect(() => conversation.send(channel, file(401), {})).toThrow(full);
    expect([small.budget.heldBytes, conversation.bufferedAmount(channel), conversation.stats.messagesSent]).toEqual([
      600, 0, 1,
    ]);
    const receipt = conversation.send(channel, file(400), {});
    expect(() => conversation.send(0, file(1), {})).toThrow(full);
    receipt.cancel();
    small.host.endTask();
    conversation.send(0, file(400), {});
    small.connect().run(100);
    expect([small.budget.heldBytes, small.budget.size]).toEqual([0, 0]);
    expect(small.server.of("message")).toHaveLength(2);
  });

  it("lets many replace each other within one tick", () => {
    const small = new Talk({ bytesMax: 1000 });
    const { conversation } = small.client;
    for (let i = 0; i < 10; i++) conversation.send(0, file(900 + i), { key: "k" });
    expect(small.budget.heldBytes).toBe(909);
    small.connect().run(100);
    expect(small.server.of("message")).toMatchObject([{ data: { length: 909 } }]);
  });

  it("says first what never can be sent", () => {
    const small = new Talk({ bytesMax: 1000, limits: { messageBytesMax: 2000 } });
    expect(() => small.client.conversation.send(0, file(2001), {})).toThrow(
      expect.objectContaining({ code: "ERR_MESSAGE_TOO_LARGE" }),
    );
    expect(() => small.client.conversation.send(0, file(1001), {})).toThrow(
      expect.objectContaining({ code: "ERR_BUFFER_FULL", retryable: false }),
    );
    expect(small.budget.size).toBe(0);
  });

  it("does not count what another session has left once more", () => {
    const message = new PendingMessage(file(1000), {}, 0);
    talk.budget.hold(message);
    client.resend(0, message);
    expect(talk.budget.heldBytes).toBe(1000);
    talk.run(100);
    expect(talk.budget.heldBytes).toBe(0);
  });

  it("is given back when the session ends", () => {
    talk.lines.cut();
    client.send(0, file(1000), {});
    client.fail(LOST);
    for (const { losses } of talk.client.of("closed")) failNeverWritten(losses.neverWritten);
    expect(talk.budget.heldBytes).toBe(0);
  });
});

describe("Conversation: messages that perish, or are replaced", () => {
  it("goes by its clock, also while there is no line", () => {
    talk.lines.network = "down";
    talk.lines.cut();
    const receipts = [client.send(0, say("late"), { ttl: 300 }), client.send(0, say("stays"), { ttl: 60_000 })];
    talk.run(300);
    expect(receipts.map(({ state }) => state)).toEqual(["expired", "queued"]);
    talk.lines.network = "up";
    talk.run(20_000);
    expect(receipts[1]?.state).toBe("delivered");
    expect(talk.server.of("message")).toMatchObject([{ data: "stays" }]);
  });

  it("refuses options that are none, on a channel that is closed as well", () => {
    const channel = closingChannel();
    for (const key of [0, channel, 99]) {
      expect(() => client.send(key, say("a"), { ttl: Number.NaN })).toThrow(
        expect.objectContaining({ code: "ERR_USAGE_ARGUMENT" }),
      );
    }
  });
});

const below = (conversation: Conversation<ClientSession>, channel: number, bytes: number) => ({
  get desiredSize() {
    return bytes - conversation.bufferedAmount(channel);
  },
});

describe("Conversation: whenRoom", () => {
  it("waits until enough has been acknowledged, and calls in order", () => {
    const seen: string[] = [];
    const at = (label: string) => () => seen.push(`${label} at ${client.bufferedAmount(0) < MIB / 2}`);
    client.send(0, file(MIB), {});
    client.whenRoom(below(client, 0, MIB / 2), at("half"));
    client.whenRoom(below(client, 0, 1), at("none"));
    talk.host.endTask();
    expect(seen).toEqual([]);
    talk.run(1000);
    expect(seen).toEqual(["half at true", "none at true"]);
  });

  it("calls soon when it is so already, but not before it returns", () => {
    let runs = 0;
    client.whenRoom(below(client, 0, 1), () => {
      runs += 1;
    });
    expect(runs).toBe(0);
    talk.host.endTask();
    expect(runs).toBe(1);
    talk.run(100);
    expect(runs).toBe(1);
  });

  it("calls before a little that was sent leaves, so that what is sent behind it shares its batch", () => {
    const batches: number[] = [];
    client.send(0, say("first"), {});
    client.whenRoom(below(client, 0, 256 * 1024), () => {
      batches.push(client.stats.queuedBytes);
      client.send(0, say("second"), {});
    });
    client.send(0, file(20_000), {});
    // More than is gathered: it leaves first.
    client.whenRoom(below(client, 0, 256 * 1024), () => batches.push(client.stats.queuedBytes));
    expect(batches).toEqual([]);
    talk.host.endTask();
    expect(batches[0]).toBe(20_005);
    expect(batches[1]).toBeLessThan(20_011);
    talk.run(1000);
    expect(talk.server.of("message")).toHaveLength(3);
  });

  it("goes by the channel", () => {
    const channel = client.openChannel("files", "low");
    client.send(channel, file(MIB), {});
    const seen: string[] = [];
    client.whenRoom(below(client, channel, 1), () => seen.push("files"));
    client.whenRoom(below(client, 0, 1), () => seen.push("default"));
    talk.host.endTask();
    expect(seen).toEqual(["default"]);
    talk.run(1000);
    expect(seen).toEqual(["default", "files"]);
  });

  it("calls when the session has ended", () => {
    let runs = 0;
    client.send(0, file(MIB), {});
    client.whenRoom(below(client, 0, 1), () => {
      runs += 1;
    });
    talk.lines.cut();
    expect(runs).toBe(0);
    client.fail(LOST);
    expect(runs).toBe(1);
  });

  it("lets a callback send and wait again, for as long as there is room", () => {
    let left = 20;
    const more = () => {
      if (left === 0) return;
      left -= 1;
      client.send(0, file(100_000), {});
      client.whenRoom(below(client, 0, 256 * 1024), more);
    };
    more();
    talk.host.endTask();
    expect(left).toBeGreaterThan(15);
    expect(client.bufferedAmount(0)).toBeLessThan(256 * 1024 + 100_000);
    talk.run(1000);
    expect(left).toBe(0);
    expect(talk.server.of("message")).toHaveLength(20);
  });

  it("calls the others when one throws, and reports it", () => {
    const error = new Error("thrown by the application");
    const seen: string[] = [];
    client.whenRoom(below(client, 0, 1), () => seen.push("before"));
    client.whenRoom(below(client, 0, 1), () => {
      throw error;
    });
    client.whenRoom(below(client, 0, 1), () => seen.push("behind"));
    talk.settle();
    expect(seen).toEqual(["before", "behind"]);
    expect(talk.host.reports).toEqual([error]);
  });
});

describe("Conversation: channels", () => {
  it("are told to the side that has not opened them, with the opener's priority", () => {
    const channel = client.openChannel("files", "low");
    client.send(channel, say("a"), {});
    talk.settle();
    expect(talk.server.of("channel")).toMatchObject([{ name: "files", priority: "low" }]);
    expect(talk.server.of("message")).toMatchObject([{ channel: talk.server.of("channel")[0]?.channel, data: "a" }]);
    expect(server.stats.channels["files"]).toEqual({ bufferedAmount: 0, priority: "low", waitingFor: null });
    expect(talk.client.of("channel")).toEqual([]);
  });

  it("keep their priority when they are asked for again, unless another is given", () => {
    const channel = client.openChannel("files", "high");
    expect(client.openChannel("files", undefined)).toBe(channel);
    expect(client.stats.channels["files"]?.priority).toBe("high");
    expect(client.openChannel("files", "low")).toBe(channel);
    expect(client.stats.channels["files"]?.priority).toBe("low");
  });

  it("are normal when nobody says otherwise", () => {
    client.openChannel("files", undefined);
    expect(client.stats.channels["files"]?.priority).toBe("normal");
  });

  it("are the application's own when it opens them before it is told of the peer's", () => {
    const other = new Talk();
    other.lines.accepts = false;
    const early = other.client.conversation;
    early.send(early.openChannel("files", "low"), say("early"), {});
    let own: number | undefined;
    other.server.react = (event) => {
      if (event.type === "established") own = other.server.conversation.openChannel("files", undefined);
    };
    other.connect();
    // What has come meanwhile is read in one go with the decision to let the client in.
    other.lines.accept();
    other.settle();
    expect(own).toBeDefined();
    expect(other.server.of("channel")).toEqual([]);
    expect(other.server.of("message")).toMatchObject([{ channel: own, data: "early" }]);
    expect(other.server.conversation.stats.channels["files"]?.priority).toBe("normal");
  });

  it("change their priority, and an unknown one nothing", () => {
    const channel = client.openChannel("files", "low");
    client.setPriority(channel, "high");
    client.setPriority(99, "high");
    expect(client.stats.channels["files"]?.priority).toBe("high");
  });

  it("are forgotten at both ends once both directions have ended", () => {
    const channel = client.openChannel("files", "low");
    client.send(channel, say("a"), {});
    talk.settle();
    const known = talk.server.of("channel")[0]?.channel as number;
    server.send(known, say("b"), {});
    talk.run(50);
    client.closeChannel(channel);
    talk.run(50);
    expect(talk.server.story.slice(-2)).toEqual(["channel-closing", "channel-closed"]);
    expect(talk.client.of("channel-closed")).toHaveLength(1);
    expect(Object.keys(client.stats.channels)).toEqual([""]);
    expect(Object.keys(server.stats.channels)).toEqual([""]);
    expect(client.openChannel("files", "low")).not.toBe(channel);
  });

  it("with names of `Object.prototype` are channels like others", () => {
    client.openChannel("__proto__", "high");
    client.openChannel("constructor", "low");
    expect(Object.keys(client.stats.channels)).toEqual(["", "__proto__", "constructor"]);
    expect(Object.values(client.stats.channels).map(({ priority }) => priority)).toEqual(["normal", "high", "low"]);
  });
});

describe("Conversation: what the application takes", () => {
  it("lets the peer go on, channel by channel; nothing is lost meanwhile", () => {
    talk.server.takes = false;
    const channel = client.openChannel("files", "normal");
    const sizes = Array.from({ length: 40 }, () => 10_000);
    for (const size of sizes) client.send(channel, file(size), {});
    client.send(0, say("passes"), {});
    talk.run(1000);
    const arrived = () => talk.server.of("message").filter((message) => message.channel !== 0);
    // What it opens with, and no more.
    expect(arrived()).toHaveLength(6);
    expect(talk.server.of("message").filter((message) => message.channel === 0)).toHaveLength(1);
    const key = arrived()[0]?.channel as number;
    server.receive(key, "messages");
    talk.run(1000);
    // 256 KiB.
    expect(arrived()).toHaveLength(26);
    for (const { cost } of arrived()) server.take(key, cost);
    talk.run(1000);
    expect(arrived().map(({ data }) => data.length)).toEqual(sizes);
  });

  it("comes as it begins, where it asks for that, and counts as received", () => {
    talk.server.takes = false;
    server.receive(0, "incoming");
    client.send(0, file(MIB), {});
    talk.run(1000);
    expect(talk.server.of("incoming")).toMatchObject([{ channel: 0, text: false, totalBytes: MIB }]);
    const pieces = talk.server.of("piece");
    expect(pieces.length).toBeGreaterThan(1);
    expect(pieces.reduce((sum, { data }) => sum + data.length, 0)).toBeLessThan(MIB);
    expect(server.stats.messagesReceived).toBe(1);
    for (let turn = 0, taken = 0; turn < 100 && !talk.server.of("piece").at(-1)?.last; turn++) {
      for (const { cost } of talk.server.of("piece").slice(taken)) server.take(0, cost);
      taken = talk.server.of("piece").length;
      talk.run(100);
    }
    expect(talk.server.of("piece").reduce((sum, { data }) => sum + data.length, 0)).toBe(MIB);
  });
});

describe("Conversation: stats", () => {
  it("are a plain object that JSON can carry", () => {
    const stats = client.stats;
    expect(Object.getPrototypeOf(stats)).toBe(Object.prototype);
    expect(JSON.parse(JSON.stringify(stats))).toEqual({
      transport: "websocket",
      windowBytes: 6144,
      inFlightBytes: 0,
      queuedBytes: 0,
      messagesSent: 0,
      messagesReceived: 0,
      bytesSent: 0,
      bytesReceived: 0,
      resumes: 0,
      channels: { "": { bufferedAmount: 0, priority: "normal", waitingFor: null } },
    });
    expect(stats.roundTripTimeMs).toBeUndefined();
    expect(stats.bandwidthBitsPerSecond).toBeUndefined();
  });

  it("count what goes and comes", () => {
    client.send(0, say("a"), {});
    client.send(0, file(MIB), {});
    client.send(0, say("never"), { signal: AbortSignal.abort() });
    server.send(0, say("c"), {});
    talk.host.endTask();
    expect(client.stats).toMatchObject({ messagesSent: 2, queuedBytes: expect.any(Number) });
    expect(client.stats.inFlightBytes).toBeGreaterThan(0);
    expect(client.stats.inFlightBytes + client.stats.queuedBytes).toBeGreaterThan(MIB);
    expect(client.stats.channels[""]?.bufferedAmount).toBe(MIB + 1);
    talk.run(1000);
    expect(client.stats).toMatchObject({ messagesSent: 2, messagesReceived: 1, inFlightBytes: 0, queuedBytes: 0 });
    expect(server.stats).toMatchObject({ messagesSent: 1, messagesReceived: 2 });
    expect(client.stats.bytesSent).toBeGreaterThan(MIB);
    expect(server.stats.bytesReceived).toBe(client.stats.bytesSent);
    expect(client.stats.roundTripTimeMs).toBe(0);
  });

  it("are those of nothing under way, on no transport, once the session has ended", () => {
    client.send(client.openChannel("files", "low"), file(MIB), {});
    talk.host.endTask();
    client.fail(LOST);
    server.fail(LOST);
    expect(client.stats).toMatchObject({ transport: null, queuedBytes: 0 });
    expect(client.transport).toBeNull();
    expect(talk.host.timers).toEqual([]);
    expect(talk.host.deferredCount).toBe(0);
  });
});
