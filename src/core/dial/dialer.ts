import { Machine, type Transitions } from "../machine.js";
import type { Millis } from "../time.js";
import { type BackoffOptions, backoffMs } from "./backoff.js";
import type { LineKind } from "./chooser.js";
import type { Outlook } from "./outlook.js";

/** When a client dials (PROTOCOL.md, RES). With which transports is the affair of the `Chooser`. */
export type DialerState =
  | { readonly name: "idle" }
  /** Transports are being opened, or are in their handshake. */
  | { readonly name: "dialling" }
  /** The session has a transport. */
  | { readonly name: "attached" }
  | { readonly name: "waiting"; readonly until: Millis }
  /** The page sleeps, and will say when it wakes. */
  | { readonly name: "suspended" }
  | { readonly name: "stopped" };

export type DialerInput = "dial" | "welcome" | "fail" | "succeed" | "suspend" | "stop";

export const DIALER_TRANSITIONS: Transitions<DialerState["name"], DialerInput> = {
  idle: { dial: ["dialling"], stop: ["stopped"] },
  dialling: { welcome: ["attached"], fail: ["waiting"], suspend: ["suspended"], stop: ["stopped"] },
  attached: {
    fail: ["waiting"],
    succeed: ["dialling"],
    welcome: ["attached"],
    suspend: ["suspended"],
    stop: ["stopped"],
  },
  waiting: { dial: ["dialling"], suspend: ["suspended"], stop: ["stopped"] },
  suspended: { dial: ["dialling"], stop: ["stopped"] },
  stopped: {},
};

export interface DialOptions {
  readonly backoff: BackoffOptions;
  /** From the start to the first WELCOME, all attempts together, ms. May be infinite. */
  readonly connectTimeoutMs: Millis;
  /** Whether an attempt that never met a server of ours is followed by another one, before there is a session. */
  readonly retriesFirst: boolean;
  /** The kinds of transport to use, the most wanted first. Default: a WebSocket alone. */
  readonly kinds?: readonly LineKind[];
  /** What is known of the network. Default: nothing. */
  readonly outlook?: Outlook;
}

/** Decides when to dial, and when to give up. */
export class Dialer {
  readonly #options: DialOptions;
  readonly #random: () => number;
  readonly #machine = new Machine<DialerState, DialerInput>(DIALER_TRANSITIONS, { name: "idle" });
  /** Attempts since the last one that carried anything. */
  #failures = 0;
  #giveUpAt: Millis | undefined;
  #isOffline = false;

  constructor(options: DialOptions, random: () => number) {
    this.#options = options;
    this.#random = random;
  }

  /** The first attempt. */
  start(now: Millis): void {
    const { connectTimeoutMs } = this.#options;
    this.#giveUpAt = connectTimeoutMs === Number.POSITIVE_INFINITY ? undefined : now + connectTimeoutMs;
    this.#dial();
  }

  /** Whether to dial: the wait is over, or is cut short, as the network or the page has come back. */
  poll(now: Millis, input: "deadline" | "hurry"): boolean {
    const { state } = this;
    if (state.name !== "waiting" || (input === "deadline" && now < state.until)) return false;
    this.#dial();
    return true;
  }

  /** The page is about to sleep. */
  suspend(): void {
    if (this.#machine.allows("suspend")) this.#machine.enter("suspend", { name: "suspended" });
  }

  /** The page is awake again. Whether to dial. */
  wake(): boolean {
    if (this.state.name !== "suspended") return false;
    this.#dial();
    return true;
  }

  /** The transport is gone, and another one is in its handshake already. */
  handleSuccession(): void {
    if (this.#machine.allows("succeed")) this.#machine.enter("succeed", { name: "dialling" });
  }

  handleWelcome(): void {
    this.#machine.enter("welcome", { name: "attached" });
    this.#giveUpAt = undefined;
  }

  /** Something has come through: the line is worth dialling again at once, should it break. */
  handleProgress(): void {
    this.#failures = 0;
  }

  /**
   * The attempt has failed, or its transport has died.
   * @param waitMsMax where somebody waits who will not do so for long
   */
  handleFailure(now: Millis, waitMsMax: Millis = Number.POSITIVE_INFINITY): void {
    if (!this.#machine.allows("fail")) return;
    this.#failures += 1;
    const { backoff } = this.#options;
    const bounded = { ...backoff, maxMs: Math.min(backoff.maxMs, waitMsMax) };
    const waitMs = this.#isOffline ? bounded.maxMs : backoffMs(bounded, this.#failures, this.#random());
    this.#machine.enter("fail", { name: "waiting", until: now + waitMs });
  }

  /** The server has asked to come back: that is no failure, and it has chosen the moment itself. */
  handleRecall(now: Millis): void {
    this.#failures = 0;
    this.#machine.enter("fail", { name: "waiting", until: now });
  }

  /** The peer surely has given the session up by then. The first time counts. */
  limit(giveUpAt: Millis): void {
    this.#giveUpAt ??= giveUpAt;
  }

  /** What the platform thinks of the network: a hint. While it is said to be away, attempts are as rare as may be. */
  handleOffline(isOffline: boolean): void {
    this.#isOffline = isOffline;
  }

  stop(): void {
    if (this.state.name !== "stopped") this.#machine.enter("stop", { name: "stopped" });
    this.#giveUpAt = undefined;
  }

  /** Whether another attempt may follow one that never met a server of ours, before there is a session. */
  get retriesFirst(): boolean {
    return this.#options.retriesFirst;
  }

  get state(): DialerState {
    return this.#machine.state;
  }

  /** When the session is lost, if it has no transport by then. */
  get giveUpAt(): Millis | undefined {
    return this.#giveUpAt;
  }

  get nextDeadline(): Millis | undefined {
    const until = this.state.name === "waiting" ? this.state.until : undefined;
    if (until === undefined || this.#giveUpAt === undefined) return until ?? this.#giveUpAt;
    return Math.min(until, this.#giveUpAt);
  }

  #dial(): void {
    this.#machine.enter("dial", { name: "dialling" });
  }
}
