import { describe, expect, it } from "vitest";
import { DEFAULT_LIMITS, type Limits } from "../../../src/core/limits.js";
import type { SessionEvent } from "../../../src/core/session/events.js";
import { Exchange, type ExchangeFrame } from "../../../src/core/session/exchange.js";
import { UNANNOUNCED_LIMITS } from "../../../src/core/wire/parameters.js";
import { chunk } from "../../support/frame-table.js";
import { naiveDecode } from "../../support/naive-decoder.js";
import { text } from "../../support/pair.js";
import { testPorts } from "../../support/ports.js";

const SPACE = {
  batchBytesMax: 16_384,
  wholeBytesMax: 16_384,
  allowanceBytes: Number.POSITIVE_INFINITY,
  budgetBytes: 1,
  overdraftBytes: 0,
};
const CLOSE: ExchangeFrame = { type: "close", code: 4001, reason: testPorts.encodeUtf8("bye") };

class Bench {
  readonly events: SessionEvent[] = [];
  readonly exchange: Exchange;

  constructor(limits: Partial<Limits> = {}) {
    const options = { limits: { ...DEFAULT_LIMITS, ...limits }, ports: testPorts };
    this.exchange = new Exchange(options, (event) => this.events.push(event));
  }

  send(value: string): number {
    return this.exchange.sender.send(0, text(value));
  }

  /** What leaves next: types of its frames behind its number. */
  poll({ mayBegin = true, mayAck = true, space = SPACE, now = 0 } = {}): (string | number)[] | undefined {
    const batch = this.exchange.pollBatch(space, mayBegin, mayAck, now);
    if (batch === undefined) return undefined;
    const { number, frames } = naiveDecode(batch);
    return [number, ...frames.map(({ type }) => type)];
  }

  ack(number: number, bytes: number, now = 0) {
    return this.exchange.handleFrame({ type: "ack", number, bytes, receivedTicks: 0, delayTicks: 0 }, now);
  }

  get story(): string[] {
    return this.events.map(({ type }) => type);
  }
}

describe("Exchange: what leaves", () => {
  it("is nothing while there is nothing, or nothing may", () => {
    const bench = new Bench();
    expect(bench.poll()).toBeUndefined();
    bench.send("x");
    expect(bench.poll({ space: { ...SPACE, allowanceBytes: 0 } })).toBeUndefined();
    expect(bench.poll({ mayBegin: false })).toBeUndefined();
    expect(bench.poll()).toEqual([1, "chunk"]);
  });

  it("ACK-08, RES-05: takes an ack along, unless acks have to wait for the handshake", () => {
    const bench = new Bench();
    bench.exchange.acceptBatch(1, 10, 0, 0);
    bench.send("x");
    expect(bench.poll({ mayAck: false })).toEqual([1, "chunk"]);
    bench.send("z");
    expect(bench.poll()).toEqual([2, "ack", "chunk"]);
    bench.send("!");
    expect(bench.poll()).toEqual([3, "chunk"]);
  });

  it("RES-06: on another transport is what was not acknowledged, even where nothing new may begin", () => {
    const bench = new Bench();
    bench.send("a");
    bench.poll();
    bench.send("b");
    bench.exchange.handleAttached(100);
    expect([bench.poll({ mayBegin: false }), bench.poll({ mayBegin: false })]).toEqual([[1, "chunk"], undefined]);
    expect(bench.poll()).toEqual([2, "chunk"]);
  });

  it("RES-05: an ack that was due is not, once the handshake has said it, and rides on no batch that goes again", () => {
    const bench = new Bench();
    bench.exchange.acceptBatch(1, 10, 0, 0);
    bench.send("a");
    bench.poll({ mayAck: false });
    bench.exchange.handleAttached(100);
    expect(bench.exchange.inbound.acks.nextDeadline).toBeUndefined();
    bench.exchange.acceptBatch(2, 10, 100, 100);
    expect(bench.poll({ now: 100 })).toEqual([1, "chunk"]);
    expect(bench.exchange.inbound.acks.nextDeadline).toBe(120);
  });

  it("CLS-01, RES-06: CLOSE comes last, nothing begins behind it, and all of it is sent again", () => {
    const bench = new Bench();
    bench.exchange.closing.close({ code: 4001, reason: "bye" }, 0);
    bench.send("x");
    expect([bench.poll(), bench.poll(), bench.poll()]).toEqual([[1, "chunk"], [2, "close"], undefined]);
    expect(bench.exchange.closing.state.name).toBe("awaiting-peer");
    bench.exchange.handleAttached(100);
    expect([bench.poll(), bench.poll(), bench.poll()]).toEqual([[1, "chunk"], [2, "close"], undefined]);
    expect(bench.exchange.closing.state.name).toBe("awaiting-peer");
  });
});

