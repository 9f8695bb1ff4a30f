import { SluiceError } from "../core/error.js";
import type { Millis } from "../core/time.js";
import { isGreeting } from "../core/wire/greeting.js";
import type { Host } from "../driver/host.js";
import type { FoundSocket } from "../transport/browser/plain-websocket.js";
import { batchOf, type WebSocketConstructor, type WebSocketLike } from "../transport/browser/websocket.js";
import { SUBPROTOCOL, type TransportDeath } from "../transport/transport.js";
import type { ProbeAnswer } from "./probe.js";

/** An ordinary WebSocket, found where ours might have been. */
export interface FoundPlain extends FoundSocket {
  /** Whether the server has said that it speaks our protocol: it may greet yet. */
  readonly mayGreet: boolean;
}

export interface DetectionOptions {
  readonly WebSocket: WebSocketConstructor;
  readonly host: Pick<Host, "now" | "setTimer">;
  /** Asks the server over HTTP what it is. Never rejects, and has an end. */
  readonly probe: (url: string) => Promise<ProbeAnswer>;
  /** The server is an ordinary one: the socket is the callee's from here on. */
  readonly onPlain: (found: FoundPlain) => void;
  /** A Sluice server is there, and has not greeted in the time that it takes: its frames may not get through. */
  readonly onSilent: () => void;
  /** Nothing can be said of the server: this attempt has failed. */
  readonly onBlocked: (error: SluiceError) => void;
}

/** Within these bounds, ms, is waited for a GREETING, and for the answer of the probe. */
const WAIT_MS: { readonly min: Millis; readonly max: Millis } = { min: 100, max: 1000 };

/** What is kept of a server that is not known yet, bytes: the default message limit. */
const HELD_BYTES_MAX = 16 * 1024 * 1024;

/** What a socket has told while nobody knows whose it is. */
interface Held {
  readonly socket: WebSocketLike;
  readonly messages: unknown[];
  bytes: number;
  death: TransportDeath | undefined;
}

type State =
  /** Our subprotocol is on offer. */
  | { readonly name: "offering"; readonly socket: WebSocketLike }
  /** It was selected, which proves nothing (NEG-07). `stop` ends the wait for the GREETING; `asked` once that is over. */
  | { readonly name: "listening"; readonly held: Held; readonly stop: () => void; readonly asked: boolean }
  /** The offer was not taken: is it a server of ours all the same? `stop` ends the wait for the answer. */
  | { readonly name: "asking"; readonly stop: () => void }
  /** Another handshake without the offer is under way, or waits for the answer of the probe. */
  | { readonly name: "redialling"; readonly held: Held }
  | { readonly name: "framed"; readonly socket: WebSocketLike }
  | { readonly name: "over" };

/**
 * A WebSocket that may turn out to be an ordinary one. To the transport above it opens with the GREETING, never before, so
 * not a byte of ours can reach a server that does not greet; where the server is an ordinary one it never opens at all, and
 * the native socket is handed to `onPlain` with everything that has come.
 */
export class DetectingWebSocket implements WebSocketLike {
  binaryType = "arraybuffer";
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  readonly #options: DetectionOptions;
  readonly #url: string;
  readonly #protocols: readonly string[];
  readonly #dialledAt: Millis;
  readonly #listeners: (() => void)[] = [];
  #state: State;

  /** @throws what the native constructor throws */
  constructor(options: DetectionOptions, url: string, protocols: string[]) {
    this.#options = options;
    this.#url = url;
    this.#protocols = protocols;
    const socket = this.#native(protocols);
    this.#dialledAt = options.host.now();
    this.#state = { name: "offering", socket };
    socket.onopen = () => this.#handleOpen(socket);
    socket.onclose = () => this.#askFirst();
  }

  /** Only what greets is sent to. */
  send(data: Uint8Array<ArrayBuffer>): void {
    if (this.#state.name === "framed") this.#state.socket.send(data);
  }

  close(code?: number, reason?: string): void {
    const state = this.#state;
    if (state.name === "framed") return state.socket.close(code, reason);
    this.#leave();
  }

  /** Hears the messages behind the GREETING. */
  addEventListener(_type: "message", listener: () => void): void {
    this.#listeners.push(listener);
  }

  get protocol(): string {
    return SUBPROTOCOL;
  }

  get extensions(): string {
    return this.#state.name === "framed" ? (this.#state.socket.extensions ?? "") : "";
  }

  get readyState(): number {
    return this.#state.name === "framed" ? this.#state.socket.readyState : 0;
  }

  get bufferedAmount(): number {
    return this.#state.name === "framed" ? (this.#state.socket.bufferedAmount ?? 0) : 0;
  }

  #native(protocols: string[]): WebSocketLike {
    const socket = new this.#options.WebSocket(this.#url, protocols);
    socket.binaryType = "arraybuffer";
    socket.onerror = () => {};
    return socket;
  }

  #handleOpen(socket: WebSocketLike): void {
    if (this.#state.name !== "offering") return;
    const held = this.#hold(socket, () => this.#ask());
    if (socket.protocol !== SUBPROTOCOL) return this.#handOver(held, false);
    const stop = this.#options.host.setTimer(() => this.#ask(), this.#greetingMs);
    this.#state = { name: "listening", held, stop, asked: false };
    const hold = socket.onmessage;
    socket.onmessage = (event: { data: unknown }) => {
      socket.onmessage = hold;
      const isOurs = typeof event.data !== "string" && isGreeting(batchOf(event.data));
      if (isOurs) return this.#handleGreeting(socket, event);
      hold?.(event as never);
      // Whatever this is, it is no GREETING, and none comes later.
      this.#ask();
    };
  }

