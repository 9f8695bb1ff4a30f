import type { DialOptions } from "../core/dial/dialer.js";
import type { ClientConversation } from "../driver/client-conversation.js";
import type { Gates } from "../driver/gate.js";
import { PlainConversation, type PlainEvent } from "../driver/plain-conversation.js";
import type { SendBudget } from "../driver/send-bounds.js";
import { plainLink } from "../transport/browser/plain-websocket.js";
import type { WebSocketConstructor } from "../transport/browser/websocket.js";
import { DetectingWebSocket, type DetectionOptions } from "./detecting-websocket.js";
import { noWebSocket } from "./failures.js";
import type { LifelineOptions } from "./lifeline-options.js";
import { type ProbeAnswer, probe } from "./probe.js";

/** What the conversations of a socket share. */
interface Shared {
  readonly gates: Gates;
  readonly budget: SendBudget;
}

/** When a socket is an ordinary WebSocket, and how it comes to be one. */
export class PlainMode {
  readonly #options: LifelineOptions;
  readonly #shared: Shared;

  constructor(options: LifelineOptions, shared: Shared) {
    this.#options = options;
    this.#shared = shared;
  }

  /** A Sluice server has answered. */
  handleGreeted(): void {
    this.#options.greeted.add(this.#options.url);
  }

  /** Whether nothing else comes into question. */
  get isCertain(): boolean {
    return this.#options.mode === "plain";
  }

  /** Whether an ordinary server is what it may look like. Who has credentials for ours, or has met it, knows better. */
  get isPossible(): boolean {
    const { mode, auth, greeted, url } = this.#options;
    return mode === "auto" && auth === undefined && !greeted.has(url);
  }

  /** Dials with an eye on what answers. */
  detecting(
    WebSocket: WebSocketConstructor,
    handlers: Pick<DetectionOptions, "onPlain" | "onSilent" | "onBlocked">,
  ): WebSocketConstructor {
    const { host, fetch } = this.#options;
    const ask = async (url: string): Promise<ProbeAnswer> => {
      const answer = await probe(fetch, url, host);
      // Whoever dials next need not ask again.
      if (answer === "sluice") this.handleGreeted();
      return answer;
    };
    const options = { WebSocket, host, probe: ask, ...handlers };
    return class extends DetectingWebSocket {
      constructor(url: string, protocols: string[]) {
        super(options, url, protocols);
      }
    };
  }

  /** How many connections in a row have been lost when `lost` is; `undefined` where the next conversation is not plain. */
  lossesAfter(lost: ClientConversation): number | undefined {
    const isPlain = lost instanceof PlainConversation && (this.isCertain || this.isPossible);
    return isPlain ? lost.losses : undefined;
  }

  /** @param losses how many connections in a row have been lost before this one */
  conversation(dial: DialOptions, losses: number, onEvent: (event: PlainEvent) => void): PlainConversation {
    const { limits, host, WebSocket, url, protocols, onSessionLost } = this.#options;
    const { budget, gates } = this.#shared;
    const options = {
      host,
      budget,
      dial,
      losses,
      connect: () => {
        if (WebSocket === undefined) throw noWebSocket();
        return plainLink(new WebSocket(url, [...protocols]));
      },
      handshakeTimeoutMs: limits.handshakeTimeoutMs,
      closeTimeoutMs: limits.closeTimeoutMs,
      messageBytesMax: limits.messageBytesMax,
      reopens: onSessionLost === "reopen",
      isAwaited: () => gates.shutCount > 0,
      onTurn: () => gates.handleTurn(),
    };
    return new PlainConversation(options, onEvent);
  }
}
