import { describe, expect, it } from "vitest";
import { expectBaseline } from "../../support/baseline.js";
import { binary, type End, Pair, text } from "../../support/pair.js";

const connected = (options = {}) => new Pair(options).connect().run(100);
const open = (pair: Pair, end: End, name = "x") => {
  const key = pair.input(end, (s, now) => s.openChannel(name, "normal", now));
  pair.input(end, (s, now) => s.receive(key, "messages", now));
  return key;
};
const close = (pair: Pair, end: End, key: number) => pair.input(end, (s, now) => s.closeChannel(key, now));
const send = (pair: Pair, end: End, key: number, value: string) =>
  pair.input(end, (s, now) => s.send(key, text(value), now));
const keyOf = (end: End, index = 0) => end.of("channel")[index]?.channel as number;
const channelStory = (end: End) => end.story.filter((type) => type.startsWith("channel") || type === "message");
const closedCode = expect.objectContaining({ code: "ERR_USAGE_CHANNEL_CLOSED" });

describe("channels", () => {
  it("CHN-02: open on the other end with name and priority, before the first message", () => {
    const pair = connected();
    const key = pair.input(pair.client, (s, now) => s.openChannel("news", "high", now));
    send(pair, pair.client, key, "hello");
    pair.run(50);
    expect(pair.server.of("channel")).toMatchObject([{ name: "news", priority: "high" }]);
    expect(pair.server.of("message")).toMatchObject([{ channel: keyOf(pair.server), data: "hello" }]);
    expect(channelStory(pair.server)).toEqual(["channel", "message"]);
    pair.run(100);
    expectBaseline(pair);
  });

  it("carry messages both ways, whoever opened them", () => {
    for (const opener of ["client", "server"] as const) {
      const pair = connected();
      const [a, b] = [pair[opener], pair.other(pair[opener])];
      const key = open(pair, a);
      pair.run(50);
      expect(channelStory(b)).toEqual(["channel"]);
      send(pair, b, keyOf(b), "answer");
      pair.run(50);
      expect(a.of("message")).toMatchObject([{ channel: key, data: "answer" }]);
      expect(a.of("channel")).toEqual([]);
    }
  });

  it("CHN-03: of the same name, opened from both ends at once, are one channel", () => {
    const pair = connected();
    const keys = [open(pair, pair.client), open(pair, pair.server)];
    send(pair, pair.client, keys[0] as number, "c");
    send(pair, pair.server, keys[1] as number, "s");
    pair.run(100);
    expect(pair.server.of("message")).toMatchObject([{ channel: keys[1], data: "c" }]);
    expect(pair.client.of("message")).toMatchObject([{ channel: keys[0], data: "s" }]);
    expect([pair.client.of("channel"), pair.server.of("channel")]).toEqual([[], []]);
  });

  it("may be opened before there is a transport", () => {
    const pair = new Pair();
    const key = open(pair, pair.client);
    send(pair, pair.client, key, "early");
    pair.connect().run(100);
    expect(pair.server.messages).toEqual(["early"]);
  });

  it("CHN-01: 200 with the longest names open in one tick, the last one with a message", () => {
    const pair = connected();
    const names = Array.from({ length: 200 }, (_, i) => String(i).padStart(256, "x"));
    let last = 0;
    pair.tick(
      pair.client,
      ...names.map((name) => (s: End["session"], now: number) => {
        last = s.openChannel(name, "normal", now);
      }),
      (s, now) => s.send(last, text("hi"), now),
    );
    pair.run(200);
    expect(pair.server.of("channel").map(({ name }) => name)).toEqual(names);
    expect(pair.server.messages).toEqual(["hi"]);
    expectBaseline(pair);
  });

  it("LIM-04: as many as allowed from both ends, of different names, do no harm to each other", () => {
    const limits = { channelsMax: 4 };
    const pair = connected({ clientLimits: limits, serverLimits: limits });
    for (const name of ["a", "b", "c"]) open(pair, pair.server, name);
    for (const name of ["d", "e", "f"]) open(pair, pair.client, name);
    pair.run(100);
    expect(pair.server.of("channel").map(({ name }) => name)).toEqual(["d", "e", "f"]);
    expect(pair.client.of("channel").map(({ name }) => name)).toEqual(["a", "b", "c"]);
    expect(() => pair.client.session.openChannel("g", "normal", pair.now)).toThrow(
      expect.objectContaining({ code: "ERR_TOO_MANY_CHANNELS" }),
    );
    // A first message on a channel of the other end opens this end's direction of it, and needs an id, too.
    expect(() => pair.client.session.send(keyOf(pair.client), text("x"), pair.now)).toThrow(
      expect.objectContaining({ code: "ERR_TOO_MANY_CHANNELS" }),
    );
    expectBaseline(pair);
  });

  it("do not order messages among each other, but each by itself", () => {
    const pair = connected();
    const key = open(pair, pair.client);
    for (let i = 0; i < 20; i++) {
      pair.input(pair.client, (s, now) => s.send(i % 2 ? key : 0, binary(i % 3 === 0 ? 40_000 : 10, i), now));
    }
    pair.run(1000);
    for (const channel of [0, keyOf(pair.server)]) {
      const received = pair.server.of("message").filter((event) => event.channel === channel);
      const expected = Array.from({ length: 20 }, (_, i) => i).filter((i) => (i % 2 === 1) === (channel !== 0));
      expect(received).toHaveLength(10);
      for (const [j, i] of expected.entries()) {
        expect(Buffer.compare(received[j]?.data as Uint8Array, binary(i % 3 === 0 ? 40_000 : 10, i).bytes)).toBe(0);
      }
    }
  });
});

