import type { Blob } from "node:buffer";
import type { ReadableStream } from "node:stream/web";
import { type Arrival, Inlet, type InletTarget } from "../driver/inlet.js";
import type { StreamedMessage } from "../driver/streamed-message.js";
import { bodyPlatform, bufferOf, callSafely, nodeHost, readableOf } from "./platform.js";

/** What iteration and `readable` give: a string for text, and a Buffer, or what `binaryType` asks for, for the rest. */
export type ServerMessageData = string | Buffer;

/** A message as it comes: see `incoming`. */
export type ServerIncomingMessage = StreamedMessage<ReadableStream<Uint8Array>, Blob>;

export type ServerInlet = Inlet<ServerMessageData, ReadableStream<ServerMessageData>, ReadableStream<Uint8Array>, Blob>;

export interface ServerInletInit {
  readonly emit: (data: Buffer, isBinary: boolean) => void;
  /** What a binary message is given as. */
  readonly binaryOf: (data: Buffer) => Buffer;
}

const PLATFORM = {
  defer: nodeHost.defer,
  encodeUtf8: nodeHost.encodeUtf8,
  streamOf: readableOf<ServerMessageData>,
  bodies: bodyPlatform,
};

const atOnce = (run: () => void): void => run();

/** The receiving side of a socket or channel: `message` events come at once, and have been taken when they are over. */
export function serverInlet({ emit, binaryOf }: ServerInletInit, target: InletTarget): ServerInlet {
  const init = {
    // Text as well is bytes: the host of this side leaves it so.
    dispatch: ({ text, data }: Arrival) => callSafely(() => emit(bufferOf(data as Uint8Array), !text)),
    toValue: ({ text, data }: Arrival) => {
      const buffer = bufferOf(data as Uint8Array);
      return text ? buffer.toString() : binaryOf(buffer);
    },
    schedule: atOnce,
    isHeardClosing: true,
  };
  return new Inlet(PLATFORM, init, target);
}
