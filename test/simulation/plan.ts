import type { LineKind } from "../../src/core/dial/chooser.js";
import { DEFAULT_LIMITS, type Limits } from "../../src/core/limits.js";
import type { Deed } from "./app.js";
import { makeDeluge } from "./deluge.js";
import type { CutSoon, Fault, Moment, Trouble, TroubleKind } from "./faults.js";
import type { Cut, LineModel } from "./line.js";
import { withinReach } from "./load.js";
import { Random } from "./random.js";

/** What a family of schedules is about. */
export type Profile = (typeof PROFILES)[number];

export const PROFILES = [
  "cuts",
  "line",
  "page",
  "server",
  "handshake",
  "closing",
  "channels",
  "intruders",
  "loss",
  "all",
  "races",
] as const;

/** Profiles before there were more: what a seed means is not to change. */
const SEED_PERIOD = 10;

/** Which kinds of trouble a profile knows, and how often each. */
const KINDS: Record<Exclude<Profile, "all">, Partial<Record<TroubleKind, number>>> = {
  cuts: { cut: 10, duplicate: 2 },
  line: { cut: 3, stall: 6, drop: 3, duplicate: 3, hurry: 1, "repeat-hello": 2 },
  page: { throttle: 3, freeze: 3, suspend: 4, hurry: 2, offline: 1, cut: 2, jump: 1 },
  server: { unreachable: 3, overload: 3, "slow-auth": 2, "slow-check": 2, goaway: 4, cut: 3 },
  handshake: { cut: 6, stall: 2, "slow-auth": 1, hurry: 1, suspend: 1, "repeat-hello": 1 },
  closing: { close: 5, cut: 6, stall: 2, goaway: 3, suspend: 1, duplicate: 1 },
  channels: { cut: 10, stall: 2, goaway: 2, drop: 1, duplicate: 1 },
  races: {
    block: 8,
    cut: 6,
    stall: 4,
    restart: 1,
    "slow-auth": 2,
    "slow-check": 2,
    unreachable: 1,
    overload: 1,
    goaway: 1,
    suspend: 1,
    hurry: 8,
    offline: 1,
    drop: 1,
    duplicate: 2,
    "repeat-hello": 2,
    intruder: 1,
  },
  intruders: { intruder: 12, "repeat-hello": 3, cut: 4, stall: 1 },
  loss: {
    restart: 4,
    refusal: 1,
    unreachable: 2,
    "slow-auth": 1,
    suspend: 2,
    close: 3,
    abort: 2,
    cut: 4,
    stall: 2,
    jump: 1,
    "repeat-hello": 1,
  },
};

/** What an application does within one tick. */
interface DeedGroup {
  readonly at: number;
  readonly end: "client" | "server";
  readonly deeds: readonly Deed[];
  /** Not at once, but from inside of the next `resumed`. */
  readonly onResumed: boolean;
}

/** All of one schedule that is decided before it begins. */
export interface Plan {
  readonly profile: Profile;
  readonly kinds: readonly LineKind[];
  readonly clientLimits: Limits;
  readonly serverLimits: Limits;
  readonly model: LineModel;
  readonly backoff: { readonly baseMs: number; readonly maxMs: number };
  readonly connectTimeoutMs: number;
  /** What the server process may hold, and one principal's sessions there. */
  readonly registry: { readonly processBytesMax: number; readonly principalSessionsMax: number };
  /** How likely a page closes its socket before it has begun to connect. */
  readonly stillbornShare: number;
  readonly deeds: readonly DeedGroup[];
  readonly faults: readonly Fault[];
  readonly closer: "client" | "server";
  /** When the last deed is done. */
  readonly spanMs: number;
}

/** What a full window takes on the slowest line. Acks wait behind it, and the client's patience for them begins at 5 s. */
const SLOWEST_WINDOW_MS = 3000;

/** Where everything happens at about the same time. */
const SHORT: ReadonlySet<Profile> = new Set(["handshake", "closing", "channels"]);

/** Where messages have a time and keys. */
const PERISHABLE: ReadonlySet<Profile> = new Set(["cuts", "line", "page"]);

const MIB = 1024 * 1024;

const USUAL_MESSAGE_BYTES_MAX = 32 * 1024;

export function makePlan(seed: number, random: Random, profile: Profile): Plan {
  return withinReach(withRequests(withLargeMessages(makePlanOfSmallOnes(seed, random, profile), seed), seed));
}

/**
 * One schedule in six goes over HTTP, where it would not anyway, and there batches and acks leave in requests. Drawn by
 * itself, so that it changes nothing else of a story.
 */