describe("channels that close", () => {
  it("CHN-05: let everything queued arrive first, then end at both ends", () => {
    const pair = connected({ rateBitsPerSecond: 10e6 });
    const key = open(pair, pair.client);
    pair.input(pair.client, (s, now) => s.send(key, binary(300_000), now));
    send(pair, pair.client, key, "last");
    close(pair, pair.client, key);
    expect(() => pair.client.session.send(key, text("more"), pair.now)).toThrow(closedCode);
    pair.run(1000);
    expect(channelStory(pair.server)).toEqual(["channel", "message", "message", "channel-closing", "channel-closed"]);
    expect(channelStory(pair.client)).toEqual(["channel-closed"]);
    expect(pair.client.of("delivered")).toHaveLength(2);
    expectBaseline(pair);
  });

  it("CHN-07: let the other end send what it has queued, and take nothing more from it", () => {
    const pair = connected({ rateBitsPerSecond: 10e6 });
    const key = open(pair, pair.client);
    pair.run(50);
    pair.input(pair.server, (s, now) => s.send(keyOf(pair.server), binary(300_000), now));
    close(pair, pair.client, key);
    pair.run(30);
    expect(pair.server.of("channel-closing")).toHaveLength(1);
    expect(() => pair.server.session.send(keyOf(pair.server), text("more"), pair.now)).toThrow(closedCode);
    pair.run(1000);
    expect(pair.client.messages.map((message) => message.length)).toEqual([300_000]);
    expect(channelStory(pair.client)).toEqual(["message", "channel-closing", "channel-closed"]);
    expect(channelStory(pair.server)).toEqual(["channel", "channel-closing", "channel-closed"]);
    expectBaseline(pair);
  });

  it("close from both ends at once", () => {
    const pair = connected();
    const keys = [open(pair, pair.client), open(pair, pair.server)] as const;
    pair.run(100);
    send(pair, pair.client, keys[0], "c");
    send(pair, pair.server, keys[1], "s");
    close(pair, pair.client, keys[0]);
    close(pair, pair.server, keys[1]);
    pair.run(100);
    for (const end of [pair.client, pair.server]) {
      expect(channelStory(end)).toEqual(["message", "channel-closing", "channel-closed"]);
    }
    expectBaseline(pair);
  });

  it("close in the tick they were opened in", () => {
    const pair = connected();
    let key = 0;
    pair.tick(
      pair.client,
      (s, now) => {
        key = s.openChannel("x", "normal", now);
      },
      (s, now) => s.send(key, text("all"), now),
      (s, now) => s.closeChannel(key, now),
    );
    pair.run(100);
    expect(channelStory(pair.server)).toEqual(["channel", "message", "channel-closing", "channel-closed"]);
    expect(channelStory(pair.client)).toEqual(["channel-closed"]);
  });

  it("close although this end never sent on them", () => {
    const pair = connected();
    const key = open(pair, pair.client);
    pair.run(50);
    close(pair, pair.server, keyOf(pair.server));
    pair.run(100);
    expect(channelStory(pair.client)).toEqual(["channel-closing", "channel-closed"]);
    expect(channelStory(pair.server)).toEqual(["channel", "channel-closing", "channel-closed"]);
    expect(() => pair.client.session.send(key, text("x"), pair.now)).toThrow(closedCode);
    expectBaseline(pair);
  });

  it("MSG-07, CHN-05: end cleanly behind a message that was taken back", () => {
    const pair = connected();
    const key = open(pair, pair.client);
    const id = pair.input(pair.client, (s, now) => s.send(key, binary(500_000), now));
    close(pair, pair.client, key);
    pair.run(5);
    pair.input(pair.client, (s, now) => s.cancel(id, now));
    pair.run(200);
    expect(channelStory(pair.server)).toEqual(["channel", "channel-closing", "channel-closed"]);
    expectBaseline(pair);
  });

  it("the default one does not", () => {
    const pair = connected();
    close(pair, pair.client, 0);
    send(pair, pair.client, 0, "still here");
    pair.run(100);
    expect(pair.server.messages).toEqual(["still here"]);
  });
});

