import { describe, expect, it } from "vitest";
import { SluiceError } from "../../../src/core/error.js";
import { DEFAULT_LIMITS } from "../../../src/core/limits.js";
import {
  RECEPTION_TRANSITIONS,
  Reception,
  type ReceptionEvent,
  type ReceptionInput,
  type ReceptionState,
} from "../../../src/core/registry/reception.js";
import { encodeBatch } from "../../../src/core/wire/encode.js";
import { type Frame, Parameter } from "../../../src/core/wire/frame.js";
import { helloFrame, readGreeting } from "../../../src/core/wire/handshake.js";
import { UNANNOUNCED_LIMITS } from "../../../src/core/wire/parameters.js";
import { chunk } from "../../support/frame-table.js";
import { describeLegality } from "../../support/legality.js";
import { naiveDecode } from "../../support/naive-decoder.js";
import { testPorts } from "../../support/ports.js";

const LIMITS = { ...DEFAULT_LIMITS, handshakeTimeoutMs: 5000, batchBytesMax: 20_000 };
const utf8 = (text: string) => testPorts.encodeUtf8(text);
const hello = (change = {}) =>
  helloFrame({
    limits: DEFAULT_LIMITS,
    attemptId: new Uint8Array(16).fill(1),
    epoch: 1,
    auth: utf8("me"),
    resume: undefined,
    received: undefined,
    ...change,
  });
const HELLO = encodeBatch(0, [hello()]);
const refused = () => new SluiceError("ERR_REFUSED", "not you");
const numbered = (number: number, size = 1) => encodeBatch(number, [chunk({ payload: new Uint8Array(size) })]);

class Door {
  readonly reception: Reception;

  constructor(greets?: boolean) {
    const options = { limits: LIMITS, ports: testPorts, protocol: utf8("chat"), instance: utf8("instance") };
    this.reception = new Reception({ ...options, ...(greets === undefined ? {} : { greets }) }, 1000);
  }

  arrived(state: ReceptionState["name"]): this {
    this.said();
    if (state !== "awaiting-hello") this.say(HELLO);
    if (state === "handed-over") this.reception.handOver();
    if (state === "ended") this.reception.handleTransportClosed();
    expect(this.reception.state.name).toBe(state);
    this.told();
    return this;
  }

  say(batch: Uint8Array, now = 1000): this {
    this.reception.handleBatch(batch, now);
    return this;
  }

  /** Batches that leave, as frames. */
  said(): Frame[][] {
    const all: Frame[][] = [];
    for (let batch = this.reception.pollTransmit(); batch !== undefined; batch = this.reception.pollTransmit()) {
      const { frames, isValid, number } = naiveDecode(batch);
      expect([isValid, number]).toEqual([true, 0]);
      all.push(frames);
    }
    return all;
  }

  told(): ReceptionEvent[] {
    const all: ReceptionEvent[] = [];
    for (let event = this.reception.pollEvent(); event !== undefined; event = this.reception.pollEvent()) {
      all.push(event);
    }
    return all;
  }
}

describe("HSK: the table of the reception", () => {
  const inputs: readonly ReceptionInput[] = ["hello", "hold", "hand-over", "end"];
  describeLegality(RECEPTION_TRANSITIONS, inputs, 5);
});