describe("Exchange: what arrives", () => {
  it("BAT-04: is judged by its number, and is progress to a close that waits", () => {
    const bench = new Bench();
    bench.exchange.closing.close({ code: 1000, reason: "" }, 0);
    expect(bench.exchange.acceptBatch(1, 10, 50, 60)).toBe("next");
    expect(bench.exchange.closing.nextDeadline).toBe(5060);
    expect(bench.exchange.acceptBatch(1, 10, 70, 80)).toBe("duplicate");
    expect(bench.exchange.acceptBatch(3, 10, 90, 90)).toBe("gap");
    expect(bench.exchange.closing.nextDeadline).toBe(5060);
  });

  it("becomes messages and channels", () => {
    const bench = new Bench();
    const name = testPorts.encodeUtf8("x");
    bench.exchange.handleFrame({ type: "channel-open", channel: 1, priority: "low", name }, 0);
    bench.exchange.handleFrame(chunk({ channel: 1, text: true, payload: name }), 0);
    bench.exchange.handleFrame({ type: "channel-close", channel: 1 }, 0);
    expect(bench.story).toEqual(["channel", "message", "channel-closing", "channel-closed"]);
    expect(bench.exchange.handleFrame(chunk({ channel: 1 }), 0)).toMatchObject({ code: 1002 });
  });

  it("CLS-01, CLS-04: is a violation behind CLOSE, except for what may come in any batch", () => {
    const bench = new Bench();
    expect(bench.exchange.handleFrame(CLOSE, 0)).toBeUndefined();
    expect(bench.story).toEqual(["closing"]);
    for (const frame of [CLOSE, chunk({}), { type: "reset", channel: 0 } as const]) {
      expect(bench.exchange.handleFrame(frame, 0)).toMatchObject({ code: 1002 });
    }
    expect(bench.ack(0, 0)).toBeUndefined();
  });

  it("ACK-05: an ack of what was not sent is a violation", () => {
    expect(new Bench().ack(1, 10)).toMatchObject({ code: 1002 });
  });

  it("CHN-09: more channels than the peer takes", () => {
    const bench = new Bench();
    for (const name of ["a", "b"]) bench.exchange.channels.open(name, "normal");
    expect(bench.exchange.handlePeerLimits({ ...UNANNOUNCED_LIMITS, channelsMax: 3 })).toBe(true);
    expect(bench.exchange.handlePeerLimits({ ...UNANNOUNCED_LIMITS, channelsMax: 2 })).toBe(false);
  });
});