function withRequests(plan: Plan, seed: number): Plan {
  const random = new Random(seed ^ 0x2c1b3c6d);
  // A window of two chunks needs minutes for a large message where each waits for requests.
  const isLarge = plan.clientLimits.messageBytesMax > USUAL_MESSAGE_BYTES_MAX;
  if (isLarge || !random.chance(1 / 6)) return plan;
  const requests = { postsMax: random.pick([1, 2] as const), down: random.pick(["sse", "long-poll"] as const) };
  const kinds: readonly LineKind[] = plan.kinds.length > 1 ? plan.kinds : ["http"];
  return { ...plan, kinds, model: { ...plan.model, requests } };
}

function makePlanOfSmallOnes(seed: number, random: Random, profile: Profile): Plan {
  const plan = makeUsualPlan(seed, random, profile);
  // One in twenty of each profile.
  if (profile === "channels" || Math.floor(seed / SEED_PERIOD) % 20 !== 7) return plan;
  const deluge = makeDeluge(random, random.pick(CHANNELS), plan.spanMs);
  return {
    ...plan,
    clientLimits: { ...plan.clientLimits, ...deluge.limits },
    model: { ...plan.model, ...deluge.model },
    // So much that nobody has taken is more than the share of one principal, and a server may let go of who is away (RES-16).
    registry: { ...plan.registry, processBytesMax: 4 * plan.registry.processBytesMax },
    deeds: [...plan.deeds, ...deluge.deeds],
    faults: [...plan.faults, ...deluge.faults],
  };
}

/**
 * In some schedules messages are large, and have to be given room; in others the limit is low, and what is read piece by
 * piece goes beyond it. Drawn by itself, so that it changes nothing else of a story.
 */
function withLargeMessages(plan: Plan, seed: number): Plan {
  const random = new Random(seed ^ 0x1f3d5b79);
  const isLow = random.chance(0.15);
  if (!isLow && !random.chance(0.05)) return plan;
  const limits = isLow ? { messageBytesMax: 6000 } : { messageBytesMax: 128 * 1024, reassemblyBytesMax: 160 * 1024 };
  const resize = (deed: Deed): Deed => {
    if (deed.type !== "send") return deed;
    if (isLow) return deed.as === "source" ? deed : { ...deed, size: Math.min(deed.size, 5900) };
    return random.chance(0.15) ? { ...deed, size: random.between(60_000, 120_000) } : deed;
  };
  return {
    ...plan,
    clientLimits: { ...plan.clientLimits, ...limits },
    serverLimits: { ...plan.serverLimits, ...limits },
    registry: isLow ? plan.registry : { ...plan.registry, processBytesMax: 16 * plan.registry.processBytesMax },
    deeds: plan.deeds.map((group) => ({ ...group, deeds: group.deeds.map(resize) })),
  };
}

function makeUsualPlan(seed: number, random: Random, profile: Profile): Plan {
  const spanMs = random.scale(300, SHORT.has(profile) ? 3000 : profile === "races" ? 120_000 : 20_000);
  const isLossy = profile === "loss";
  const serverLimits = makeLimits(random, isLossy);
  const clientLimits = { ...makeLimits(random, isLossy), handshakeTimeoutMs: random.pick([4000, 10_000]) };
  // A window that takes longer than a line may be silent makes acks late enough to look like death.
  const slowest = Math.max(serverLimits.replayBytesMax, clientLimits.replayBytesMax) / SLOWEST_WINDOW_MS;
  return {
    profile,
    kinds: profile === "races" ? ["websocket", "http"] : ["websocket"],
    serverLimits,
    clientLimits,
    model: {
      delayMs: random.scale(1, profile === "races" && random.chance(0.5) ? 900 : 150),
      jitterMs: random.chance(0.5) ? 0 : random.scale(1, 100),
      bytesPerMs: random.chance(profile === "closing" ? 0.2 : 0.6)
        ? Number.POSITIVE_INFINITY
        : random.scale(slowest, 500),
      // A CLOSE has to wait behind what the transport cannot take yet.
      budgetBytes: profile === "closing" ? 2000 : random.pick([2000, 8000, 128 * 1024]),
    },
    backoff: random.pick([
      { baseMs: 500, maxMs: 15_000 },
      { baseMs: 50, maxMs: 1000 },
    ]),
    registry: {
      processBytesMax: isLossy ? random.pick([4 * MIB, MIB / 4]) : 4 * MIB,
      principalSessionsMax: isLossy ? random.pick([1, 2, 16]) : 16,
    },
    stillbornShare: isLossy ? 0.1 : 0,
    connectTimeoutMs: isLossy ? random.pick([5000, 60_000]) : 1e9,
    deeds:
      profile === "channels" || (profile === "races" && random.chance(0.4))
        ? makeChannelDeeds(random, spanMs)
        : makeDeeds(random, spanMs, PERISHABLE.has(profile)),
    faults: [...firstFaults(seed, random, profile, spanMs), ...makeFaults(random, profile, spanMs)],
    closer: random.pick(["client", "server"]),
    spanMs,
  };
}

