import { describe, expect, it } from "vitest";
import { SluiceError } from "../../src/core/error.js";
import type { Limits } from "../../src/core/limits.js";
import { failNeverWritten, type Losses, neverWritten, Outbox } from "../../src/driver/outbox.js";
import { type Payload, PendingMessage, type SendOptions, type SendProgress } from "../../src/driver/pending-message.js";
import type { Receipt } from "../../src/driver/receipt.js";
import { DrivenPair } from "../support/driven-pair.js";
import { reactions } from "../support/event-loop.js";
import { FakeSource } from "../support/fake-source.js";
import { file, say } from "../support/talk.js";

const SLAB_BYTES = 256 * 1024;
const MIB = 1024 * 1024;

/** A pair whose client sends through an outbox. */
function outboxPair(limits: { client?: Partial<Limits>; server?: Partial<Limits> } = {}) {
  const pair = new DrivenPair(limits);
  const outbox = new Outbox(pair.client.driver, pair.host);
  pair.client.react = (event) => {
    if ("message" in event) outbox.handle(event);
  };
  return { pair, outbox };
}

function post(outbox: Outbox, channel: number, payload: Payload, options: SendOptions, now = 0): Receipt {
  const message = new PendingMessage(payload, options, now);
  outbox.send(channel, message);
  return message.receipt;
}

/** The session ends, and takes its lines along. */
function end(pair: DrivenPair): void {
  const error = new SluiceError("ERR_SESSION_LOST", "lost");
  pair.client.driver.input((session, now) => session.abort(1000, "", error, now));
}

const receiptsOf = ({ neverWritten: lost }: Losses) => lost.map(({ message }) => message.receipt);

const failure = (code: string) => expect.objectContaining({ code });

/** A signal that tells how many listen to it. */
class CountingSignal {
  readonly #controller = new AbortController();
  listeners = 0;

  get aborted(): boolean {
    return this.#controller.signal.aborted;
  }

  addEventListener(type: "abort", listener: () => void): void {
    this.listeners += 1;
    this.#controller.signal.addEventListener(type, listener);
  }

  removeEventListener(type: "abort", listener: () => void): void {
    this.listeners -= 1;
    this.#controller.signal.removeEventListener(type, listener);
  }

  abort(): void {
    this.#controller.abort();
  }
}