describe("channels that open again", () => {
  it("CHN-08: are new ones, with a key of their own", () => {
    const pair = connected();
    const keys: number[] = [];
    for (let i = 0; i < 5; i++) {
      const key = open(pair, pair.client);
      keys.push(key);
      send(pair, pair.client, key, `${i}`);
      close(pair, pair.client, key);
      pair.run(100);
    }
    expect(new Set(keys).size).toBe(5);
    expect(pair.server.of("message").map(({ channel, data }) => [channel, data])).toEqual(
      pair.server.of("channel").map(({ channel }, i) => [channel, `${i}`]),
    );
    expect(new Set(pair.server.of("channel").map(({ channel }) => channel)).size).toBe(5);
    expectBaseline(pair);
  });

  it("CHN-08: not before the old one is gone: `openChannel` says so, and that it passes", () => {
    const pair = connected();
    close(pair, pair.client, open(pair, pair.client));
    const again = expect.objectContaining({ code: "ERR_USAGE_CHANNEL_CLOSED", retryable: true });
    expect(() => open(pair, pair.client)).toThrow(again);
    pair.run(15);
    expect(() => open(pair, pair.client)).toThrow(again);
    pair.run(50);
    expect(() => open(pair, pair.client)).not.toThrow();
  });

  it("CHN-08: a message of the other end that crosses the close belongs to the old one, and nobody is refused", () => {
    const pair = connected();
    const key = open(pair, pair.client);
    send(pair, pair.client, key, "question");
    pair.run(20);
    pair.input(pair.server, (s, now) => s.send(keyOf(pair.server), binary(300_000), now));
    close(pair, pair.client, key);
    pair.run(1000);
    expect(channelStory(pair.client)).toEqual(["message", "channel-closing", "channel-closed"]);
    expect(pair.client.of("message")).toMatchObject([{ channel: key }]);
    send(pair, pair.client, open(pair, pair.client), "again");
    pair.run(100);
    expect(pair.server.messages).toEqual(["question", "again"]);
    expectBaseline(pair);
  });

  it("CHN-08: also where the other end's transport was full when the close came", () => {
    const pair = connected();
    const key = open(pair, pair.client);
    pair.run(50);
    pair.server.budgetBytes = 0;
    send(pair, pair.server, keyOf(pair.server), "late");
    close(pair, pair.client, key);
    pair.run(100);
    expect(channelStory(pair.client)).toEqual([]);
    pair.server.budgetBytes = 1 << 20;
    pair.drain(pair.server);
    pair.run(100);
    expect(channelStory(pair.client)).toEqual(["message", "channel-closing", "channel-closed"]);
    expect([pair.client.of("closed"), pair.server.of("closed")]).toEqual([[], []]);
    expectBaseline(pair);
  });

  it("CHN-06: take a wire id again only after the other end has acknowledged the end of the old one", () => {
    const pair = connected();
    close(pair, pair.client, open(pair, pair.client, "a"));
    open(pair, pair.client, "b");
    pair.run(100);
    open(pair, pair.client, "c");
    pair.run(100);
    expect(pair.client.framesSentOf("channel-open").map(({ channel }) => channel)).toEqual([1, 2, 1]);
    expect(pair.server.of("closed")).toEqual([]);
  });

  it("CHN-09: a thousand one after another never come near the limit", () => {
    const pair = connected({ delayMs: 1, clientLimits: { channelsMax: 3 }, serverLimits: { channelsMax: 3 } });
    for (let i = 0; i < 1000; i++) {
      const key = open(pair, pair.client, `channel ${i % 7}`);
      send(pair, pair.client, key, "x");
      close(pair, pair.client, key);
      pair.run(25);
    }
    expect(pair.server.messages).toHaveLength(1000);
    expectBaseline(pair);
  });

  it("from both ends at once, over and over", () => {
    const pair = connected();
    for (let i = 0; i < 10; i++) {
      const keys = [open(pair, pair.client), open(pair, pair.server)] as const;
      pair.run(i * 7);
      for (const [j, end] of [pair.client, pair.server].entries()) {
        if (!end.session.isSendClosed(keys[j] as number)) send(pair, end, keys[j] as number, `${i}`);
        close(pair, end, keys[j] as number);
      }
      pair.run(200);
    }
    for (const end of [pair.client, pair.server]) expect(end.of("closed")).toEqual([]);
    expectBaseline(pair);
  });
});
