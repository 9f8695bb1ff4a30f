import { describe, expect, it } from "vitest";
import { DEFAULT_LIMITS } from "../../../src/core/limits.js";
import { Inbound } from "../../../src/core/receive/inbound.js";
import { Sender } from "../../../src/core/send/sender.js";
import { Channels } from "../../../src/core/session/channels.js";
import type { SessionEvent } from "../../../src/core/session/events.js";
import type { Frame } from "../../../src/core/wire/frame.js";
import { UNANNOUNCED_LIMITS } from "../../../src/core/wire/parameters.js";
import { text } from "../../support/pair.js";
import { testPorts } from "../../support/ports.js";
import { written } from "../../support/sender-bench.js";

const utf8 = (name: string) => testPorts.encodeUtf8(name);

class Bench {
  readonly events: SessionEvent[] = [];
  readonly sender = new Sender({ chunkBytes: 16_384 }, () => {});
  readonly channels: Channels;
  #acked: (() => void)[] = [];

  constructor(channelsMax = 256) {
    const inbound = new Inbound(
      { ports: testPorts, limits: DEFAULT_LIMITS, roundTripMs: () => undefined },
      () => {},
      () => {},
    );
    const parts = { sender: this.sender, inbound };
    this.channels = new Channels(parts, { ports: testPorts, limits: { channelsMax } }, (event) =>
      this.events.push(event),
    );
  }

  /** Sends everything that is due, as the session does. */
  flush(): Frame[] {
    const frames: Frame[] = [];
    for (;;) {
      const draft = this.sender.pollDraft({
        number: 1,
        spaceBytes: 16_384,
        extraBytes: 0,
        roomBytes: 1e9,
        batchBytesMax: 16_384,
        isAmple: false,
      });
      if (draft === undefined) return frames;
      frames.push(...draft.frames.map(written));
      const keys = draft.closes.map(({ key }) => key);
      this.channels.handleEnded(keys);
      this.#acked.push(() => {
        const { chunks, closes } = draft;
        this.sender.handleAcked({ number: 1, batch: new Uint8Array(1), sentAt: 0, chunks, closes, opens: false });
        this.channels.handleEnded(keys);
      });
    }
  }

  /** The peer acknowledges everything. */
  ack(): void {
    for (const acked of this.#acked.splice(0)) acked();
  }

  get story(): string[] {
    return this.events.map(({ type }) => type);
  }
}

const code = (expected: string) => expect.objectContaining({ code: expected });