function makeLimits(random: Random, isLossy: boolean): Limits {
  const chunkBytes = random.pick([1200, 2048, 4096]);
  const windowBytes = random.pick([2 * chunkBytes, 4 * chunkBytes, 64 * 1024]);
  return {
    ...DEFAULT_LIMITS,
    messageBytesMax: USUAL_MESSAGE_BYTES_MAX,
    batchBytesMax: 4096,
    channelsMax: 8,
    reassemblyBytesMax: random.pick([32 * 1024, 128 * 1024]),
    chunkBytes,
    windowBytes,
    replayBytesMax: windowBytes + random.pick([1, 2, 8]) * chunkBytes,
    resumeWindowMs: isLossy ? random.pick([0, 3000, 20_000]) : 1e8,
    heartbeatMs: random.pick([2000, 25_000]),
    heartbeatGraceMs: random.pick([2000, 10_000]),
    handshakeTimeoutMs: random.pick([3000, 5000]),
  };
}

const CHANNELS = ["", "", "n", "l", "h", "h", "H"];

function makeDeeds(random: Random, spanMs: number, perishes: boolean): Plan["deeds"] {
  const groups: DeedGroup[] = [];
  let sends = 0;
  const isBulky = random.chance(0.3);
  const hasEnds = random.chance(0.3);
  if (random.chance(0.1)) groups.push(makeFlood(random, spanMs));
  while (sends < 20) {
    const deeds: Deed[] = [];
    for (let i = random.between(1, 4); i > 0; i--) {
      const send = makeSend(random, isBulky);
      deeds.push(perishes ? { ...send, ...makePerish(random) } : send);
      sends += 1;
    }
    if (random.chance(0.2)) deeds.push({ type: "cancel" });
    if (hasEnds && random.chance(0.15)) deeds.push({ type: "close-channel", channel: random.pick(CHANNELS) });
    if (random.chance(0.05)) {
      deeds.push({
        type: "prioritize",
        channel: random.pick(CHANNELS),
        priority: random.pick(["high", "normal", "low"]),
      });
    }
    // Some at the very beginning, before there is a connection.
    const at = random.chance(0.15) ? 0 : random.unit() * spanMs;
    groups.push({ at, end: random.pick(["client", "server"]), deeds, onResumed: random.chance(0.05) });
    if (random.chance(0.2))
      groups.push({
        at: random.unit() * spanMs,
        end: random.pick(["client", "server"]),
        deeds: [{ type: "cancel" }],
        onResumed: false,
      });
  }
  return groups;
}

/** Both ends open, use and end the same few channels, over and over, and at about the same time. */
function makeChannelDeeds(random: Random, spanMs: number): Plan["deeds"] {
  const groups: DeedGroup[] = [];
  for (let sends = 0; sends < 20; ) {
    const at = random.unit() * spanMs;
    const channel = random.pick(["n", "h"]);
    for (const end of random.pick([["client"], ["server"], ["client", "server"]] as const)) {
      const send: Deed = {
        type: "send",
        channel,
        size: random.pick([0, 1, 60, 900, 2500]),
        as: random.pick(["bytes", "text"]),
      };
      const deeds: Deed[] = random.chance(0.6) ? [send, { type: "close-channel", channel }] : [send];
      groups.push({ at: Math.min(spanMs, at + random.pick([0, 0, 1, 10, 60])), end, deeds, onResumed: false });
      sends += 1;
    }
  }
  return groups;
}

/** More than may leave before a handshake is done. */
function makeFlood(random: Random, spanMs: number): DeedGroup {
  const deed: Deed = { type: "send", channel: random.pick(CHANNELS), size: 12_000, as: "bytes" };
  const at = random.chance(0.5) ? 0 : random.unit() * spanMs;
  return { at, end: random.chance(0.7) ? "client" : "server", deeds: [deed, deed, deed, deed], onResumed: false };
}