describe("Outbox: receipts", () => {
  it("follow a message that is delivered", async () => {
    const { pair, outbox } = outboxPair();
    pair.connect();
    const receipt = post(outbox, 0, say("hello"), {});
    expect(receipt.state).toBe("queued");
    pair.settle();
    expect(receipt.state).toBe("writing");
    await receipt.written;
    pair.run(20);
    expect(receipt.state).toBe("delivered");
    await receipt.delivered;
    expect(outbox.size).toBe(0);
  });

  it("are writing from the first piece of a large message on", async () => {
    const { pair, outbox } = outboxPair();
    pair.connect();
    const receipt = post(outbox, 0, file(MIB), {});
    pair.host.endTask();
    expect(receipt.state).toBe("writing");
    pair.run(1000);
    expect(receipt.state).toBe("delivered");
    expect(pair.server.messages).toHaveLength(1);
  });

  it("say unknown as the session ends when some of the message had left; the rest waits for whoever takes it", async () => {
    const { pair, outbox } = outboxPair();
    pair.connect();
    const left = post(outbox, 0, file(MIB), {});
    const waits = ["a", "b"].map((value) => post(outbox, 0, say(value), {}));
    pair.host.endTask();
    end(pair);
    expect([left, ...waits].map(({ state }) => state)).toEqual(["unknown", "queued", "queued"]);
    await expect(left.delivered).rejects.toEqual(failure("ERR_DELIVERY_UNKNOWN"));
    const losses = outbox.handleEnd();
    expect(losses.unknown).toEqual([left]);
    expect(receiptsOf(losses)).toEqual(waits);
    expect(losses.neverWritten.map(({ channel }) => channel)).toEqual([0, 0]);
    expect(outbox.size).toBe(0);
    expect(receiptsOf(outbox.handleEnd())).toEqual([]);
  });

  it("say never-written when there is nobody to take it", async () => {
    const { pair, outbox } = outboxPair();
    const receipt = post(outbox, 0, say("a"), {});
    end(pair);
    failNeverWritten(outbox.handleEnd().neverWritten);
    expect(receipt.state).toBe("never-written");
    await expect(receipt.delivered).rejects.toEqual(failure("ERR_NEVER_WRITTEN"));
    await expect(receipt.written).rejects.toEqual(failure("ERR_NEVER_WRITTEN"));
    expect(neverWritten()).toMatchObject({ code: "ERR_NEVER_WRITTEN", retryable: false });
  });

  it("name unknown ones in the order of `send`", () => {
    const { pair, outbox } = outboxPair();
    pair.connect();
    const receipts = ["a", "b", "c"].map((value) => post(outbox, 0, say(value), {}));
    pair.host.endTask();
    end(pair);
    expect(outbox.handleEnd().unknown).toEqual(receipts);
  });

  it("outlive the line: what was on it is delivered over the next one", () => {
    const { pair, outbox } = outboxPair();
    pair.connect();
    const receipts = [post(outbox, 0, file(MIB), {}), post(outbox, 0, say("behind it"), {})];
    pair.host.endTask();
    pair.lines.cut();
    expect(receipts.map(({ state }) => state)).toEqual(["writing", "queued"]);
    pair.run(1000);
    expect(receipts.map(({ state }) => state)).toEqual(["delivered", "delivered"]);
    expect(pair.server.messages.map((data) => data.length)).toEqual([MIB, 9]);
    expect(outbox.size).toBe(0);
  });

  it("say never-written when the peer turns out to take no message of that size", async () => {
    const { pair, outbox } = outboxPair({ server: { messageBytesMax: 1000 } });
    const receipt = post(outbox, 0, file(1001), {});
    const fits = post(outbox, 0, file(1000), {});
    pair.connect().run(20);
    expect([receipt.state, fits.state]).toEqual(["never-written", "delivered"]);
    await expect(receipt.delivered).rejects.toEqual(failure("ERR_MESSAGE_TOO_LARGE"));
    expect(outbox.size).toBe(0);
  });

  it("are not made for what the session refuses", () => {
    const { pair, outbox } = outboxPair({ client: { messageBytesMax: 1000 } });
    pair.connect();
    const signal = new CountingSignal();
    expect(() => post(outbox, 0, file(1001), { signal })).toThrow(failure("ERR_MESSAGE_TOO_LARGE"));
    expect(outbox.size).toBe(0);
    expect(signal.listeners).toBe(0);
  });

  it("leave no rejection behind that nobody asked for", async () => {
    const unhandled: unknown[] = [];
    const onUnhandled = (reason: unknown) => unhandled.push(reason);
    process.on("unhandledRejection", onUnhandled);
    const { pair, outbox } = outboxPair();
    pair.connect();
    post(outbox, 0, file(MIB), {});
    post(outbox, 0, say("a"), {});
    post(outbox, 0, say("b"), {}).cancel();
    pair.host.endTask();
    end(pair);
    failNeverWritten(outbox.handleEnd().neverWritten);
    await reactions();
    process.off("unhandledRejection", onUnhandled);
    expect(unhandled).toEqual([]);
  });

  it("end also when a defect has ended the session", async () => {
    const { pair, outbox } = outboxPair();
    pair.connect();
    const signal = new CountingSignal();
    const receipt = post(outbox, 0, say("a"), { signal });
    pair.host.stepBack(500);
    pair.client.driver.input((session, now) => session.handleDeadline(now));
    outbox.handleEnd();
    expect(receipt.state).toBe("unknown");
    await expect(receipt.delivered).rejects.toEqual(failure("ERR_DELIVERY_UNKNOWN"));
    expect(outbox.size).toBe(0);
    expect(signal.listeners).toBe(0);
    expect(pair.host.reports).toEqual([failure("ERR_INTERNAL")]);
  });
});