describe("Channels: opening", () => {
  it("CHN-02: opens under a wire id of its own and tells the peer name and priority", () => {
    const bench = new Bench();
    const key = bench.channels.open("news", "low");
    expect(key).not.toBe(0);
    expect(bench.flush()).toEqual([{ type: "channel-open", channel: 1, priority: "low", name: utf8("news") }]);
    expect(bench.story).toEqual([]);
  });

  it("CHN-03: the same name is the same channel", () => {
    const bench = new Bench();
    const key = bench.channels.open("a", "low");
    expect(bench.channels.open("a", "high")).toBe(key);
    expect(bench.flush()).toHaveLength(1);
  });

  it("CHN-03: the name joins what both ends open, whoever is first", () => {
    const bench = new Bench();
    const mine = bench.channels.open("a", "normal");
    expect(bench.channels.handlePeerOpen(9, "low", utf8("a"))).toBeUndefined();
    expect(bench.channels.incoming(9)).toBe(mine);
    expect(bench.story).toEqual([]);
    expect(bench.channels.handlePeerOpen(4, "low", utf8("b"))).toBeUndefined();
    const theirs = bench.channels.incoming(4) as number;
    expect(bench.events).toEqual([{ type: "channel", channel: theirs, name: "b", priority: "low" }]);
    expect(bench.channels.open("b", "high")).toBe(theirs);
  });

  it("CHN-04: announces its own direction of a channel of the peer with its first message, not before", () => {
    const bench = new Bench();
    bench.channels.handlePeerOpen(4, "high", utf8("b"));
    const key = bench.channels.incoming(4) as number;
    bench.channels.open("b", "normal");
    expect(bench.flush()).toEqual([]);
    bench.channels.announce(key);
    bench.sender.send(key, text("x"));
    expect(bench.flush()).toMatchObject([
      { type: "channel-open", channel: 1, priority: "high" },
      { type: "chunk", channel: 1 },
    ]);
  });

  it.each(["", "x".repeat(257), "ü".repeat(129), "\ud800", "a\udfff"])("CHN-03: refuses the name %j", (name) => {
    const bench = new Bench();
    expect(() => bench.channels.open(name, "normal")).toThrow(code("ERR_USAGE_ARGUMENT"));
    expect(bench.flush()).toEqual([]);
  });

  it.each(["x", "x".repeat(256), "ü".repeat(128), "😀", "\ufeff", "__proto__"])("CHN-03: takes the name %j", (name) => {
    const bench = new Bench();
    const key = bench.channels.open(name, "normal");
    expect(bench.flush()).toMatchObject([{ name: utf8(name) }]);
    bench.channels.handlePeerOpen(1, "normal", utf8(name));
    expect(bench.channels.incoming(1)).toBe(key);
  });

  it("CHN-09: refuses a channel over the peer's limit, and leaves nothing of it behind", () => {
    const bench = new Bench();
    bench.sender.handlePeerLimits({ ...UNANNOUNCED_LIMITS, channelsMax: 2 });
    bench.channels.open("a", "normal");
    expect(() => bench.channels.open("b", "normal")).toThrow(code("ERR_TOO_MANY_CHANNELS"));
    expect(bench.flush()).toHaveLength(1);
    expect(bench.channels.handlePeerOpen(1, "normal", utf8("b"))).toBeUndefined();
    expect(bench.story).toEqual(["channel"]);
  });

  it("the default channel is there, under no name", () => {
    const bench = new Bench();
    expect(bench.channels.incoming(0)).toBe(0);
    bench.channels.close(0);
    bench.channels.announce(0);
    expect(bench.flush()).toEqual([]);
  });
});

describe("Channels: violations", () => {
  const opened = (channelsMax = 256) => {
    const bench = new Bench(channelsMax);
    bench.channels.handlePeerOpen(5, "normal", utf8("a"));
    return bench.channels;
  };

  it.each<[string, () => unknown, number]>([
    ["CHN-01: an id in use", () => opened().handlePeerOpen(5, "normal", utf8("b")), 1002],
    ["CHN-01: the id of the default channel", () => opened().handlePeerOpen(0, "normal", utf8("b")), 1002],
    ["CHN-03: a name in use", () => opened().handlePeerOpen(6, "normal", utf8("a")), 1002],
    ["CHN-03: an empty name", () => opened().handlePeerOpen(6, "normal", utf8("")), 1002],
    ["WIRE-05: a name that is not UTF-8", () => opened().handlePeerOpen(6, "normal", Uint8Array.of(0xff)), 1007],
    ["LIM-04: too many channels", () => opened(2).handlePeerOpen(6, "normal", utf8("b")), 1008],
    ["CHN-01: the end of what was never opened", () => opened().handlePeerClose(6), 1002],
    ["CHN-01: the end of the default channel", () => opened().handlePeerClose(0), 1002],
  ])("%s", (_, run, expected) => {
    expect(run()).toMatchObject({ code: expected });
  });

  it("CHN-05: the end of what has ended", () => {
    const channels = opened();
    expect(channels.handlePeerClose(5)).toBeUndefined();
    expect(channels.handlePeerClose(5)).toMatchObject({ code: 1002 });
  });

  it("LIM-04: the limit is one of the peer's direction: own channels do not count", () => {
    const bench = new Bench(3);
    for (const name of ["a", "b", "c", "d"]) bench.channels.open(name, "normal");
    expect(bench.channels.handlePeerOpen(1, "normal", utf8("x"))).toBeUndefined();
    expect(bench.channels.handlePeerOpen(2, "normal", utf8("a"))).toBeUndefined();
    expect(bench.channels.handlePeerOpen(3, "normal", utf8("b"))).toMatchObject({ code: 1008 });
    expect(bench.channels.handlePeerOpen(3, "normal", utf8("y"))).toMatchObject({ code: 1008 });
  });

  it("LIM-04: a channel that has ended makes room for another", () => {
    const bench = new Bench(2);
    for (let i = 0; i < 10; i++) {
      expect(bench.channels.handlePeerOpen(7, "normal", utf8("a"))).toBeUndefined();
      expect(bench.channels.handlePeerClose(7)).toBeUndefined();
    }
    expect(bench.story).toEqual(Array(10).fill(["channel", "channel-closing", "channel-closed"]).flat());
  });
});