  /** From here on it is as if the transport had the native socket. */
  #handleGreeting(socket: WebSocketLike, event: unknown): void {
    if (this.#state.name === "listening") this.#state.stop();
    this.#state = { name: "framed", socket };
    socket.onmessage = (event) => this.onmessage?.(event);
    for (const listener of this.#listeners) socket.addEventListener?.("message", listener);
    socket.onclose = (event) => this.onclose?.(event);
    this.onopen?.({} as never);
    this.onmessage?.(event as never);
  }

  /** No GREETING: is this a server of ours, whose frames do not get through, or one that repeats what it is offered? */
  #ask(): void {
    const state = this.#state;
    if (state.name !== "listening" || state.asked) return;
    state.stop();
    this.#state = { ...state, asked: true };
    void this.#options.probe(this.#url).then((answer) => this.#handleAnswer(answer));
  }

  #handleAnswer(answer: ProbeAnswer): void {
    if (this.#state.name !== "listening") return;
    const { held } = this.#state;
    if (answer === "other") return this.#handOver(held, true);
    // It may be slow. A handshake that takes too long is given up by whoever has asked for it.
    if (answer === "sluice" && held.death === undefined && held.messages.length === 0) return this.#options.onSilent();
    const what = answer === "sluice" ? "A Sluice server is there, and its frames do not get through" : UNKNOWN;
    this.#block(new SluiceError("ERR_CONNECT_FAILED", what, { retryable: true }));
  }

  /**
   * The handshake has failed. Browsers let it fail when the server selects none of the protocols that were offered (WHATWG
   * WebSockets), so without an application's protocols the same server may do: that is tried, once. A Sluice server whose
   * handshake was cut, or that has come up in between, would serve us as an ordinary client, and its application would see
   * one that never speaks; so it is asked first, for no longer than the handshake took.
   */
  #askFirst(): void {
    const answer = this.#options.probe(this.#url);
    const stop = this.#options.host.setTimer(() => this.#redial(answer), this.#answerMs);
    this.#state = { name: "asking", stop };
    void answer.then((what) => {
      // Then it is the WebSockets that do not get through, and nothing is gained by waiting for another one.
      if (what === "sluice" && (this.#state.name === "asking" || this.#state.name === "redialling")) this.#fail();
      else this.#redial(answer);
    });
  }

  #redial(answer: Promise<ProbeAnswer>): void {
    if (this.#state.name !== "asking") return;
    this.#state.stop();
    let socket: WebSocketLike;
    try {
      socket = this.#native(this.#protocols.filter((protocol) => protocol !== SUBPROTOCOL));
    } catch {
      return this.#fail();
    }
    const held = this.#hold(socket, () => {});
    this.#state = { name: "redialling", held };
    const die = socket.onclose;
    socket.onclose = () => this.#fail();
    socket.onopen = async () => {
      socket.onclose = die;
      await answer;
      if (this.#state.name === "redialling") this.#handOver(held, false);
    };
  }

  /** A handshake is two round trips, or more, and the GREETING comes in the same flight as its answer: late by one, it is asked for. */
  get #greetingMs(): Millis {
    return within(this.#handshakeMs / 2);
  }

  /** How long the probe's answer is waited for, before a server is dialled as an ordinary one. */
  get #answerMs(): Millis {
    return within(this.#handshakeMs);
  }

  get #handshakeMs(): Millis {
    return this.#options.host.now() - this.#dialledAt;
  }

  /** Keeps what comes. `onDeath` is called once, if it ends meanwhile. */
  #hold(socket: WebSocketLike, onDeath: () => void): Held {
    const held: Held = { socket, messages: [], bytes: 0, death: undefined };
    socket.onmessage = ({ data }: { data: string | ArrayBuffer }) => {
      held.messages.push(data);
      held.bytes += typeof data === "string" ? data.length * 2 : data.byteLength;
      if (held.bytes > HELD_BYTES_MAX) this.#block(new SluiceError("ERR_CONNECT_FAILED", UNKNOWN, { retryable: true }));
    };
    socket.onclose = ({ wasClean, code, reason }: TransportDeath) => {
      held.death = { wasClean, code, reason };
      onDeath();
    };
    return held;
  }

  #handOver(held: Held, mayGreet: boolean): void {
    if (this.#state.name === "listening") this.#state.stop();
    this.#state = { name: "over" };
    const { socket, messages, death } = held;
    const { protocol, extensions } = socket;
    const subprotocol = protocol === SUBPROTOCOL ? "" : protocol;
    this.#options.onPlain({ socket, subprotocol, extensions: extensions ?? "", messages, death, mayGreet });
  }

  #block(error: SluiceError): void {
    if (this.#state.name === "over") return;
    this.#leave();
    this.#options.onBlocked(error);
  }

  #fail(): void {
    this.#leave();
    this.onclose?.({ wasClean: false, code: 1006, reason: "" } as never);
  }

  /** Nobody wants the native socket any more. */
  #leave(): void {
    const state = this.#state;
    this.#state = { name: "over" };
    if (state.name === "over") return;
    if ("stop" in state) state.stop();
    if (state.name === "asking") return;
    const socket = "held" in state ? state.held.socket : state.socket;
    socket.onopen = null;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close();
  }
}

function within(waitMs: Millis): Millis {
  return Math.min(Math.max(waitMs, WAIT_MS.min), WAIT_MS.max);
}

const UNKNOWN =
  "The server has not greeted, and whether it is a Sluice server could not be found out over HTTP: " +
  'a content security policy has to allow that, or `mode` has to say "plain"';