describe("Outbox: taking back", () => {
  it("takes back what waits", async () => {
    const { pair, outbox } = outboxPair();
    pair.connect();
    const receipts = ["a", "b", "c"].map((value) => post(outbox, 0, say(value), {}));
    expect(receipts[1]?.cancel()).toBe(true);
    pair.run(20);
    expect(pair.server.messages).toEqual(["a", "c"]);
    expect(receipts.map(({ state }) => state)).toEqual(["delivered", "cancelled", "delivered"]);
    await expect(receipts[1]?.delivered).rejects.toEqual(failure("ERR_CANCELLED"));
  });

  it("takes back a message in its middle, and the channel goes on", () => {
    const { pair, outbox } = outboxPair();
    pair.connect();
    const large = post(outbox, 0, file(MIB), {});
    const next = post(outbox, 0, say("next"), {});
    pair.host.endTask();
    expect(large.state).toBe("writing");
    expect(large.cancel()).toBe(true);
    pair.run(100);
    expect(pair.server.messages).toEqual(["next"]);
    expect([large.state, next.state]).toEqual(["cancelled", "delivered"]);
    expect(pair.client.driver.session.bufferedBytes()).toBe(0);
  });

  it("cannot take back what its session has given up: that is for whoever takes it over", () => {
    const { pair, outbox } = outboxPair();
    const receipt = post(outbox, 0, say("a"), {});
    end(pair);
    expect([receipt.cancel(), receipt.state]).toEqual([false, "queued"]);
    expect(receiptsOf(outbox.handleEnd())).toEqual([receipt]);
  });

  it("cannot take back what has left, nor what has ended", () => {
    const { pair, outbox } = outboxPair();
    pair.connect();
    const receipt = post(outbox, 0, say("a"), {});
    pair.settle();
    expect(receipt.cancel()).toBe(false);
    pair.run(20);
    expect(receipt.cancel()).toBe(false);
    expect(receipt.state).toBe("delivered");
    const other = post(outbox, 0, say("b"), {});
    expect([other.cancel(), other.cancel()]).toEqual([true, false]);
    pair.settle();
    expect([other.state, other.cancel()]).toEqual(["cancelled", false]);
  });

  it.each([
    ["before anything has left", () => {}, []],
    ["in the middle", ({ host }: DrivenPair) => host.endTask(), []],
  ])("follows a signal that is aborted %s", (_, before, messages) => {
    const { pair, outbox } = outboxPair();
    pair.connect();
    const signal = new CountingSignal();
    const receipt = post(outbox, 0, file(MIB), { signal });
    before(pair);
    expect(signal.listeners).toBe(1);
    signal.abort();
    pair.run(100);
    expect(receipt.state).toBe("cancelled");
    expect(pair.server.messages).toEqual(messages);
    expect(signal.listeners).toBe(0);
    expect(outbox.size).toBe(0);
  });

  it("does not listen to a signal any longer than the message lives, whatever its end", () => {
    const { pair, outbox } = outboxPair();
    pair.connect();
    const signal = new CountingSignal();
    const delivered = post(outbox, 0, say("a"), { signal });
    pair.run(20);
    expect(signal.listeners).toBe(0);
    signal.abort();
    pair.settle();
    expect(delivered.state).toBe("delivered");

    const other = new CountingSignal();
    post(outbox, 0, say("b"), { signal: other });
    pair.host.endTask();
    end(pair);
    expect(other.listeners).toBe(0);
  });

  it("takes a platform's AbortSignal", () => {
    const { pair, outbox } = outboxPair();
    pair.connect();
    const controller = new AbortController();
    const receipt = post(outbox, 0, say("a"), { signal: controller.signal });
    controller.abort();
    pair.settle();
    expect(receipt.state).toBe("cancelled");
  });
});

describe("Outbox: progress", () => {
  it("tells of bytes that the peer has acknowledged, up to all of them", () => {
    const { pair, outbox } = outboxPair();
    pair.connect();
    const seen: SendProgress[] = [];
    post(outbox, 0, file(MIB), { onprogress: (progress) => seen.push(progress) });
    pair.run(1000);
    expect(seen.length).toBeGreaterThan(10);
    expect(seen.map(({ total }) => total)).toEqual(seen.map(() => MIB));
    const loaded = seen.map((progress) => progress.loaded);
    expect(loaded).toEqual([...loaded].sort((a, b) => a - b));
    expect(loaded[0]).toBeGreaterThan(0);
    expect(loaded.at(-1)).toBe(MIB);
  });

  it("reports what the callback throws, and sends on", () => {
    const { pair, outbox } = outboxPair();
    pair.connect();
    const error = new Error("thrown by the application");
    const receipt = post(outbox, 0, say("a"), {
      onprogress: () => {
        throw error;
      },
    });
    pair.run(20);
    expect(pair.host.reports).toEqual([error]);
    expect(receipt.state).toBe("delivered");
  });
});

