import { SluiceError } from "../error.js";
import { CHANNEL_NAME_BYTES_MAX, type Limits } from "../limits.js";
import type { Ports } from "../ports.js";
import type { Inbound } from "../receive/inbound.js";
import { type ChannelKey, DEFAULT_CHANNEL } from "../send/send-channel.js";
import type { Sender } from "../send/sender.js";
import type { Priority, Violation } from "../wire/frame.js";
import { ChannelTable } from "./channel-table.js";
import type { SessionEvent } from "./events.js";

/**
 * The channels of a session (PROTOCOL.md, CHN). Each direction is opened and ended by its sender, under a wire id of its
 * own; the name joins the two. A channel is gone when both directions have ended, or the peer has acknowledged the end
 * of ours without having opened the other: until then its CHANNEL_OPEN may be on its way.
 */
export class Channels {
  readonly #sender: Sender;
  readonly #inbound: Inbound;
  readonly #ports: Ports;
  readonly #limits: Pick<Limits, "channelsMax">;
  readonly #emit: (event: SessionEvent) => void;
  readonly #table = new ChannelTable();

  constructor(
    { sender, inbound }: { sender: Sender; inbound: Inbound },
    options: { ports: Ports; limits: Pick<Limits, "channelsMax"> },
    emit: (event: SessionEvent) => void,
  ) {
    this.#sender = sender;
    this.#inbound = inbound;
    this.#ports = options.ports;
    this.#limits = options.limits;
    this.#emit = emit;
  }

  /** @throws SluiceError `ERR_USAGE_ARGUMENT`, `ERR_TOO_MANY_CHANNELS`, `ERR_USAGE_CHANNEL_CLOSED` (still closing) */
  open(name: string, priority: Priority): ChannelKey {
    const known = this.#table.named(name);
    if (known !== undefined) {
      if (this.#sender.isEnding(known.key)) throw stillClosing(name);
      return known.key;
    }
    const bytes = this.#ports.encodeUtf8(`${name}`);
    // What is no string is not its own name, and a mistake. A lone surrogate would reach the peer as U+FFFD, which is another name here, and the same as that of any other.
    const isWellFormed = this.#ports.decodeUtf8(bytes) === name;
    if (bytes.length === 0 || bytes.length > CHANNEL_NAME_BYTES_MAX || !isWellFormed) {
      throw new SluiceError(
        "ERR_USAGE_ARGUMENT",
        `A channel name is a string of 1 to ${CHANNEL_NAME_BYTES_MAX} bytes of UTF-8`,
      );
    }
    this.#sender.requireFreeId();
    const entry = this.#table.add(name);
    this.#sender.addChannel(entry.key, priority);
    this.#sender.announce(entry.key, bytes);
    return entry.key;
  }

  /** Makes sure that the peer can make sense of what follows on the channel: our direction may not be open yet. */
  announce(key: ChannelKey): void {
    const entry = this.#table.keyed(key);
    if (entry !== undefined) this.#sender.announce(key, this.#ports.encodeUtf8(entry.name));
  }

  close(key: ChannelKey): void {
    if (this.#table.keyed(key) === undefined) return;
    this.announce(key);
    this.#sender.endChannel(key);
  }

  /** The channel that the peer's wire id stands for. */
  incoming(id: number): ChannelKey | undefined {
    return id === 0 ? DEFAULT_CHANNEL : this.#table.incoming(id)?.key;
  }

  handlePeerOpen(id: number, priority: Priority, nameBytes: Uint8Array): Violation | undefined {
    const name = this.#ports.decodeUtf8(nameBytes);
    if (name === undefined) return { code: 1007, reason: "channel name is not UTF-8" };
    if (name === "") return { code: 1002, reason: "channel without a name" };
    if (this.incoming(id) !== undefined) return { code: 1002, reason: "channel id in use" };
    // The limit is one of each direction: the default channel counts, those that only this end has opened do not.
    if (this.#table.incomingCount + 1 >= this.#limits.channelsMax) return { code: 1008, reason: "too many channels" };
    const known = this.#table.named(name);
    if (known !== undefined) {
      if (known.incoming !== "unopened") return { code: 1002, reason: "channel name in use" };
      this.#table.bind(known, id);
      this.#inbound.open(id, known.key);
      return undefined;
    }
    const entry = this.#table.add(name);
    this.#table.bind(entry, id);
    this.#inbound.open(id, entry.key);
    this.#sender.addChannel(entry.key, priority);
    this.#emit({ type: "channel", channel: entry.key, name, priority });
    return undefined;
  }

  handlePeerClose(id: number): Violation | undefined {
    const entry = this.#table.incoming(id);
    if (entry === undefined) return { code: 1002, reason: "close of an unopened channel" };
    this.#table.unbind(entry);
    this.#sender.endChannel(entry.key);
    this.#emit({ type: "channel-closing", channel: entry.key });
    this.handleEnded([entry.key]);
    return undefined;
  }

  /** The end of our direction of these channels has left or has been acknowledged: forgets those that are gone. */
  handleEnded(keys: readonly ChannelKey[]): void {
    for (const key of keys) {
      const entry = this.#table.keyed(key);
      if (entry === undefined || entry.incoming === "open") continue;
      const end = this.#sender.end(key);
      if (end !== "seen" && (end !== "sent" || entry.incoming === "unopened")) continue;
      this.#table.remove(entry);
      this.#sender.removeChannel(key);
      this.#inbound.handleChannelGone(key);
      this.#emit({ type: "channel-closed", channel: key });
    }
  }
}

/** It may be opened again when both ends have ended it. */
export function stillClosing(name: string): SluiceError {
  return new SluiceError("ERR_USAGE_CHANNEL_CLOSED", `Channel "${name}" is still closing`, { retryable: true });
}
