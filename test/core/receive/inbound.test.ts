import { describe, expect, it } from "vitest";
import { DEFAULT_LIMITS } from "../../../src/core/limits.js";
import { Inbound, type InboundEvent } from "../../../src/core/receive/inbound.js";
import type { Frame } from "../../../src/core/wire/frame.js";
import { chunk } from "../../support/frame-table.js";
import { testPorts } from "../../support/ports.js";

const utf8 = (text: string) => testPorts.encodeUtf8(text);
const KIB = 1024;

class Bench {
  readonly events: InboundEvent[] = [];
  readonly controls: Frame[] = [];
  readonly inbound: Inbound;

  constructor(limits = {}) {
    this.inbound = new Inbound(
      { limits: { ...DEFAULT_LIMITS, ...limits }, ports: testPorts, roundTripMs: () => undefined },
      (event) => this.events.push(event),
      (frame) => this.controls.push(frame),
    );
  }

  chunk(init: Parameters<typeof chunk>[0], now = 0) {
    return this.inbound.handleChunk(chunk(init), now);
  }

  fill(channel: number, size: number): void {
    for (let sent = 0; sent < size; sent += 4096) this.chunk({ channel, payload: new Uint8Array(4096 - 32) });
  }
}

describe("Inbound", () => {
  it("BAT-04: accepts each batch once and in order, and wants to acknowledge what came", () => {
    const { inbound } = new Bench();
    expect([inbound.acceptBatch(2, 10, 0), inbound.acks.nextDeadline]).toEqual(["gap", undefined]);
    expect([inbound.acceptBatch(1, 10, 5), inbound.acks.nextDeadline]).toEqual(["next", 25]);
    inbound.acks.handleSent(0);
    expect([inbound.acceptBatch(1, 10, 50), inbound.acks.nextDeadline]).toEqual(["duplicate", 50]);
    expect(inbound.acks.peek(50)).toMatchObject({ number: 1, bytes: 10 });
    expect([inbound.receivedNumber, inbound.receivedBytes]).toEqual([1, 10]);
  });

  it("gives text as text and bytes as bytes", () => {
    const bench = new Bench();
    bench.chunk({ text: true, payload: utf8("grüße") });
    bench.chunk({ payload: Uint8Array.of(255) });
    expect(bench.events).toEqual([
      { type: "message", channel: 0, text: true, data: "grüße", cost: 39 },
      { type: "message", channel: 0, text: false, data: Uint8Array.of(255), cost: 33 },
    ]);
  });

  it("MSG-05: reads text as a whole: a character may lie across two chunks", () => {
    const bench = new Bench();
    const bytes = utf8("ü".repeat(1000));
    expect(bench.chunk({ text: true, last: false, payload: bytes.subarray(0, 1025) })).toBeUndefined();
    expect(bench.inbound.reassemblyBytes).toBe(1025);
    expect(bench.chunk({ first: false, payload: bytes.subarray(1025) })).toBeUndefined();
    expect(bench.events).toMatchObject([{ type: "message", data: "ü".repeat(1000) }]);
    expect([bench.inbound.reassemblyBytes, bench.inbound.untakenBytes]).toEqual([0, 2032]);
  });

  it.each([
    ["a lone continuation byte", [0x80]],
    ["a character cut short", [0xc3]],
    ["a surrogate", [0xed, 0xa0, 0x80]],
    ["an overlong form", [0xc0, 0xaf]],
    ["beyond U+10FFFF", [0xf4, 0x90, 0x80, 0x80]],
  ])("MSG-05: text with %s is a violation", (_, bytes) => {
    const bench = new Bench();
    expect(bench.chunk({ text: true, payload: Uint8Array.from(bytes) })).toMatchObject({ code: 1007 });
    expect(bench.chunk({ payload: Uint8Array.from(bytes) })).toBeUndefined();
    expect(bench.events).toHaveLength(1);
  });

  it("passes on what a channel refuses, and knows only channels that are open", () => {
    expect(new Bench().chunk({ first: false })).toMatchObject({ code: 1002 });
    expect(new Bench().chunk({ channel: 3 })).toMatchObject({ code: 1002 });
  });

  it("MSG-07, CHN-05: a message under way may be taken back, not cut off by the end of its channel", () => {
    const { inbound, ...bench } = new Bench();
    expect([inbound.handleReset(3)?.code, inbound.handleChannelClose(3)]).toEqual([1002, undefined]);
    inbound.open(3, 9);
    inbound.handleChunk(chunk({ channel: 3, last: false, payload: new Uint8Array(1024) }), 0);
    expect(inbound.handleChannelClose(3)?.code).toBe(1002);
    expect(inbound.handleReset(3)).toBeUndefined();
    expect([inbound.reassemblyBytes, inbound.handleChannelClose(3)]).toEqual([0, undefined]);
    expect(bench.events).toEqual([]);
  });

  it("forgets everything when the session ends", () => {
    const bench = new Bench();
    bench.chunk({ last: false, payload: new Uint8Array(60_000) });
    bench.inbound.clear();
    expect([bench.inbound.reassemblyBytes, bench.inbound.isCreditDue]).toEqual([0, false]);
    bench.inbound.take(0, 100);
  });
});

