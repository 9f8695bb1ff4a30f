import { describe, expect, it } from "vitest";
import { expectBaseline } from "../../support/baseline.js";
import { binary, type End, Pair, source, text } from "../../support/pair.js";

type Init = ReturnType<typeof text>;

const fatesOf = (end: End) => end.of("dropped").map(({ message, fate }) => [message, fate] as const);

function send(pair: Pair, init: Init | ReturnType<typeof source>, more: { ttl?: number; key?: string } = {}): number {
  const expiresAt = more.ttl === undefined ? undefined : pair.now + more.ttl;
  return pair.input(pair.client, (s, now) => s.send(0, { ...init, expiresAt, key: more.key }, now));
}

/** A pair on a line that one large message fills for about 2 s. */
function busyPair(): Pair {
  const pair = new Pair({ rateBitsPerSecond: 1e6 }).connect().run(200);
  send(pair, binary(250_000));
  return pair;
}

describe("Session: messages that perish", () => {
  it("drops what has not begun to leave in time, at that time, and keeps the order of the rest", () => {
    const pair = busyPair();
    const ids = [
      send(pair, text("a")),
      send(pair, text("b"), { ttl: 300 }),
      send(pair, text("c"), { ttl: 60_000 }),
      send(pair, text("d"), { ttl: 100 }),
      send(pair, text("e")),
    ];
    const sentAt = pair.now;
    expect(pair.client.session.nextDeadline()).toBeLessThanOrEqual(sentAt + 100);
    pair.run(5000);
    expect(fatesOf(pair.client)).toEqual([
      [ids[3], "expired"],
      [ids[1], "expired"],
    ]);
    const times = pair.client.events.filter(({ event }) => event.type === "dropped").map(({ at }) => at);
    expect(times).toEqual([sentAt + 100, sentAt + 300]);
    expect(pair.server.messages.slice(1)).toEqual(["a", "c", "e"]);
    expectBaseline(pair);
  });

  it("drops nothing of which something has left, however long the rest takes", () => {
    const pair = new Pair({ rateBitsPerSecond: 1e6 }).connect().run(200);
    const id = send(pair, binary(250_000), { ttl: 10 });
    pair.run(5000);
    expect(fatesOf(pair.client)).toEqual([]);
    expect(pair.client.of("delivered").map(({ message }) => message)).toEqual([id]);
    expectBaseline(pair);
  });

  it("drops nothing that has left and has to leave again", () => {
    const pair = new Pair().connect().run(200);
    pair.lose();
    const id = send(pair, text("sent"), { ttl: 50 });
    pair.run(10);
    expect(pair.client.of("written")).toHaveLength(1);
    pair.cut().run(10_000);
    expect(pair.server.messages).toEqual(["sent"]);
    expect(pair.client.of("delivered").map(({ message }) => message)).toEqual([id]);
    expectBaseline(pair);
  });

  it("drops on time while there is no transport", () => {
    const pair = new Pair().connect().run(200);
    pair.network = "hung";
    pair.cut();
    const at = pair.now;
    const ids = [send(pair, text("late"), { ttl: 700 }), send(pair, text("stays"))];
    pair.run(699);
    expect(fatesOf(pair.client)).toEqual([]);
    pair.run(1);
    expect([fatesOf(pair.client), pair.now]).toEqual([[[ids[0], "expired"]], at + 700]);
    expect(pair.client.session.bufferedBytes()).toBe("stays".length);
    pair.network = "up";
    pair.run(30_000);
    expect(pair.server.messages).toEqual(["stays"]);
    expectBaseline(pair);
  });

  it("drops on time before the first connection", () => {
    const pair = new Pair();
    pair.network = "hung";
    pair.connect();
    const id = send(pair, text("late"), { ttl: 500 });
    pair.run(500);
    expect(fatesOf(pair.client)).toEqual([[id, "expired"]]);
  });

  it("lets nothing leave whose time was over when the timer came late", () => {
    const pair = new Pair().connect().run(200);
    pair.client.budgetBytes = 0;
    const id = send(pair, text("late"), { ttl: 50 });
    // The host is asleep: no deadline is handled. The first thing it does is to send.
    pair.now += 60;
    pair.client.budgetBytes = 1 << 20;
    pair.drain(pair.client);
    expect(fatesOf(pair.client)).toEqual([[id, "expired"]]);
    pair.run(200);
    expect(pair.server.messages).toEqual([]);
    expectBaseline(pair);
  });

  it("closes behind what is left when the last message perishes", () => {
    const pair = busyPair();
    send(pair, text("late"), { ttl: 10 });
    pair.input(pair.client, (s, now) => s.close(1000, "", now));
    pair.run(5000);
    expect(pair.client.of("closed")).toMatchObject([{ wasClean: true }]);
    expect(pair.server.messages).toHaveLength(1);
  });

  it("has no deadline for what has ended otherwise", () => {
    const pair = new Pair();
    const ids = [send(pair, text("a"), { ttl: 100 }), send(pair, text("b"), { ttl: 200, key: "k" })];
    expect(pair.client.session.nextDeadline()).toBe(100);
    pair.input(pair.client, (s, now) => s.cancel(ids[0] as number, now));
    expect(pair.client.session.nextDeadline()).toBe(200);
    send(pair, text("c"), { key: "k" });
    expect(pair.client.session.nextDeadline()).toBeUndefined();
  });
});

