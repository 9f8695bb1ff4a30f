import { Machine, type Transitions } from "../machine.js";
import { isDue, type Millis, sooner } from "../time.js";
import { type LineDeath, type Outlook, SOUND_MS } from "./outlook.js";

/** The ways to dial: a WebSocket, or requests over HTTP. */
export type LineKind = "websocket" | "http";

/** How far one of them has come in a race; `out` also where it is not to be used at all. */
export type Runner = "ready" | "running" | "greeted" | "out";
export type Runners = Readonly<Record<LineKind, Runner>>;

/** Which kinds of transport are in use (PROTOCOL.md, RES-17 and RES-18). */
export type ChooserState =
  /** Nothing is dialled: not yet, between two attempts, or while the page sleeps. */
  | { readonly name: "resting" }
  /** Nothing carries the session yet. `hedgeAt`: when the other kind joins in. */
  | { readonly name: "racing"; readonly runners: Runners; readonly hedgeAt: Millis | undefined }
  /** `tryAt`: when a WebSocket is to be tried beside it. `soundAt`: when this one will have shown that it works after all. */
  | {
      readonly name: "carried";
      readonly by: LineKind;
      readonly tryAt: Millis | undefined;
      readonly soundAt: Millis | undefined;
    }
  /** `by` carries the session, and a WebSocket is in its handshake beside it. */
  | {
      readonly name: "trying";
      readonly by: LineKind;
      readonly runner: "running" | "greeted";
      /** Whether the network has changed since, and another should follow at once. */
      readonly isOutdated: boolean;
    }
  | { readonly name: "stopped" };

export type ChooserInput =
  | "begin"
  | "hedge"
  | "greeted"
  | "withdrawn"
  | "welcome"
  | "failed"
  | "try"
  | "hint"
  | "sound"
  | "lost"
  | "rest"
  | "stop";

export const CHOOSER_TRANSITIONS: Transitions<ChooserState["name"], ChooserInput> = {
  resting: { begin: ["racing"], rest: ["resting"], stop: ["stopped"] },
  racing: {
    hedge: ["racing"],
    greeted: ["racing"],
    withdrawn: ["racing"],
    welcome: ["carried", "trying"],
    failed: ["racing", "resting"],
    rest: ["resting"],
    stop: ["stopped"],
  },
  carried: {
    try: ["trying"],
    hint: ["carried"],
    sound: ["carried"],
    lost: ["resting"],
    rest: ["resting"],
    stop: ["stopped"],
  },
  trying: {
    greeted: ["trying"],
    hint: ["trying"],
    welcome: ["carried"],
    failed: ["carried"],
    lost: ["racing"],
    rest: ["resting"],
    stop: ["stopped"],
  },
  stopped: {},
};

/** What the other kind waits for before it joins in: so many round trips, within these bounds, ms. */
const HEDGE_ROUND_TRIPS = 5;
const HEDGE_MIN_MS = 300;
const HEDGE_MAX_MS = 2000;
/** Where the round trip is not known. */
const HEDGE_MS = 750;

/** While HTTP has to do: when a WebSocket is tried next. The last one goes on. */
const PROBES_MS: readonly Millis[] = [15_000, 60_000, 300_000, 900_000];

/** One that was refused may only have come at a bad moment: the next is tried at once, in so many ms. Arbitrary. */
const RETRY_MS = 1000;

/** A WebSocket that does not get old is replaced at this share of its age, and so long before it, ms. */
const ROTATION_SHARE = 0.9;
const ROTATION_LEAD_MS = 2000;

/**
 * Decides which kinds of transport to dial when: a WebSocket first, HTTP as a hedge, a WebSocket again beside HTTP. Who
 * has made it, and carries the session, is told by the WELCOME; that a socket opens says little.
 *
 * Invariant: in a race somebody runs, or is about to be dialled.
 */
export class Chooser {
  /** The kinds in use, the preferred one first. */
  readonly #kinds: readonly LineKind[];
  readonly #outlook: Outlook;
  readonly #machine = new Machine<ChooserState, ChooserInput>(CHOOSER_TRANSITIONS, { name: "resting" });
  #due: LineKind[] = [];
  /** WebSockets that have been tried beside HTTP since one was sound. */
  #probes = 0;
  #isOffline = false;

  constructor(kinds: readonly LineKind[], outlook: Outlook) {
    this.#kinds = kinds;
    this.#outlook = outlook;
  }