describe("Channels: closing", () => {
  it("CHN-08: is gone when both directions have ended, this end first", () => {
    const bench = new Bench();
    const key = bench.channels.open("a", "normal");
    bench.channels.handlePeerOpen(3, "normal", utf8("a"));
    bench.channels.close(key);
    bench.flush();
    bench.ack();
    expect(bench.story).toEqual([]);
    bench.channels.handlePeerClose(3);
    expect(bench.events).toEqual([
      { type: "channel-closing", channel: key },
      { type: "channel-closed", channel: key },
    ]);
  });

  it("CHN-07: the peer first: what is queued still leaves, then the end", () => {
    const bench = new Bench();
    const key = bench.channels.open("a", "normal");
    bench.channels.handlePeerOpen(3, "normal", utf8("a"));
    bench.sender.send(key, text("last"));
    bench.channels.handlePeerClose(3);
    expect([bench.story, bench.sender.isEnding(key)]).toEqual([["channel-closing"], true]);
    expect(bench.flush().map(({ type }) => type)).toEqual(["channel-open", "chunk", "channel-close"]);
    expect(bench.story).toEqual(["channel-closing", "channel-closed"]);
  });

  it("CHN-07: a direction that was never opened has nothing to end", () => {
    const bench = new Bench();
    bench.channels.handlePeerOpen(3, "normal", utf8("a"));
    bench.channels.handlePeerClose(3);
    expect(bench.story).toEqual(["channel", "channel-closing", "channel-closed"]);
    expect(bench.flush()).toEqual([]);
  });

  it("CHN-08: where the peer never opened its direction, it is gone when the peer has acknowledged the end", () => {
    const bench = new Bench();
    const key = bench.channels.open("a", "normal");
    bench.channels.close(key);
    bench.flush();
    expect(bench.story).toEqual([]);
    expect(() => bench.channels.open("a", "normal")).toThrow(
      expect.objectContaining({ code: "ERR_USAGE_CHANNEL_CLOSED", retryable: true }),
    );
    bench.ack();
    expect(bench.events).toEqual([{ type: "channel-closed", channel: key }]);
    expect(bench.channels.open("a", "normal")).not.toBe(key);
  });

  it("CHN-08: an opening of the peer that was on its way belongs to the old channel", () => {
    const bench = new Bench();
    const key = bench.channels.open("a", "normal");
    bench.channels.close(key);
    bench.flush();
    expect(bench.channels.handlePeerOpen(3, "normal", utf8("a"))).toBeUndefined();
    expect(bench.channels.incoming(3)).toBe(key);
    bench.ack();
    expect(bench.story).toEqual([]);
    bench.channels.handlePeerClose(3);
    expect(bench.story).toEqual(["channel-closing", "channel-closed"]);
  });

  it("closes a channel of the peer that it never sent on: opens its direction to end it", () => {
    const bench = new Bench();
    bench.channels.handlePeerOpen(3, "normal", utf8("a"));
    bench.channels.close(bench.channels.incoming(3) as number);
    expect(bench.flush().map(({ type }) => type)).toEqual(["channel-open", "channel-close"]);
    bench.ack();
    expect(bench.story).toEqual(["channel"]);
    bench.channels.handlePeerClose(3);
    expect(bench.story).toEqual(["channel", "channel-closing", "channel-closed"]);
  });

  it("takes no notice of closing twice, or of closing what is gone", () => {
    const bench = new Bench();
    const key = bench.channels.open("a", "normal");
    bench.channels.close(key);
    bench.channels.close(key);
    expect(bench.flush().filter(({ type }) => type === "channel-close")).toHaveLength(1);
    bench.ack();
    bench.channels.close(key);
    expect([bench.flush(), bench.story]).toEqual([[], ["channel-closed"]]);
  });
});