describe("RES-05: Exchange: what the peer has received", () => {
  it("delivers messages, ends channels, and is progress to a close that waits", () => {
    const bench = new Bench();
    const key = bench.exchange.channels.open("x", "normal");
    const id = bench.send("m");
    bench.exchange.channels.close(key);
    while (bench.poll() !== undefined);
    const { sentNumber } = bench.exchange.outbound;
    bench.exchange.closing.close({ code: 1000, reason: "" }, 0);
    bench.exchange.handleAttached(3000);
    bench.exchange.handleReceived({ received: sentNumber, opening: 0 }, 3000);
    expect(bench.events.slice(-2)).toEqual([
      { type: "delivered", message: id },
      { type: "channel-closed", channel: key },
    ]);
    expect(bench.exchange.closing.nextDeadline).toBe(8000);
    bench.exchange.handleReceived({ received: sentNumber, opening: 0 }, 4000);
    expect(bench.exchange.closing.nextDeadline).toBe(8000);
  });

  it("CLS-05: settles the end when both CLOSEs are known to have arrived", () => {
    const bench = new Bench();
    bench.exchange.closing.close({ code: 1000, reason: "" }, 0);
    bench.poll();
    expect(bench.exchange.isSettled).toBe(false);
    bench.exchange.handleFrame(CLOSE, 0);
    expect([bench.exchange.closing.isExchanged, bench.exchange.isSettled]).toEqual([true, false]);
    bench.exchange.handleReceived({ received: 1, opening: 0 }, 10);
    expect(bench.exchange.isSettled).toBe(true);
  });

  it("is not enough without the peer's CLOSE", () => {
    const bench = new Bench();
    bench.exchange.closing.close({ code: 1000, reason: "" }, 0);
    bench.poll();
    bench.exchange.handleReceived({ received: 1, opening: 0 }, 10);
    expect(bench.exchange.isSettled).toBe(false);
  });
});

describe("CHN-10: Exchange: the end of a channel that the peer may have opened", () => {
  const open = (id: number): ExchangeFrame => ({
    type: "channel-open",
    channel: id,
    priority: "low",
    name: testPorts.encodeUtf8("x"),
  });

  /** A channel that has been opened and closed, all of it sent, on a transport that is gone. */
  function closed() {
    const bench = new Bench();
    const key = bench.exchange.channels.open("x", "normal");
    bench.exchange.channels.close(key);
    while (bench.poll() !== undefined);
    bench.exchange.handleAttached(100);
    return { bench, key, received: bench.exchange.outbound.sentNumber };
  }

  it("is gone with RECEIVED where the peer has nothing to open", () => {
    const { bench, key, received } = closed();
    bench.exchange.handleReceived({ received, opening: 0 }, 100);
    expect(bench.events).toEqual([{ type: "channel-closed", channel: key }]);
  });

  it("waits for the batch that the peer has yet to send again, and is the peer's channel if that opens it", () => {
    const { bench, key, received } = closed();
    bench.exchange.acceptBatch(1, 10, 100, 100);
    bench.exchange.handleReceived({ received, opening: 3 }, 100);
    expect(() => bench.exchange.channels.open("x", "normal")).toThrow(
      expect.objectContaining({ code: "ERR_USAGE_CHANNEL_CLOSED" }),
    );
    bench.exchange.acceptBatch(2, 10, 100, 100);
    bench.exchange.handleRead();
    expect(bench.story).toEqual([]);
    bench.exchange.acceptBatch(3, 10, 100, 100);
    bench.exchange.handleFrame(open(1), 100);
    bench.exchange.handleRead();
    // It is the same channel, and the peer ends its direction in its own time.
    expect(bench.story).toEqual([]);
    bench.exchange.handleFrame({ type: "channel-close", channel: 1 }, 100);
    expect(bench.events).toEqual([
      { type: "channel-closing", channel: key },
      { type: "channel-closed", channel: key },
    ]);
  });

  it("is gone with that batch where it opens another one", () => {
    const { bench, key, received } = closed();
    bench.exchange.handleReceived({ received, opening: 1 }, 100);
    bench.exchange.acceptBatch(1, 10, 100, 100);
    expect(bench.story).toEqual([]);
    bench.exchange.handleRead();
    expect(bench.events).toEqual([{ type: "channel-closed", channel: key }]);
  });

  it("waits in the same way where an ack overtakes that batch", () => {
    const { bench, key, received } = closed();
    const { bytes } = { bytes: bench.exchange.outbound.sentBytes };
    bench.exchange.handleReceived({ received: 0, opening: 1 }, 100);
    while (bench.poll() !== undefined);
    bench.ack(received, bytes);
    bench.exchange.handleRead();
    expect(bench.story).toEqual([]);
    bench.exchange.acceptBatch(1, 10, 100, 100);
    bench.exchange.handleRead();
    expect(bench.events).toEqual([{ type: "channel-closed", channel: key }]);
  });
});
