import { describe, expect, it } from "vitest";
import type { Limits } from "../../src/core/limits.js";
import { Outbox } from "../../src/driver/outbox.js";
import { PendingMessage, type SendOptions, type SendProgress } from "../../src/driver/pending-message.js";
import { StreamSource } from "../../src/driver/stream-source.js";
import { DrivenPair } from "../support/driven-pair.js";
import { reactions } from "../support/event-loop.js";
import { say } from "../support/talk.js";

const KIB = 1024;
const failure = (code: string) => expect.objectContaining({ code });

function outboxPair(limits: { client?: Partial<Limits>; server?: Partial<Limits> } = {}) {
  const pair = new DrivenPair(limits);
  const outbox = new Outbox(pair.client.driver, pair.host);
  pair.client.react = (event) => {
    if ("message" in event) outbox.handle(event);
  };
  return { pair, outbox };
}

/** `count` pieces of 64 KiB, each full of its own number, made when they are asked for. */
function endless(count = Number.POSITIVE_INFINITY) {
  const seen = { made: 0, cancelled: undefined as unknown };
  const stream = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (seen.made === count) return controller.close();
        controller.enqueue(new Uint8Array(64 * KIB).fill(seen.made));
        seen.made += 1;
      },
      cancel(reason) {
        seen.cancelled = reason;
      },
    },
    { highWaterMark: 0 },
  );
  return { stream, seen };
}

function post(outbox: Outbox, stream: ReadableStream<Uint8Array>, options: SendOptions = {}) {
  const message = new PendingMessage({ type: "source", source: new StreamSource(stream) }, options, 0);
  outbox.send(0, message);
  return message.receipt;
}

/** Time passes, and promises get their turn in between. */
async function run(pair: DrivenPair, turns = 40): Promise<void> {
  for (let turn = 0; turn < turns; turn++) {
    pair.run(20);
    await reactions();
  }
}

describe("Outbox: streams", () => {
  it("are one message, whose length only the end tells", async () => {
    const { pair, outbox } = outboxPair();
    pair.connect();
    const progress: SendProgress[] = [];
    const receipt = post(outbox, endless(20).stream, { onprogress: (step) => progress.push(step) });
    await run(pair);
    expect(receipt.state).toBe("delivered");
    expect(pair.server.messages).toHaveLength(1);
    const [data] = pair.server.messages as Uint8Array[];
    expect(data).toHaveLength(20 * 64 * KIB);
    expect(data?.filter((_, index) => index % (64 * KIB) === 0)).toEqual(Uint8Array.from({ length: 20 }, (_, i) => i));
    expect(progress.at(-1)).toEqual({ loaded: 20 * 64 * KIB, total: undefined });
    expect(progress.length).toBeGreaterThan(5);
    expect(outbox.size).toBe(0);
  });

  it("that are empty arrive empty", async () => {
    const { pair, outbox } = outboxPair();
    pair.connect();
    post(outbox, endless(0).stream);
    await run(pair, 3);
    expect(pair.server.messages).toEqual([new Uint8Array(0)]);
  });

  it("are read no further ahead than the line asks, and only at the head of their channel", async () => {
    const { pair, outbox } = outboxPair();
    const [first, second] = [endless(), endless()];
    post(outbox, first.stream);
    post(outbox, second.stream);
    await run(pair);
    expect(first.seen.made).toBeGreaterThan(0);
    expect(first.seen.made * 64 * KIB).toBeLessThanOrEqual(256 * KIB);
    expect(second.seen.made).toBe(0);
  });

  it("that fail end the message, with the cause, and the peer forgets what it has of it", async () => {
    const { pair, outbox } = outboxPair();
    pair.connect();
    const cause = new Error("gone");
    let pulls = 0;
    const stream = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulls += 1;
        if (pulls === 6) controller.error(cause);
        else controller.enqueue(new Uint8Array(64 * KIB));
      },
    });
    const receipt = post(outbox, stream);
    await run(pair);
    await expect(receipt.delivered).rejects.toEqual(expect.objectContaining({ code: "ERR_SOURCE_FAILED", cause }));
    expect(pair.server.driver.session.stats.reassemblyBytes).toBe(0);
    outbox.send(0, new PendingMessage(say("next"), {}, 0));
    await run(pair, 3);
    expect(pair.server.messages).toEqual(["next"]);
    expect(pair.host.reports).toEqual([]);
  });

  it("that give anything but bytes end the message, and are cancelled", async () => {
    const { pair, outbox } = outboxPair();
    pair.connect();
    let cancelled: unknown;
    const stream = new ReadableStream({
      start: (controller) => controller.enqueue("text"),
      cancel: (reason) => {
        cancelled = reason;
      },
    });
    const receipt = post(outbox, stream);
    await run(pair, 3);
    const failed = expect.objectContaining({ code: "ERR_SOURCE_FAILED", cause: expect.any(TypeError) });
    await expect(receipt.written).rejects.toEqual(failed);
    expect(cancelled).toEqual(failed);
  });

  it("are cancelled with their message, in its middle", async () => {
    const { pair, outbox } = outboxPair();
    pair.connect();
    const { stream, seen } = endless();
    const receipt = post(outbox, stream);
    for (let turn = 0; turn < 10 && receipt.state !== "writing"; turn++) await run(pair, 1);
    expect(receipt.state).toBe("writing");
    expect(receipt.cancel()).toBe(true);
    await run(pair, 3);
    expect(seen.cancelled).toEqual(failure("ERR_CANCELLED"));
    const { made } = seen;
    await run(pair, 10);
    expect(seen.made).toBe(made);
    expect(pair.server.driver.session.stats.reassemblyBytes).toBe(0);
  });

  it("may be longer than this end's limit, but not than what the peer takes: it says so, and the rest is not read", async () => {
    const { pair, outbox } = outboxPair({
      client: { messageBytesMax: 64 * KIB },
      server: { messageBytesMax: 512 * KIB },
    });
    pair.connect();
    const fits = post(outbox, endless(8).stream);
    await run(pair);
    expect(fits.state).toBe("delivered");
    const { stream, seen } = endless();
    const receipt = post(outbox, stream);
    await run(pair);
    await expect(receipt.delivered).rejects.toEqual(failure("ERR_MESSAGE_TOO_LARGE"));
    expect(seen.cancelled).toEqual(failure("ERR_MESSAGE_TOO_LARGE"));
    expect(seen.made * 64 * KIB).toBeLessThan(2048 * KIB);
    expect(pair.server.driver.session.stats.reassemblyBytes).toBe(0);
  });

  it("begin anew in the next session when nothing of them was read", async () => {
    const { pair, outbox } = outboxPair();
    const { stream, seen } = endless(6);
    const receipt = post(outbox, stream);
    await run(pair, 5);
    expect(seen.made).toBeGreaterThan(1);
    pair.client.driver.input((session, now) => session.abort(1000, "", failure("ERR_SESSION_LOST") as never, now));
    const [leftover] = outbox.handleEnd().neverWritten;
    const next = outboxPair();
    next.pair.connect();
    leftover?.message.requeue();
    next.outbox.send(0, leftover?.message as PendingMessage);
    await run(next.pair);
    expect(receipt.state).toBe("delivered");
    expect(next.pair.server.messages[0]).toHaveLength(6 * 64 * KIB);
  });
});
