import { SluiceError } from "../core/error.js";
import type { ChannelKey } from "../core/send/send-channel.js";
import { stillClosing } from "../core/session/channels.js";
import type { Priority } from "../core/wire/frame.js";
import type { ClientConversation } from "../driver/client-conversation.js";
import { Mailbox, type MailboxInit } from "../driver/mailbox.js";
import { Channel, type ChannelInit } from "./channel.js";
import type { Feed } from "./inlet.js";

interface Known {
  readonly channel: Channel;
  /** Whether the application has asked for it: then it lives on in the next session. */
  isWanted: boolean;
}

/** The channels of a socket beside the default one, by their keys in the present session. */
export class ChannelSet {
  readonly #init: Omit<ChannelInit, "name" | "priority">;
  readonly #known = new Map<ChannelKey, Known>();
  /** Channels that the peer has opened and nobody has been told of. */
  readonly #unseen: Mailbox<Channel>;

  constructor(init: Omit<ChannelInit, "name" | "priority">, unseen: MailboxInit<Channel>) {
    this.#init = init;
    this.#unseen = new Mailbox(unseen);
  }

  /**
   * The application asks for a channel, which `key` names now.
   * @throws SluiceError `ERR_USAGE_CHANNEL_CLOSED` (still closing)
   */
  want(key: ChannelKey, name: string, priority: Priority | undefined): Channel {
    const known = this.#known.get(key) ?? this.#add(key, name, priority ?? "normal");
    // Between two sessions, it is closed when the next one is open.
    if (known.channel.state !== "open") throw stillClosing(name);
    known.isWanted = true;
    if (priority !== undefined) known.channel.priority = priority;
    return known.channel;
  }

  /** The peer has opened a channel. */
  handleOpened(key: ChannelKey, name: string, priority: Priority): void {
    this.#unseen.handle(this.#add(key, name, priority).channel);
  }

  handleEnded(key: ChannelKey): void {
    const known = this.#known.get(key);
    if (known === undefined) return;
    this.#known.delete(key);
    this.#end(known.channel, undefined);
  }

  get(key: ChannelKey): Channel | undefined {
    return this.#known.get(key)?.channel;
  }

  /** The key of an open channel in the present session. */
  keyOf(name: string): ChannelKey | undefined {
    for (const [key, { channel }] of this.#known) if (channel.name === name) return key;
    return undefined;
  }

  /** Somebody listens to new channels from now on. */
  openUnseen(): void {
    this.#unseen.open();
  }

  /**
   * Opens in a new session what the application holds on to, and ends the rest.
   * @param error how the session before has ended
   * @returns the names of those that go on
   */
  reopen(conversation: Pick<ClientConversation, "openChannel"> & Feed, error: SluiceError): Set<string> {
    const before = [...this.#known.values()];
    this.#known.clear();
    const names = new Set<string>();
    for (const known of before) {
      const { channel } = known;
      const key = known.isWanted && channel.state === "open" ? tryOpen(conversation, channel) : undefined;
      if (key === undefined) {
        this.#end(channel, error);
        continue;
      }
      channel.handleReopened(conversation, key, error);
      this.#known.set(key, known);
      names.add(channel.name);
    }
    return names;
  }

  /** The application closes the socket. */
  leave(): void {
    for (const { channel } of this.#known.values()) channel.inlet.leave("socket");
  }

  /** The socket is closed. */
  end(error: SluiceError | undefined): void {
    for (const { channel } of this.#known.values()) this.#end(channel, error);
    this.#known.clear();
  }

  #end(channel: Channel, error: SluiceError | undefined): void {
    channel.handleClosed(error);
    // Nothing can be done with it; else one after the other would pile up while nobody listens.
    if (!channel.inlet.isHolding) this.#unseen.remove(channel);
  }

  #add(key: ChannelKey, name: string, priority: Priority): Known {
    const known = { channel: new Channel({ ...this.#init, name, priority }, key), isWanted: false };
    this.#known.set(key, known);
    return known;
  }
}

/** The key in a new session; `undefined` where it has no room for the channel. */
function tryOpen(conversation: Pick<ClientConversation, "openChannel">, channel: Channel): ChannelKey | undefined {
  try {
    return conversation.openChannel(channel.name, channel.priority);
  } catch (error) {
    if (error instanceof SluiceError) return undefined;
    throw error;
  }
}
