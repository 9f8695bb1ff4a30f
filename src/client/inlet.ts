import type { ChannelKey } from "../core/send/send-channel.js";
import type { Host } from "../driver/host.js";
import { type Arrival, Inlet, type InletTarget } from "../driver/inlet.js";
import type { StreamedMessage } from "../driver/streamed-message.js";
import { dataOf, type SluiceBinaryType } from "./incoming.js";
import { bodyPlatform, readableOf } from "./platform.js";
import type { TaskQueue } from "./task-queue.js";

/** What a message is to the application: text, or what the binary type makes of bytes. */
export type MessageData = string | Blob | ArrayBuffer;

/** A message as it comes: see `incoming`. */
export type IncomingMessage = StreamedMessage<ReadableStream<Uint8Array>, Blob>;

export type ClientInlet = Inlet<MessageData, ReadableStream<MessageData>, ReadableStream<Uint8Array>, Blob>;

export interface ClientInletInit {
  readonly tasks: TaskQueue;
  readonly encodeUtf8: Host["encodeUtf8"];
  /** Whether listeners hear what comes after `close()`. */
  readonly isHeardClosing: boolean;
  readonly binaryType: () => SluiceBinaryType;
  readonly dispatch: (data: MessageData) => void;
}

/** The part of a conversation that an inlet is fed from. */
export interface Feed {
  receive(channel: ChannelKey, mode: "messages" | "incoming"): void;
  take(channel: ChannelKey, cost: number): void;
}

/** The receiving side of a socket or channel: `message` events come one by one, as `TaskQueue` says. */
export function clientInlet(init: ClientInletInit, target: InletTarget): ClientInlet {
  const { tasks, encodeUtf8, isHeardClosing, binaryType, dispatch } = init;
  const platform = {
    // Events come from the event loop anyway.
    defer: (run: () => void) => run(),
    encodeUtf8,
    streamOf: readableOf<MessageData>,
    bodies: bodyPlatform,
  };
  const inletInit = {
    dispatch: ({ data }: Arrival) => dispatch(dataOf(data, binaryType())),
    toValue: ({ data }: Arrival) => dataOf(data, binaryType()),
    schedule: (run: () => void) => tasks.push(run),
    isHeardClosing,
  };
  return new Inlet(platform, inletInit, target);
}

/** A channel of one session; the next one may give its key to another. */
export function targetOf(feed: Feed, channel: ChannelKey): InletTarget {
  return {
    receive: (mode) => feed.receive(channel, mode),
    take: (cost) => feed.take(channel, cost),
  };
}
