import { beforeEach, describe, expect, it } from "vitest";
import { SluiceError } from "../../src/core/error.js";
import { DEFAULT_LIMITS } from "../../src/core/limits.js";
import { Reception } from "../../src/core/registry/reception.js";
import type { HeldBatch } from "../../src/core/session/session-types.js";
import { encodeBatch } from "../../src/core/wire/encode.js";
import { type Hello, helloFrame } from "../../src/core/wire/handshake.js";
import { ReceptionDriver } from "../../src/driver/reception-driver.js";
import type { TransportHandler } from "../../src/transport/transport.js";
import { FakeHost } from "../support/fake-host.js";
import { LinkedTransport } from "../support/linked-transport.js";
import { testPorts } from "../support/ports.js";

const LIMITS = { ...DEFAULT_LIMITS, handshakeTimeoutMs: 5000 };
const REFUSED = new SluiceError("ERR_REFUSED", "no");
const DEATH = { wasClean: false, code: 1006, reason: "" };

let host: FakeHost;
let near: LinkedTransport;
let far: LinkedTransport;
let driver: ReceptionDriver;
let story: unknown[][];

beforeEach(() => {
  host = new FakeHost();
  [near, far] = LinkedTransport.pair();
  story = [];
  near.start({
    handleOpen: () => {},
    handleBatch: () => {},
    handleWritable: () => {},
    handleClosed: ({ code }) => story.push(["client's end", code]),
  });
  const options = { limits: LIMITS, ports: testPorts, protocol: new Uint8Array(0), instance: new Uint8Array(16) };
  driver = new ReceptionDriver(new Reception(options, host.now()), far, host, {
    handleHello: (hello, auth) => story.push(["hello", hello.epoch, auth]),
    handleHeld: (bytes) => story.push(["held", bytes]),
    handleOver: () => story.push(["over"]),
  });
  driver.start();
  far.open();
});

function hello(auth?: string): Uint8Array {
  const attemptId = new Uint8Array(16).fill(1);
  const bytes = auth === undefined ? undefined : testPorts.encodeUtf8(auth);
  const details = { limits: LIMITS, attemptId, epoch: 3, auth: bytes, resume: undefined, received: undefined };
  return encodeBatch(0, [helloFrame(details)]);
}

const numbered = (number: number) => encodeBatch(number, [{ type: "ping", payload: Uint8Array.of(number) }]);

/** What takes the transport over, and what that is told. */
function taker() {
  const seen: unknown[][] = [];
  const handler: TransportHandler = {
    handleOpen: () => seen.push(["open"]),
    handleBatch: (batch) => seen.push(["batch", batch]),
    handleWritable: () => seen.push(["writable"]),
    handleClosed: (death) => seen.push(["closed", death]),
  };
  let given: { hello: Hello; held: readonly HeldBatch[] } | undefined;
  const take = (said: Hello, held: readonly HeldBatch[]) => {
    given = { hello: said, held };
    return handler;
  };
  return { take, seen, given: () => given };
}