function makeSend(random: Random, isBulky: boolean): Deed {
  const channel = random.pick(CHANNELS);
  const size = random.chance(isBulky ? 0.4 : 0.15)
    ? random.between(1000, 12_000)
    : random.pick([0, 1, 7, 60, 300, 900]);
  const roll = random.unit();
  return { type: "send", channel, size, as: roll < 0.5 ? "bytes" : roll < 0.75 ? "text" : "source" };
}

/** Some have their time, some a key, some both. */
function makePerish(random: Random): { ttl: number | undefined; key: string | undefined } {
  return {
    ttl: random.chance(0.2) ? random.scale(1, 10_000) : undefined,
    key: random.chance(0.2) ? random.pick(["a", "b"]) : undefined,
  };
}

function makeFaults(random: Random, profile: Profile, spanMs: number): Fault[] {
  const weights = profile === "all" ? mixed(random) : KINDS[profile];
  const kinds = (Object.entries(weights) as [TroubleKind, number][]).flatMap(([kind, weight]) =>
    Array<TroubleKind>(weight).fill(kind),
  );
  const faults: Fault[] = [];
  const count = random.between(2, profile === "intruders" ? 10 : 7);
  for (let i = 0; i < count; i++) {
    const trouble = makeTrouble(random, random.pick(kinds));
    faults.push({ moment: makeMoment(random, profile, spanMs), trouble });
  }
  return faults;
}

/** What a profile needs to have happened before chance takes over. */
function firstFaults(seed: number, random: Random, profile: Profile, spanMs: number): Fault[] {
  if (profile === "handshake") return enumerated(seed, random);
  if (profile === "races") return firstRaces(random, spanMs);
  if (profile === "channels") return [...lopsidedCut(random, spanMs), ...lopsidedCut(random, spanMs)];
  if (profile !== "closing" || random.chance(0.4)) return [];
  // A close while there is something to be sent again.
  const moment = {
    line: 2,
    pipe: random.pick(["up", "down"] as const),
    when: "sent",
    count: random.between(1, 5),
  } as const;
  return [firstCut(random), { moment, trouble: makeTrouble(random, "close") }];
}

/** WebSockets are blocked at first, and are tried again when they are not any more; servers take their time meanwhile. */
function firstRaces(random: Random, spanMs: number): Fault[] {
  const forMs = random.scale(100, spanMs / 2);
  const how = random.pick(["fails", "hangs", "silent"] as const);
  const faults: Fault[] = [];
  if (random.chance(0.7)) faults.push({ moment: { at: 0 }, trouble: { kind: "block", how, cut: undefined, forMs } });
  if (random.chance(0.5)) {
    const ms = random.scale(50, 900);
    faults.push({ moment: { at: random.unit() * spanMs }, trouble: { kind: "slow-check", ms, forMs: spanMs } });
  }
  for (let i = random.between(0, 4); i > 0; i--) {
    const at = forMs + random.unit() * (spanMs - forMs);
    faults.push({ moment: { at }, trouble: { kind: "hurry", network: "changed" } });
  }
  return faults;
}

/** One direction of the line holds back what it has for a while, the other does not; then it is cut, and that is lost. */
function lopsidedCut(random: Random, spanMs: number): Fault[] {
  const at = random.unit() * spanMs * 0.8;
  const cut: Cut = { tellClientMs: 0, tellServerMs: undefined, lateMs: undefined };
  return [
    { moment: { at }, trouble: { kind: "stall", pipe: random.pick(["up", "down"]), forMs: spanMs } },
    { moment: { at: at + random.scale(5, 400) }, trouble: { kind: "cut", cut } },
  ];
}

/** Makes the client come back, in the middle of the first exchange. */
function firstCut(random: Random): Fault {
  const moment = {
    line: 1,
    pipe: random.pick(["up", "down"] as const),
    when: "sent",
    count: random.between(4, 12),
  } as const;
  return { moment, trouble: { kind: "cut", cut: { tellClientMs: 0, tellServerMs: undefined, lateMs: undefined } } };
}

/**
 * A cut at each batch of the handshake, of the first one and of a resume, from either side, seen by nobody, by one end or
 * by both: seeds walk through all of them, whatever else happens.
 */