describe("Outbox: sources", () => {
  const from = (source: FakeSource): Payload => ({ type: "source", source });

  /** Answers every read, one after the other, until the file is through. */
  async function serve(pair: DrivenPair, source: FakeSource): Promise<void> {
    for (pair.run(50); source.pendingReads > 0; pair.run(50)) await source.answer();
  }

  it("are read in slabs, in order, each byte once", async () => {
    const { pair, outbox } = outboxPair();
    pair.connect();
    const source = new FakeSource(SLAB_BYTES * 3 + 100);
    const receipt = post(outbox, 0, from(source), {});
    await serve(pair, source);
    expect(source.reads.map(({ offset, size }) => [offset, size])).toEqual([
      [0, SLAB_BYTES],
      [SLAB_BYTES, SLAB_BYTES],
      [SLAB_BYTES * 2, SLAB_BYTES],
      [SLAB_BYTES * 3, 100],
    ]);
    expect(receipt.state).toBe("delivered");
    expect(pair.server.messages).toHaveLength(1);
    expect(Buffer.compare(pair.server.messages[0] as Uint8Array, source.bytes)).toBe(0);
  });

  it.each([1, SLAB_BYTES - 1, SLAB_BYTES, SLAB_BYTES + 1])("of %i bytes arrive whole", async (size) => {
    const { pair, outbox } = outboxPair();
    pair.connect();
    const source = new FakeSource(size);
    post(outbox, 0, from(source), {});
    await serve(pair, source);
    expect(Buffer.compare(pair.server.messages[0] as Uint8Array, source.bytes)).toBe(0);
    expect(outbox.size).toBe(0);
  });

  it("that are empty are never read", () => {
    const { pair, outbox } = outboxPair();
    pair.connect();
    const source = new FakeSource(0);
    const receipt = post(outbox, 0, from(source), {});
    pair.run(50);
    expect(source.reads).toEqual([]);
    expect(receipt.state).toBe("delivered");
    expect(pair.server.messages).toEqual([new Uint8Array(0)]);
  });

  it("are read no further ahead than two slabs, however fast they are", async () => {
    const { pair, outbox } = outboxPair();
    pair.connect();
    const source = new FakeSource(8 * MIB);
    post(outbox, 0, from(source), {});
    pair.host.endTask();
    // Nothing is delivered: the line is stuck, and the reads are answered at once.
    for (let i = 0; i < 10 && source.pendingReads > 0; i++) {
      await source.answer();
      pair.host.endTask();
    }
    expect(source.pendingReads).toBe(0);
    expect(source.reads.length).toBeLessThanOrEqual(2);
    expect(pair.client.driver.session.stats.queuedBytes).toBeLessThanOrEqual(2 * SLAB_BYTES);
    let most = 0;
    for (let moves = true; moves || source.pendingReads > 0; ) {
      moves = pair.client.transport.deliver() || pair.server.transport.deliver();
      if (source.pendingReads > 0) await source.answer();
      pair.host.advance(20);
      most = Math.max(most, pair.client.driver.session.stats.queuedBytes);
    }
    expect(most).toBeLessThanOrEqual(2 * SLAB_BYTES);
    expect(pair.server.messages).toHaveLength(1);
  });

  it("are read for the head of the queue only", async () => {
    const { pair, outbox } = outboxPair();
    pair.connect();
    const [first, second] = [new FakeSource(1000), new FakeSource(1000)];
    post(outbox, 0, from(first), {});
    post(outbox, 0, from(second), {});
    pair.settle();
    expect([first.pendingReads, second.pendingReads]).toEqual([1, 0]);
    await first.answer();
    pair.settle();
    expect(second.pendingReads).toBe(1);
    await second.answer();
    pair.run(20);
    expect(pair.server.messages).toEqual([first.bytes, second.bytes]);
  });

  it.each([
    ["fails at once", 0],
    ["fails in its middle", 2],
  ])("that %s take their message back, with the cause, and others go on", async (_, readsBefore) => {
    const { pair, outbox } = outboxPair();
    pair.connect();
    const source = new FakeSource(MIB);
    const receipt = post(outbox, 0, from(source), {});
    const next = post(outbox, 0, say("next"), {});
    for (let i = 0; i < readsBefore; i++) {
      pair.run(50);
      await source.answer();
    }
    pair.run(50);
    const cause = new Error("the file has changed");
    await source.fail(cause);
    pair.run(50);
    expect(receipt.state).toBe("cancelled");
    await expect(receipt.delivered).rejects.toMatchObject({ code: "ERR_SOURCE_FAILED", cause });
    expect(next.state).toBe("delivered");
    expect(pair.server.messages).toEqual(["next"]);
    expect(outbox.size).toBe(0);
  });

  it.each([
    ["less", SLAB_BYTES - 1],
    ["nothing", 0],
    ["more", SLAB_BYTES + 1],
  ])("that give %s than they were asked for have failed", async (_, size) => {
    const { pair, outbox } = outboxPair();
    pair.connect();
    const source = new FakeSource(MIB);
    const receipt = post(outbox, 0, from(source), {});
    pair.settle();
    await source.answer(new Uint8Array(size));
    pair.settle();
    await expect(receipt.delivered).rejects.toMatchObject({
      code: "ERR_SOURCE_FAILED",
      cause: expect.objectContaining({ message: expect.stringContaining(`${size} bytes`) }),
    });
    expect(pair.host.reports).toEqual([]);
  });

  it("whose message has ended meanwhile are read no further, and their late answer does no harm", async () => {
    const { pair, outbox } = outboxPair();
    pair.connect();
    const sources = [new FakeSource(MIB), new FakeSource(MIB)] as const;
    const [kept, failed] = sources.map((source) => post(outbox, 0, from(source), {}));
    pair.settle();
    expect(kept?.cancel()).toBe(true);
    pair.settle();
    await sources[0].answer();
    end(pair);
    const losses = outbox.handleEnd();
    await sources[1].fail(new Error("too late"));
    expect([kept?.state, failed?.state]).toEqual(["cancelled", "queued"]);
    expect(receiptsOf(losses)).toEqual([failed]);
    expect(sources.map(({ reads }) => reads.length)).toEqual([1, 1]);
    expect(pair.host.reports).toEqual([]);
  });
});