  /** Nothing carries the session, and it is time to dial. `roundTripTimeMs`: of this session, where it has had a line. */
  begin(roundTripTimeMs: Millis | undefined, now: Millis): void {
    const [first, second] = this.#order(now);
    if (first === undefined) return;
    const runners = { websocket: "out", http: "out", [first]: "running" } as Record<LineKind, Runner>;
    if (second !== undefined) runners[second] = "ready";
    const hedgeAt = second === undefined ? undefined : now + this.#hedgeMs(roundTripTimeMs);
    this.#machine.enter("begin", { name: "racing", runners, hedgeAt });
    this.#due.push(first);
  }

  /** The server has greeted: the line carries something, at least this way. */
  handleGreeted(kind: LineKind): void {
    const { state } = this;
    if (state.name === "racing") {
      this.#machine.enter("greeted", {
        ...state,
        runners: { ...state.runners, [kind]: "greeted" },
        hedgeAt: undefined,
      });
    } else if (state.name === "trying") {
      this.#machine.enter("greeted", { ...state, runner: "greeted" });
    }
  }

  /** A line that has not spoken yet was taken back, as another one gets on well. */
  handleWithdrawn(kind: LineKind): void {
    const { state } = this;
    if (state.name !== "racing") return;
    this.#machine.enter("withdrawn", { ...state, runners: { ...state.runners, [kind]: "ready" } });
  }

  /**
   * A line of this kind carries the session from here on.
   * @param canMove whether the session can have another one after it
   */
  handleWelcome(kind: LineKind, canMove: boolean, now: Millis): void {
    const { state } = this;
    if (state.name === "racing") {
      const { websocket, http } = state.runners;
      if (kind === "http" && isRunning(websocket) && canMove) {
        this.#machine.enter("welcome", { name: "trying", by: kind, runner: websocket, isOutdated: false });
        return;
      }
      const isInVain = websocket === "out" || this.#outlook.isSuspect(now);
      if (kind === "http" && this.#wantsWebSocket && isInVain) this.#outlook.block(now);
      // HTTP fares no better: what has ended WebSockets is the server.
      if (kind === "websocket" && http === "out") this.#outlook.absolve();
    }
    this.#machine.enter("welcome", canMove ? this.#carried(kind, now) : settled(kind));
  }

  /**
   * A line that did not carry the session is no more.
   * @param isRefused whether the server has said so, which shows that the line works
   */
  handleFailed(kind: LineKind, isRefused: boolean, now: Millis): void {
    const { state } = this;
    if (state.name === "racing") this.#handleOut(state, kind, isRefused);
    if (state.name !== "trying" || kind !== "websocket") return;
    const isProbe = state.by === "http";
    if (isProbe && !isRefused) this.#outlook.block(now);
    const waitMs = state.isOutdated ? 0 : this.#probeMs(isRefused);
    const tryAt = isProbe ? now + waitMs : undefined;
    this.#machine.enter("failed", { name: "carried", by: state.by, tryAt, soundAt: undefined });
  }

  /**
   * The line that carried the session is no more.
   * @param death how it died, where it did; `undefined` where it was left
   * @param roundTripTimeMs what it took on that line
   */
  handleLost(death: LineDeath | undefined, roundTripTimeMs: Millis | undefined, now: Millis): void {
    const { state } = this;
    if (state.name !== "carried" && state.name !== "trying") return;
    if (state.by === "websocket" && death !== undefined) this.#outlook.handleDeath(death, now);
    if (state.name === "carried") {
      this.#machine.enter("lost", { name: "resting" });
      return;
    }
    // Perhaps it is gone because the WebSocket has taken over. That gets the time that any other would get.
    const http = this.#kinds.includes("http") ? "ready" : "out";
    const hedgeAt = http === "ready" ? now + this.#hedgeMs(roundTripTimeMs) : undefined;
    this.#machine.enter("lost", { name: "racing", runners: { websocket: state.runner, http }, hedgeAt });
  }

  /** The network is another one, or back: what was blocked may not be any more. */
  handleHint(now: Millis): void {
    const { state } = this;
    this.#probes = 0;
    if (state.name === "carried" && state.by === "http" && state.tryAt !== undefined) {
      this.#machine.enter("hint", { ...state, tryAt: now });
    } else if (state.name === "trying") {
      this.#machine.enter("hint", { ...state, isOutdated: true });
    }
  }

  /** What the platform thinks of the network: while it is away, nothing is tried beside what there is. */
  handleOffline(isOffline: boolean): void {
    this.#isOffline = isOffline;
  }

  /** What runs looks blocked: nothing is gained by waiting any longer before the other kind joins in. */
  hasten(): void {
    const { state } = this;
    if (state.name === "racing" && state.hedgeAt !== undefined) this.#hedge(state);
  }

  handleDeadline(now: Millis): void {
    const { state } = this;
    if (state.name === "racing" && isDue(state.hedgeAt, now)) {
      this.#hedge(state);
    } else if (state.name === "carried") {
      if (isDue(state.soundAt, now)) {
        this.#outlook.unblock(now);
        this.#probes = 0;
        this.#machine.enter("sound", { ...state, soundAt: undefined });
      }
      if (!isDue(state.tryAt, now) || this.#isOffline) return;
      if (state.by === "http") this.#probes += 1;
      this.#machine.enter("try", { name: "trying", by: state.by, runner: "running", isOutdated: false });
      this.#due.push("websocket");
    }
  }

  /** Everything is left, for a while. */
  rest(): void {
    this.#due = [];
    if (this.#machine.allows("rest")) this.#machine.enter("rest", { name: "resting" });
  }

  stop(): void {
    this.#due = [];
    if (this.#machine.allows("stop")) this.#machine.enter("stop", { name: "stopped" });
  }

  /** What to dial now. */
  pollDial(): LineKind | undefined {
    return this.#due.shift();
  }

  /** Whether the attempt has failed: nobody runs any more, and nobody is left. */
  get isResting(): boolean {
    return this.state.name === "resting";
  }

  /** Whether there is a kind that has not been dialled yet. */
  get hasReserve(): boolean {
    return this.state.name === "racing" && Object.values(this.state.runners).includes("ready");
  }

  get state(): ChooserState {
    return this.#machine.state;
  }

  get nextDeadline(): Millis | undefined {
    const { state } = this;
    if (state.name === "racing") return state.hedgeAt;
    if (state.name !== "carried") return undefined;
    const tryAt = this.#isOffline ? undefined : state.tryAt;
    return sooner(state.soundAt, tryAt);
  }

  #hedge(state: Extract<ChooserState, { name: "racing" }>): void {
    const kind = this.#kinds.find((each) => state.runners[each] === "ready");
    const runners = kind === undefined ? state.runners : { ...state.runners, [kind]: "running" };
    this.#machine.enter("hedge", { ...state, runners, hedgeAt: undefined });
    if (kind !== undefined) this.#due.push(kind);
  }

  #handleOut(state: Extract<ChooserState, { name: "racing" }>, kind: LineKind, isRefused: boolean): void {
    const runners: Runners = { ...state.runners, [kind]: "out" };
    const isRace = Object.values(runners).some(isRunning);
    const next = this.#kinds.find((each) => runners[each] === "ready");
    if (isRace) {
      this.#machine.enter("failed", { ...state, runners });
    } else if (next === undefined || isRefused) {
      // A server that refuses one kind refuses the other.
      this.#machine.enter("failed", { name: "resting" });
    } else {
      this.#machine.enter("failed", { ...state, runners: { ...runners, [next]: "running" }, hedgeAt: undefined });
      this.#due.push(next);
    }
  }

  /** The kinds to dial, in this order: HTTP first where a WebSocket is in vain, or may be. */
  #order(now: Millis): readonly LineKind[] {
    const isDoubtful = this.#outlook.isBlocked(now) || this.#outlook.isSuspect(now);
    return this.#wantsWebSocket && isDoubtful ? ["http", "websocket"] : this.#kinds;
  }

  /** Whether HTTP is only second best. */
  get #wantsWebSocket(): boolean {
    return this.#kinds[0] === "websocket" && this.#kinds.includes("http");
  }

  #hedgeMs(roundTripTimeMs: Millis | undefined): Millis {
    const known = roundTripTimeMs ?? this.#outlook.roundTripTimeMs;
    if (known === undefined) return HEDGE_MS;
    return Math.min(HEDGE_MAX_MS, Math.max(HEDGE_MIN_MS, HEDGE_ROUND_TRIPS * known));
  }

  #carried(by: LineKind, now: Millis): ChooserState {
    if (by === "http") {
      const tryAt = this.#wantsWebSocket ? now + this.#probeMs(false) : undefined;
      return { name: "carried", by, tryAt, soundAt: undefined };
    }
    const { lifetimeMs } = this.#outlook;
    const tryAt = lifetimeMs === undefined ? undefined : now + lifetimeMs * ROTATION_SHARE - ROTATION_LEAD_MS;
    return { name: "carried", by, tryAt, soundAt: this.#outlook.isBlocked(now) ? now + SOUND_MS : undefined };
  }

  #probeMs(isRefused: boolean): Millis {
    if (isRefused && this.#probes === 0) return RETRY_MS;
    return PROBES_MS[Math.min(this.#probes, PROBES_MS.length - 1)] as Millis;
  }
}

function settled(by: LineKind): ChooserState {
  return { name: "carried", by, tryAt: undefined, soundAt: undefined };
}

function isRunning(runner: Runner): runner is "running" | "greeted" {
  return runner === "running" || runner === "greeted";
}