describe("ReceptionDriver", () => {
  it("greets, takes the HELLO, and hands the transport over with what came behind it", () => {
    expect(far.frames.map(({ type }) => type)).toEqual(["greeting"]);
    far.inject(hello('"secret"'));
    far.inject(numbered(1));
    expect(story).toEqual([
      ["hello", 3, '"secret"'],
      ["held", numbered(1).length],
    ]);
    const next = taker();
    driver.handOver(next.take);
    expect(next.given()).toMatchObject({ hello: { epoch: 3 }, held: [{ batch: numbered(1), receivedAt: 1000 }] });
    expect(story.at(-1)).toEqual(["over"]);
    expect(host.timers).toEqual([]);
    expect(far.ended).toBeUndefined();
  });

  it("is out of the way afterwards: everything goes to who has taken over", () => {
    far.inject(hello());
    const next = taker();
    driver.handOver(next.take);
    const before = story.length;
    far.inject(numbered(1));
    far.deliver();
    far.die(DEATH);
    expect(next.seen).toEqual([["batch", numbered(1)], ["writable"], ["closed", DEATH]]);
    expect(story).toHaveLength(before);
  });

  it("hands over at once where the decision needs no time", () => {
    const [, other] = LinkedTransport.pair();
    const options = { limits: LIMITS, ports: testPorts, protocol: new Uint8Array(0), instance: new Uint8Array(16) };
    const next = taker();
    const quick: ReceptionDriver = new ReceptionDriver(new Reception(options, host.now()), other, host, {
      handleHello: () => quick.handOver(next.take),
      handleHeld: () => {},
      handleOver: () => {},
    });
    quick.start();
    other.open();
    other.inject(hello());
    other.inject(numbered(1));
    expect(next.given()?.held).toEqual([]);
    expect(next.seen).toEqual([["batch", numbered(1)]]);
  });

  it("knows whether its client still waits", () => {
    far.inject(hello());
    expect(driver.isWaiting).toBe(true);
    far.die(DEATH);
    expect(driver.isWaiting).toBe(false);
  });

  it("hands over nothing before the HELLO, nor twice", () => {
    const next = taker();
    driver.handOver(next.take);
    expect(next.given()).toBeUndefined();
    far.inject(hello());
    driver.handOver(next.take);
    const second = taker();
    driver.handOver(second.take);
    expect(second.given()).toBeUndefined();
    expect(story.filter(([type]) => type === "over")).toHaveLength(1);
  });

  it("hands over nothing when the client has gone meanwhile", () => {
    far.inject(hello());
    far.die(DEATH);
    const next = taker();
    driver.handOver(next.take);
    expect(next.given()).toBeUndefined();
    expect(story).toEqual([["hello", 3, undefined], ["over"]]);
    expect(host.timers).toEqual([]);
  });

  it("refuses: says so, then ends the transport, once", () => {
    far.inject(hello());
    driver.refuse(1008, "unauthorized", REFUSED);
    driver.refuse(1008, "unauthorized", REFUSED);
    expect(far.frames.at(-1)).toMatchObject({ type: "abort", code: 1008 });
    expect(far.ended).toEqual({ how: "closed", code: 1008, afterBatches: 2 });
    expect(story.filter(([type]) => type === "over")).toHaveLength(1);
    expect(host.timers).toEqual([]);
    far.deliver();
    expect(story.at(-1)).toEqual(["client's end", 1008]);
    const next = taker();
    driver.handOver(next.take);
    expect(next.given()).toBeUndefined();
  });

  it("gives up a client that says nothing", () => {
    host.advance(4999);
    expect(far.ended).toBeUndefined();
    host.advance(1);
    expect(far.frames.at(-1)).toMatchObject({ type: "abort", code: 1013 });
    expect(far.ended).toMatchObject({ how: "closed", code: 1013 });
    expect(story).toEqual([["over"]]);
    expect(host.timers).toEqual([]);
  });

  it.each<[string, Uint8Array, number]>([
    ["garbage", Uint8Array.of(0, 255), 1002],
    ["early data before the HELLO", numbered(1), 1002],
  ])("ends a transport that brings %s", (_, batch, code) => {
    far.inject(batch);
    expect(far.ended).toMatchObject({ how: "closed", code });
    expect(story).toEqual([["over"]]);
  });

  it("SEC-05: does not answer a stranger who asks and does not read, beyond a bound", () => {
    const ask = (from: number) =>
      encodeBatch(
        0,
        Array.from({ length: 16 }, (_, i) => ({ type: "ping", payload: new Uint8Array(125).fill(from + i) }) as const),
      );
    for (let i = 0; i < 100; i++) far.inject(ask(i));
    expect(far.bufferedBytes).toBeGreaterThan(4096);
    expect(far.bufferedBytes).toBeLessThan(20 * 1024);
    const before = far.sent.length;
    far.deliver();
    const answers = far.batches.slice(before).flatMap(({ frames }) => frames);
    expect(answers.map((frame) => frame.type === "pong" && frame.payload[0])).toEqual(
      Array.from({ length: 16 }, (_, i) => 99 + i),
    );
  });

  it("has the patience that it is told to have, beyond what a timer takes", () => {
    const [, other] = LinkedTransport.pair();
    const limits = { ...LIMITS, handshakeTimeoutMs: 2 ** 33 };
    const options = { limits, ports: testPorts, protocol: new Uint8Array(0), instance: new Uint8Array(16) };
    const ended: number[] = [];
    const patient = new ReceptionDriver(new Reception(options, host.now()), other, host, {
      handleHello: () => {},
      handleHeld: () => {},
      handleOver: () => ended.push(host.now()),
    });
    patient.start();
    const before = host.timersSet;
    host.advance(1000);
    expect(host.timersSet - before).toBe(0);
    host.advance(2 ** 33 - 1001);
    expect(ended).toEqual([]);
    host.advance(1000);
    expect(ended).toHaveLength(1);
  });

  it("answers a ping while the application decides", () => {
    far.inject(hello());
    far.inject(encodeBatch(0, [{ type: "ping", payload: Uint8Array.of(7) }]));
    expect(far.frames.at(-1)).toEqual({ type: "pong", payload: Uint8Array.of(7) });
  });
});
