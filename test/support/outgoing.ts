import { type OutgoingInit, OutgoingMessage } from "../../src/core/send/outgoing-message.js";
import { DEFAULT_CHANNEL, SendChannel } from "../../src/core/send/send-channel.js";
import type { Priority } from "../../src/core/wire/frame.js";
import { binary } from "./pair.js";

let lastId = 0;

export function messageOf(init: OutgoingInit): OutgoingMessage {
  lastId += 1;
  return new OutgoingMessage(lastId, new SendChannel(DEFAULT_CHANNEL, "normal"), init);
}

/** A message that is all there. */
export function wholeMessage(size: number): OutgoingMessage {
  return messageOf(binary(size));
}

/** A message of which nothing has been supplied yet. */
export function sourceMessage(totalBytes: number | undefined, text = false): OutgoingMessage {
  return messageOf({ text, totalBytes, wantsProgress: false });
}

/** A channel with that many messages of no meaning: to the scheduler only their number matters. */
export function backlogged(key: number, priority: Priority, messages = 1): SendChannel {
  const channel = new SendChannel(key, priority);
  channel.id = key;
  for (let i = 0; i < messages; i++) channel.messages.push(wholeMessage(1));
  return channel;
}