describe("Outbox: messages that perish, or are replaced", () => {
  it("end as expired, on time", async () => {
    const { pair, outbox } = outboxPair();
    const receipt = post(outbox, 0, say("late"), { ttl: 500 }, pair.host.now());
    pair.run(499);
    expect(receipt.state).toBe("queued");
    pair.run(1);
    expect([receipt.state, outbox.size]).toEqual(["expired", 0]);
    await expect(receipt.written).rejects.toEqual(failure("ERR_EXPIRED"));
    await expect(receipt.delivered).rejects.toEqual(failure("ERR_EXPIRED"));
    expect(receipt.cancel()).toBe(false);
  });

  it("end as superseded before `send` returns, once", async () => {
    const { pair, outbox } = outboxPair();
    const old = new PendingMessage(say("old"), { key: "k" }, 0);
    outbox.send(0, old);
    expect([outbox.superseded(0, "k"), outbox.superseded(0, "x"), outbox.superseded(0, undefined)]).toEqual([
      old,
      undefined,
      undefined,
    ]);
    const receipt = post(outbox, 0, say("new"), { key: "k" });
    expect([old.state, outbox.size]).toEqual(["cancelled", 1]);
    await expect(old.receipt.delivered).rejects.toEqual(failure("ERR_SUPERSEDED"));
    pair.connect();
    pair.run(100);
    expect([receipt.state, old.state]).toEqual(["delivered", "cancelled"]);
    expect(pair.server.messages).toEqual(["new"]);
  });

  it("leave a source alone whose message has been replaced", async () => {
    const { pair, outbox } = outboxPair();
    pair.connect();
    const source = new FakeSource(1000);
    post(outbox, 0, { type: "source", source }, { key: "k" });
    post(outbox, 0, say("new"), { key: "k" });
    await reactions();
    pair.run(100);
    expect(pair.server.messages).toEqual(["new"]);
  });
});