describe("Reception", () => {
  it("HSK-01, RES-04: greets at once, with protocol and instance, and alone", () => {
    const [frames, ...rest] = new Door().said();
    expect([frames?.length, rest]).toEqual([1, []]);
    const [greeting] = frames ?? [];
    if (greeting?.type !== "greeting") throw new Error("no greeting");
    expect(readGreeting(greeting.parameters, UNANNOUNCED_LIMITS, DEFAULT_LIMITS)).toMatchObject({
      protocol: utf8("chat"),
      instance: utf8("instance"),
    });
  });

  it("HTTP-04: does not greet where the client speaks first, and tells what it offers", () => {
    const door = new Door(false);
    expect(door.said()).toEqual([]);
    door.say(encodeBatch(0, [hello({ protocolsOffered: utf8("chat.v2, chat.v1") })]));
    expect([door.said(), door.told()]).toMatchObject([[], [{ type: "hello", offered: "chat.v2, chat.v1" }]]);
    const silent = new Door(false).say(HELLO);
    expect(silent.told()).toMatchObject([{ type: "hello", offered: "" }]);
  });

  it("HTTP-06: takes no early data from a client that was not greeted", () => {
    const door = new Door(false).say(HELLO).say(numbered(1));
    expect(door.told()).toMatchObject([{ type: "hello" }, { type: "closed", transportCode: 1002 }]);
  });

  it("HSK-06: tells of the HELLO, with credentials as text", () => {
    const door = new Door().say(HELLO);
    expect(door.told()).toMatchObject([{ type: "hello", auth: "me", hello: { epoch: 1, resume: undefined } }]);
    const none = new Door().say(encodeBatch(0, [hello({ auth: undefined })]));
    expect(none.told()).toMatchObject([{ type: "hello", auth: undefined }]);
  });

  it("hands over, once, what was said and what has come behind it, in order", () => {
    const door = new Door().say(HELLO).say(numbered(1), 1010).say(numbered(2, 50), 1020);
    const handed = door.reception.handOver();
    expect(handed?.hello.attemptId).toEqual(new Uint8Array(16).fill(1));
    expect(handed?.held).toEqual([
      { batch: numbered(1), receivedAt: 1010 },
      { batch: numbered(2, 50), receivedAt: 1020 },
    ]);
    expect([door.reception.handOver(), door.reception.isOver, door.reception.nextDeadline()]).toEqual([
      undefined,
      true,
      undefined,
    ]);
  });

  it.each(["awaiting-hello", "ended"] as const)("hands nothing over while %s", (state) => {
    expect(new Door().arrived(state).reception.handOver()).toBeUndefined();
  });

  it("keeps copies of what it holds: the buffers belong to the network", () => {
    const batch = numbered(1, 100);
    const door = new Door().say(HELLO).say(batch);
    batch.fill(0);
    expect(door.reception.handOver()?.held[0]?.batch).toEqual(numbered(1, 100));
  });

  it("BAT-04: does not hold twice what comes twice, and copies do not count", () => {
    const door = new Door().arrived("deciding");
    for (let copy = 0; copy < 5; copy++) door.say(numbered(7, 15_000)).say(numbered(8, 15_000));
    expect(door.reception.state.name).toBe("deciding");
    expect(door.reception.handOver()?.held.map(({ batch }) => batch)).toEqual([
      numbered(7, 15_000),
      numbered(8, 15_000),
    ]);
  });

  it("HSK-07: holds 32 KiB of early data and not a byte more", () => {
    const door = new Door().say(HELLO);
    door.say(numbered(1, 16_000)).say(numbered(2, 32 * 1024 - 16_005 - 7));
    expect([door.reception.heldBytes, door.told().length]).toEqual([32 * 1024, 1]);
    door.say(numbered(3));
    expect(door.told()).toMatchObject([{ type: "closed", transportCode: 1002 }]);
    expect([door.reception.heldBytes, door.reception.handOver()]).toEqual([0, undefined]);
  });

  it("HSK-10: takes its time from the open transport to the decision: ABORT 1013, as it may be our own fault", () => {
    for (const state of ["awaiting-hello", "deciding"] as const) {
      const door = new Door().arrived(state);
      expect(door.reception.nextDeadline()).toBe(6000);
      door.reception.handleDeadline(5999);
      expect(door.told()).toEqual([]);
      door.reception.handleDeadline(6000);
      expect(door.told()).toMatchObject([
        { type: "closed", transportCode: 1013, error: { code: "ERR_CONNECT_FAILED", retryable: true } },
      ]);
      expect(door.said()).toEqual([[{ type: "abort", code: 1013, reason: utf8("") }]]);
      door.reception.handleDeadline(9000);
      expect([door.told(), door.said(), door.reception.nextDeadline()]).toEqual([[], [], undefined]);
    }
  });

  it("HSK-10: has no deadline once a session has taken over", () => {
    const door = new Door().arrived("handed-over");
    door.reception.handleDeadline(1e9);
    expect([door.told(), door.said()]).toEqual([[], []]);
  });

  it("HSK-06: refuses, with nothing but code and reason", () => {
    const door = new Door().arrived("deciding").say(numbered(1, 500));
    door.reception.refuse(1008, "unauthorized", refused());
    expect(door.told()).toMatchObject([{ type: "closed", transportCode: 1008, error: { code: "ERR_REFUSED" } }]);
    expect(door.said()).toEqual([[{ type: "abort", code: 1008, reason: utf8("unauthorized") }]]);
    door.reception.refuse(1008, "again", refused());
    door.say(HELLO).say(numbered(2));
    expect([door.told(), door.said(), door.reception.heldBytes]).toEqual([[], [], 0]);
  });

  it("refuses nobody whom a session has", () => {
    const door = new Door().arrived("handed-over");
    door.reception.refuse(1008, "unauthorized", refused());
    expect([door.told(), door.said()]).toEqual([[], []]);
  });

  it("may refuse before it has greeted, and then does not greet", () => {
    const door = new Door();
    door.reception.refuse(1013, "", refused());
    expect(door.said().map((frames) => frames.map(({ type }) => type))).toEqual([["abort"]]);
  });

  it("KAL-02: answers pings", () => {
    const door = new Door().arrived("deciding");
    door.say(encodeBatch(0, [{ type: "ping", payload: utf8("hi") }]));
    expect(door.said()).toEqual([[{ type: "pong", payload: utf8("hi") }]]);
  });

  it("ends without a word when the client goes, by itself or with ABORT", () => {
    for (const state of ["awaiting-hello", "deciding"] as const) {
      const cut = new Door().arrived(state);
      cut.reception.handleTransportClosed();
      const aborted = new Door().arrived(state);
      aborted.say(encodeBatch(0, [{ type: "abort", code: 1008, reason: utf8("") }]));
      for (const door of [cut, aborted]) {
        expect(door.told()).toEqual([{ type: "closed", transportCode: 1000, error: undefined }]);
        expect([door.said(), door.reception.isOver]).toEqual([[], true]);
        door.reception.handleTransportClosed();
        expect(door.told()).toEqual([]);
      }
    }
  });

  const violations: [string, Uint8Array, number?][] = [
    ["BAT-02: an empty batch", new Uint8Array(0)],
    ["FRM-03: garbage", Uint8Array.of(0, 0xff)],
    ["BAT-08: a batch that is too large", numbered(1, 20_000), 1009],
    ["HSK-11: GREETING", encodeBatch(0, [{ type: "greeting", parameters: new Map() }])],
    ["HSK-11: WELCOME", encodeBatch(0, [{ type: "welcome", parameters: new Map() }])],
    ["ACK-05: an ack", encodeBatch(0, [{ type: "ack", number: 0, bytes: 0, receivedTicks: 0, delayTicks: 0 }])],
  ];

  it.each<[string, Uint8Array, number?]>([
    ...violations,
    ["HSK-07: early data before HELLO", numbered(1)],
    ["HSK-04: HELLO without an attempt", encodeBatch(0, [{ type: "hello", parameters: new Map() }])],
    ["RES-02: half a resume", encodeBatch(0, [withParameter(Parameter.SESSION, new Uint8Array(16))])],
    ["HSK-06: credentials that are not UTF-8", encodeBatch(0, [hello({ auth: Uint8Array.of(0xff) })]), 1007],
    ["WIRE-05: protocols that are not", encodeBatch(0, [hello({ protocolsOffered: Uint8Array.of(0xff) })]), 1007],
  ])("ERR-03: turns away who begins with: %s", (_, batch, code = 1002) =>
    expectTurnedAway("awaiting-hello", batch, code),
  );

  it.each<[string, Uint8Array, number?]>([...violations, ["HSK-11: HELLO again", HELLO]])(
    "ERR-03: turns away who goes on with: %s",
    (_, batch, code = 1002) => expectTurnedAway("deciding", batch, code),
  );

  function withParameter(id: number, value: Uint8Array): Frame {
    const { parameters } = hello();
    return { type: "hello", parameters: new Map([...parameters, [id, value]]) };
  }

  function expectTurnedAway(state: ReceptionState["name"], batch: Uint8Array, code: number): void {
    const door = new Door().arrived(state).say(batch);
    expect(door.told()).toMatchObject([{ type: "closed", transportCode: code, error: { code: "ERR_PEER_VIOLATION" } }]);
    // ERR-02: the code and nothing else.
    expect(door.said()).toEqual([[{ type: "abort", code, reason: utf8("") }]]);
    door.say(HELLO).say(batch);
    expect([door.told(), door.said(), door.reception.handOver()]).toEqual([[], [], undefined]);
  }

  it("reads nothing behind the frame that ends it", () => {
    const door = new Door().arrived("awaiting-hello");
    const abort: Frame = { type: "abort", code: 1000, reason: utf8("") };
    door.say(encodeBatch(0, [abort, hello(), { type: "ping", payload: utf8("x") }]));
    expect(door.told().map(({ type }) => type)).toEqual(["closed"]);
    expect(door.said()).toEqual([]);
  });
});
