import { DEFAULT_LIMITS } from "../../src/core/limits.js";
import { AckPolicy } from "../../src/core/receive/ack-policy.js";
import { BatchOrder } from "../../src/core/receive/batch-order.js";
import { Outbound, wholeBytesOf } from "../../src/core/send/outbound.js";
import { Sender } from "../../src/core/send/sender.js";
import type { Millis } from "../../src/core/time.js";
import { BatchReader } from "../../src/core/wire/decode.js";
import type { AckFrame } from "../../src/core/wire/frame.js";
import { Agenda, Bottleneck, type BottleneckOptions } from "./bottleneck.js";
import { Posts } from "./posts.js";

/** Between two small messages, and between two samples of what is going on. */
const LINE_MS = 100;
const SAMPLE_MS = 10;

/** The upload is channel 1 and low, the small messages are on the default one. */
const UPLOAD = 1;

export interface WindowRunOptions extends BottleneckOptions {
  readonly seconds: number;
  /** What the upload is; default: more than the line could carry. */
  readonly uploadBytes?: number;
  /** How much later than the line would bring it an ack may come, at random. What is sent first comes first. */
  readonly ackJitterMs?: Millis;
  /** Acks go in requests, one at a time. */
  readonly ackRequests?: boolean;
  /** What the receiver takes the round trip for, by which it spaces them. Default: what it is. */
  readonly ackRoundTripMs?: Millis;
  /** Batches go in POSTs, so many at a time. */
  readonly postsMax?: 1 | 2;
  /** The receiver does nothing until then. Default: it is always there. */
  readonly stalledUntil?: (at: Millis) => Millis;
}

export interface WindowSample {
  readonly at: Millis;
  readonly windowBytes: number;
  readonly inFlightBytes: number;
  /** What waits before the line. */
  readonly queueMs: Millis;
  /** Bytes of ours, and of the rival, that have come through. */
  readonly receivedBytes: number;
  readonly rivalBytes: number;
}

export interface WindowRun {
  readonly samples: readonly WindowSample[];
  /** When the upload was done; `undefined` if it was not. */
  readonly doneAt: Millis | undefined;
  /** Bytes in a part of the time, as a share of what a line of `mbit` carries. */
  readonly share: (mbit: number, fromMs: Millis, untilMs: Millis) => number;
  readonly rivalShare: (mbit: number, fromMs: Millis, untilMs: Millis) => number;
  /** Segments of ours that found the queue full. */
  readonly losses: number;
  /** One-way times of the small messages that were sent in a part of the time, the shortest first. */
  readonly waits: (fromMs?: Millis, untilMs?: Millis) => Millis[];
}