describe("Inbound: credit", () => {
  it("CRD-02: is told by the number of the peer, in absolute values, each news once", () => {
    const bench = new Bench();
    bench.inbound.open(7, 1);
    bench.inbound.receive(1, "messages");
    bench.fill(7, 40 * KIB);
    bench.fill(0, 40 * KIB);
    expect(bench.inbound.isCreditDue).toBe(true);
    expect(bench.inbound.pollCredit()).toEqual([
      { type: "channel-credit", channel: 0, bytes: 256 * KIB },
      { type: "channel-credit", channel: 7, bytes: 256 * KIB },
    ]);
    expect([bench.inbound.isCreditDue, bench.inbound.pollCredit()]).toEqual([false, []]);
    bench.inbound.take(0, 40 * KIB);
    bench.fill(0, 40 * KIB);
    bench.inbound.take(0, 40 * KIB);
    expect(bench.inbound.pollCredit()).toEqual([{ type: "channel-credit", channel: 0, bytes: 336 * KIB }]);
  });

  it("CRD-02: is said again on another transport, for channels that are open and have more than their first", () => {
    const bench = new Bench();
    for (const id of [1, 2]) {
      bench.inbound.open(id, id);
      bench.inbound.receive(id, "messages");
      bench.fill(id, 40 * KIB);
    }
    bench.inbound.pollCredit();
    bench.inbound.handleChannelClose(2);
    bench.inbound.handleAttached(0);
    expect(bench.inbound.pollCredit()).toEqual([{ type: "channel-credit", channel: 1, bytes: 256 * KIB }]);
  });

  it("a channel may be wanted before the peer opens it, and is nobody's when its name is used anew", () => {
    const bench = new Bench();
    bench.inbound.receive(5, "incoming");
    bench.inbound.open(1, 5);
    bench.chunk({ channel: 1, payload: Uint8Array.of(1) });
    expect(bench.events.map(({ type }) => type)).toEqual(["incoming", "piece"]);
    bench.inbound.receive(6, "messages");
    bench.inbound.handleChannelGone(6);
    bench.inbound.open(2, 6);
    bench.fill(2, 60 * KIB);
    expect(bench.inbound.isCreditDue).toBe(false);
  });

  it("of a channel that has ended, what waits is held until it is taken", () => {
    const bench = new Bench();
    bench.inbound.open(1, 5);
    bench.chunk({ channel: 1, payload: new Uint8Array(1000) });
    bench.inbound.handleChannelClose(1);
    expect(bench.inbound.untakenBytes).toBe(1032);
    bench.inbound.take(5, 1032);
    expect([bench.inbound.untakenBytes, bench.inbound.isCreditDue]).toEqual([0, false]);
  });

  it("CRD-07, CRD-08: verdicts leave as frames that must not be lost, by the number of the peer", () => {
    const bench = new Bench({ messageBytesMax: 2000 });
    bench.chunk({ payload: new Uint8Array(2001) });
    bench.inbound.open(4, 1);
    bench.inbound.receive(1, "incoming");
    bench.chunk({ channel: 4, payload: new Uint8Array(2001) });
    expect(bench.controls).toEqual([
      { type: "reject", channel: 0, message: 1, code: 1009 },
      { type: "admit", channel: 4, message: 1 },
    ]);
  });

  it("CRD-08: what stands still is refused in time, the first that is due first", () => {
    const bench = new Bench();
    bench.inbound.open(1, 5);
    bench.inbound.receive(5, "messages");
    bench.chunk({ channel: 1, last: false, payload: new Uint8Array(2000) }, 500);
    bench.chunk({ last: false, payload: new Uint8Array(2000) }, 100);
    expect(bench.inbound.nextDeadline).toBe(30_100);
    bench.inbound.handleDeadline(30_100);
    expect(bench.controls).toEqual([{ type: "reject", channel: 0, message: 1, code: 1013 }]);
    expect(bench.inbound.nextDeadline).toBe(30_500);
    bench.chunk({ channel: 1, first: false, payload: new Uint8Array(1) }, 30_200);
    expect(bench.inbound.nextDeadline).toBeUndefined();
  });

  it("goes down to the first credit while memory is short", () => {
    const bench = new Bench();
    bench.inbound.handleScarcity(true);
    bench.fill(0, 60 * KIB);
    expect(bench.inbound.isCreditDue).toBe(false);
    bench.inbound.handleScarcity(false);
    expect(bench.inbound.pollCredit()).toEqual([{ type: "channel-credit", channel: 0, bytes: 256 * KIB }]);
  });
});