describe("Session: messages that take the place of others", () => {
  it("keep the position, and end the older one", () => {
    const pair = busyPair();
    const ids = [
      send(pair, text("a")),
      send(pair, text("old"), { key: "position" }),
      send(pair, text("b")),
      send(pair, text("newer"), { key: "position" }),
      send(pair, text("newest"), { key: "position" }),
      send(pair, text("other"), { key: "name" }),
    ];
    expect(fatesOf(pair.client)).toEqual([
      [ids[1], "superseded"],
      [ids[3], "superseded"],
    ]);
    pair.run(5000);
    expect(pair.server.messages.slice(1)).toEqual(["a", "newest", "b", "other"]);
    expectBaseline(pair);
  });

  it("queue behind the others once the older one has begun to leave", () => {
    const pair = new Pair({ rateBitsPerSecond: 1e6 }).connect().run(200);
    send(pair, binary(250_000), { key: "k" });
    send(pair, text("between"));
    expect(pair.client.session.superseded(0, "k")).toBeUndefined();
    const id = send(pair, text("behind"), { key: "k" });
    expect(pair.client.session.superseded(0, "k")).toBe(id);
    pair.run(5000);
    expect(pair.server.messages.slice(1)).toEqual(["between", "behind"]);
    expect(fatesOf(pair.client)).toEqual([]);
    expect(pair.client.session.superseded(0, "k")).toBeUndefined();
    expectBaseline(pair);
  });

  it("are of the same channel only", () => {
    const pair = busyPair();
    const channel = pair.input(pair.client, (s, now) => s.openChannel("x", "normal", now));
    pair.input(pair.client, (s, now) => s.send(channel, { ...text("there"), key: "k" }, now));
    send(pair, text("here"), { key: "k" });
    expect(fatesOf(pair.client)).toEqual([]);
  });

  it("take over neither the time nor the bytes of the older one", () => {
    const pair = busyPair();
    const before = pair.client.session.bufferedBytes();
    send(pair, text("0123456789"), { key: "k", ttl: 100 });
    send(pair, text("01234"), { key: "k" });
    expect(pair.client.session.bufferedBytes()).toBe(before + 5);
    pair.run(5000);
    expect(pair.server.messages.slice(1)).toEqual(["01234"]);
    expectBaseline(pair);
  });

  it("leave no key behind, whatever becomes of the message", () => {
    const pair = busyPair();
    send(pair, text("a"), { key: "expires", ttl: 10 });
    const id = send(pair, text("b"), { key: "cancelled" });
    pair.input(pair.client, (s, now) => s.cancel(id, now));
    send(pair, text("c"), { key: "delivered" });
    pair.run(5000);
    for (const key of ["expires", "cancelled", "delivered"]) {
      expect(pair.client.session.superseded(0, key)).toBeUndefined();
    }
    send(pair, text("d"), { key: "expires" });
    send(pair, text("e"), { key: "cancelled" });
    pair.run(1000);
    expect(pair.server.messages.slice(1)).toEqual(["c", "d", "e"]);
    expectBaseline(pair);
  });

  it("ask the new source at the head of the queue, and ignore what the old one gives", () => {
    const pair = new Pair().connect().run(200);
    const old = send(pair, source(10), { key: "k" });
    const next = send(pair, source(20), { key: "k" });
    expect(pair.client.of("pull").map(({ message }) => message)).toEqual([old, next]);
    pair.input(pair.client, (s, now) => s.supply(old, new Uint8Array(10), true, now));
    pair.input(pair.client, (s, now) => s.supply(next, new Uint8Array(20), true, now));
    pair.run(200);
    expect(pair.server.messages.map(({ length }) => length)).toEqual([20]);
    expectBaseline(pair);
  });

  it("change nothing when they are refused", () => {
    const pair = busyPair();
    const id = send(pair, text("old"), { key: "k" });
    const huge = binary(17 * 1024 * 1024);
    expect(() => pair.client.session.send(0, { ...huge, key: "k" }, pair.now)).toThrow(
      expect.objectContaining({ code: "ERR_MESSAGE_TOO_LARGE" }),
    );
    expect([fatesOf(pair.client), pair.client.session.superseded(0, "k")]).toEqual([[], id]);
  });
});