/** An upload, and 30 bytes each 100 ms beside it: the sending half of the engine, a line, and the acks of the other end. */
export function runWindow(options: WindowRunOptions): WindowRun {
  const { seconds, roundTripMs, ackJitterMs = 0, ackRequests = false, stalledUntil = (at) => at } = options;
  const agenda = new Agenda();
  const line = new Bottleneck(agenda, options);
  const sender = new Sender({ chunkBytes: DEFAULT_LIMITS.chunkBytes }, () => {});
  const outbound = new Outbound(sender, DEFAULT_LIMITS);
  const order = new BatchOrder();
  const acks = new AckPolicy(order, () => options.ackRoundTripMs ?? roundTripMs);
  acks.handleCost(ackRequests || options.ackRoundTripMs !== undefined);
  outbound.handleRequests(ackRequests ? "acks" : options.postsMax ? "posts" : "none");
  const samples: WindowSample[] = [];
  const sentAt: Millis[] = [];
  const waits: { readonly sentAt: Millis; readonly waitedMs: Millis }[] = [];
  let lastAckAt = 0;
  let requestUntil = 0;
  let uploadedBytes = 0;
  let doneAt: Millis | undefined;
  let random = 1;

  const leave = (bytes: number, arrived: () => void) => line.send(bytes, arrived);
  const posts = options.postsMax
    ? new Posts(
        agenda,
        options.postsMax,
        roundTripMs,
        () => outbound.requestBytes,
        leave,
        () => poll(),
      )
    : undefined;
  const poll = (): void => {
    const space = {
      batchBytesMax: outbound.chunkBytes,
      wholeBytesMax: wholeBytesOf(outbound.chunkBytes),
      allowanceBytes: Number.POSITIVE_INFINITY,
      budgetBytes: 1,
      overdraftBytes: 0,
    };
    for (;;) {
      const sent = outbound.pollBatch(
        {
          ...space,
          batchBytesMax: outbound.chunkBytes,
          wholeBytesMax: wholeBytesOf(outbound.chunkBytes),
          budgetBytes: posts?.isBusy === true ? 0 : 1,
        },
        undefined,
        agenda.now,
      );
      if (sent === undefined) break;
      const { batch } = sent;
      (posts ?? line).send(batch.length, () => agenda.at(stalledUntil(agenda.now), () => receive(batch)));
    }
    if (outbound.nextDeadline !== undefined) agenda.at(outbound.nextDeadline, poll);
  };
  const sendAck = (): void => {
    if (!acks.isDue(agenda.now)) return;
    if (agenda.now < requestUntil) return agenda.at(requestUntil, sendAck);
    // Its answer comes behind what stands in the line.
    if (ackRequests) requestUntil = agenda.now + roundTripMs + line.queueMs;
    const ack = acks.peek(agenda.now) as AckFrame;
    acks.handleSent(agenda.now);
    random = (Math.imul(random, 1103515245) + 12345) >>> 0;
    lastAckAt = Math.max(lastAckAt, agenda.now + roundTripMs / 2 + (ackJitterMs * random) / 2 ** 32);
    agenda.at(lastAckAt, () => {
      outbound.handleAck(ack, agenda.now);
      poll();
    });
  };
  const receive = (batch: Uint8Array): void => {
    const reader = new BatchReader(batch);
    order.accept(reader.number, batch.length, agenda.now);
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
      if (frame.type !== "chunk") continue;
      if (frame.channel === UPLOAD) {
        uploadedBytes += frame.payload.length;
        if (uploadedBytes === options.uploadBytes) doneAt = agenda.now;
      } else {
        const from = sentAt[waits.length] as Millis;
        waits.push({ sentAt: from, waitedMs: agenda.now - from });
      }
    }
    acks.handleBatch(batch.length, agenda.now);
    sendAck();
    const { nextDeadline } = acks;
    if (nextDeadline !== undefined) agenda.at(nextDeadline, sendAck);
  };

  sender.addChannel(UPLOAD, "low");
  sender.announce(UPLOAD, Uint8Array.of(97));
  for (const channel of [0, UPLOAD]) sender.handleCredit(channel, Number.POSITIVE_INFINITY);
  const chunk = new Uint8Array(options.uploadBytes ?? 1_000_000);
  const upload = () =>
    sender.send(UPLOAD, { text: false, totalBytes: chunk.length, wantsProgress: false, bytes: chunk });
  upload();
  for (let at = 0; at < seconds * 1000; at += LINE_MS) {
    agenda.at(at, () => {
      sentAt.push(at);
      const bytes = new Uint8Array(30);
      sender.send(0, { text: true, totalBytes: bytes.length, wantsProgress: false, bytes });
      poll();
    });
  }
  for (let at = 0; at <= seconds * 1000; at += SAMPLE_MS) {
    agenda.at(at, () => {
      // An upload without an end.
      while (options.uploadBytes === undefined && sender.bufferedBytes(UPLOAD) < 40_000_000) upload();
      const { windowBytes, inFlightBytes } = outbound;
      const { queueMs, rivalBytes } = line;
      samples.push({ at, windowBytes, inFlightBytes, queueMs, receivedBytes: order.bytes, rivalBytes });
      poll();
    });
  }
  agenda.runUntil(seconds * 1000 + 2000);
  const at = (ms: Millis) => samples[Math.round(ms / SAMPLE_MS)] as WindowSample;
  const share = (key: "receivedBytes" | "rivalBytes") => (mbit: number, fromMs: Millis, untilMs: Millis) =>
    (at(untilMs)[key] - at(fromMs)[key]) / (mbit * 125 * (untilMs - fromMs));
  return {
    samples,
    doneAt,
    share: share("receivedBytes"),
    rivalShare: share("rivalBytes"),
    losses: line.losses,
    waits: (fromMs = 0, untilMs = Number.POSITIVE_INFINITY) =>
      waits
        .filter((wait) => wait.sentAt >= fromMs && wait.sentAt < untilMs)
        .map(({ waitedMs }) => waitedMs)
        .sort((a, b) => a - b),
  };
}