function enumerated(seed: number, random: Random): Fault[] {
  let rest = Math.floor(seed / SEED_PERIOD);
  const pick = <T>(choices: readonly T[]): T => {
    const choice = choices[rest % choices.length] as T;
    rest = Math.floor(rest / choices.length);
    return choice;
  };
  const line = pick([1, 2]);
  const pipe = pick(["up", "down"] as const);
  const when = pick(["sent", "delivered"] as const);
  const count = pick([1, 2, 3, 4, 5, 6]);
  const [tellClientMs, tellServerMs] = pick([
    [0, 0],
    [0, undefined],
    [undefined, 0],
    [undefined, undefined],
  ]);
  const lateMs = pick([undefined, 700]);
  const cut: Fault = {
    moment: { line, pipe, when, count },
    trouble: { kind: "cut", cut: { tellClientMs, tellServerMs, lateMs } },
  };
  return line === 1 ? [cut] : [firstCut(random), cut];
}

/** Swarm testing: each schedule leaves out some kinds, so that the others meet undisturbed. */
function mixed(random: Random): Partial<Record<TroubleKind, number>> {
  const weights: Partial<Record<TroubleKind, number>> = { cut: 2 };
  for (const [profile, kinds] of Object.entries(KINDS)) {
    // What costs sessions hides what must not cost any.
    if (profile === "loss" || profile === "closing" || profile === "races") continue;
    for (const kind of Object.keys(kinds) as TroubleKind[])
      if (random.chance(0.4)) weights[kind] = random.between(1, 3);
  }
  return weights;
}

function makeMoment(random: Random, profile: Profile, spanMs: number): Moment {
  const isHandshake = profile === "handshake" || profile === "closing";
  if (!isHandshake && random.chance(0.6)) return { at: random.unit() * spanMs };
  return {
    line: random.between(1, 4),
    pipe: random.pick(["up", "down"]),
    when: random.pick(["sent", "delivered"]),
    count: isHandshake ? random.between(1, 5) : random.between(1, 20),
  };
}

function makeCut(random: Random): Cut {
  const told = random.pick(["both", "client", "server", "late", "none"]);
  const ms = () => (random.chance(0.5) ? 0 : random.scale(1, 3000));
  return {
    tellClientMs:
      told === "both" || told === "client" ? ms() : told === "late" ? random.scale(1000, 60_000) : undefined,
    tellServerMs:
      told === "both" || told === "server" ? ms() : told === "late" ? random.scale(1000, 60_000) : undefined,
    lateMs: random.chance(0.4) ? random.scale(1, 20_000) : undefined,
  };
}

function makeCutSoon(random: Random): CutSoon {
  return { pipe: random.pick(["up", "down"]), batches: random.between(1, 4), cut: makeCut(random) };
}

function makeTrouble(random: Random, kind: TroubleKind): Trouble {
  const forMs = random.scale(50, 8000);
  switch (kind) {
    case "cut":
      return { kind, cut: makeCut(random) };
    case "stall":
      return { kind, pipe: random.pick(["up", "down", "both"]), forMs: random.scale(50, 40_000) };
    case "unreachable":
      return { kind, how: random.pick(["fails", "hangs", "silent"]), forMs };
    case "block":
      return {
        kind,
        how: random.pick(["fails", "hangs", "silent"]),
        cut: random.chance(0.7) ? makeCut(random) : undefined,
        forMs: random.scale(50, 60_000),
      };
    case "overload":
    case "refusal":
    case "offline":
      return { kind, forMs };
    case "slow-auth":
      return { kind, ms: random.pick([20, 500, 6000, undefined]), forMs };
    case "slow-check":
      return { kind, ms: random.pick([20, 500, 6000]), forMs };
    case "restart":
      return { kind, downMs: random.scale(1, 5000), tellMs: random.chance(0.7) ? random.scale(1, 500) : undefined };
    case "throttle":
      return { kind, gridMs: random.pick([1000, 60_000]), forMs: random.scale(500, 150_000) };
    case "freeze":
    case "suspend":
      return { kind, forMs: random.scale(50, 100_000) };
    case "hurry":
      return { kind, network: random.pick(["same", "changed"]) };
    case "goaway":
      return { kind, delayMs: random.pick([0, 100, 3000]) };
    case "jump":
      return { kind, end: random.pick(["client", "server"]), ms: random.scale(500, 100_000) };
    case "drop":
      return { kind, pipe: random.pick(["up", "down"]) };
    case "duplicate":
      return { kind, batches: random.between(1, 6) };
    case "repeat-hello":
    case "intruder":
      return { kind };
    case "abort":
      return { kind, by: random.pick(["client", "server"]) };
    case "close":
      return {
        kind,
        by: random.pick(["client", "server"]),
        cutSoon: random.chance(0.6) ? makeCutSoon(random) : undefined,
      };
  }
}
