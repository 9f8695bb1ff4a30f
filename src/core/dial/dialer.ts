import { Machine, type Transitions } from "../machine.js";
import type { Millis } from "../time.js";
import { type BackoffOptions, backoffMs } from "./backoff.js";

/** When a client dials (PROTOCOL.md, RES). Which transport it then makes is its host's affair. */
export type DialerState =
  | { readonly name: "idle" }
  /** A transport is being opened, or is in its handshake. */
  | { readonly name: "dialling" }
  /** The session has a transport. */
  | { readonly name: "attached" }
  | { readonly name: "waiting"; readonly until: Millis }
  /** The page sleeps, and will say when it wakes. */
  | { readonly name: "suspended" }
  | { readonly name: "stopped" };

export type DialerInput = "dial" | "welcome" | "fail" | "suspend" | "stop";

export const DIALER_TRANSITIONS: Transitions<DialerState["name"], DialerInput> = {
  idle: { dial: ["dialling"], stop: ["stopped"] },
  dialling: { welcome: ["attached"], fail: ["waiting"], suspend: ["suspended"], stop: ["stopped"] },
  attached: { fail: ["waiting"], suspend: ["suspended"], stop: ["stopped"] },
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
}

/** Decides when to dial, and when to give up. */
export class Dialer {
  readonly #options: DialOptions;
  readonly #random: () => number;
  readonly #machine = new Machine<DialerState, DialerInput>(DIALER_TRANSITIONS, { name: "idle" });
  /** Attempts since the last one that carried anything. */
  #failures = 0;
  #epoch = 0;
  #giveUpAt: Millis | undefined;
  #isOffline = false;

  constructor(options: DialOptions, random: () => number) {
    this.#options = options;
    this.#random = random;
  }

  /** The first attempt. Gives its epoch. */
  start(now: Millis): number {
    const { connectTimeoutMs } = this.#options;
    this.#giveUpAt = connectTimeoutMs === Number.POSITIVE_INFINITY ? undefined : now + connectTimeoutMs;
    return this.#dial();
  }

  /** The wait is over, if it is, or is cut short: the network or the page has come back. Gives the epoch of the attempt. */
  poll(now: Millis, input: "deadline" | "hurry"): number | undefined {
    const { state } = this;
    if (state.name !== "waiting" || (input === "deadline" && now < state.until)) return undefined;
    return this.#dial();
  }

  /** The page is about to sleep. */
  suspend(): void {
    if (this.#machine.allows("suspend")) this.#machine.enter("suspend", { name: "suspended" });
  }

  /** The page is awake again. */
  wake(): number | undefined {
    return this.state.name === "suspended" ? this.#dial() : undefined;
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

  #dial(): number {
    this.#machine.enter("dial", { name: "dialling" });
    this.#epoch += 1;
    return this.#epoch;
  }
}
