import type { Ports } from "../../src/core/ports.js";
import { ClientHost } from "./client-host.js";
import { Faults, type TroubleKind } from "./faults.js";
import type { Note } from "./ledger.js";
import { CALM_MS } from "./load.js";
import { makePlan, type Plan, type Profile } from "./plan.js";
import type { Counts, Scene } from "./scene.js";
import type { Guest } from "./server-host.js";
import { Violation, World } from "./world.js";

/** An orderly close on a sound line takes this at the most. */
const CLOSE_MS = 20_000;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export interface Outcome {
  readonly profile: Profile;
  readonly counts: Counts;
  readonly struck: Partial<Record<TroubleKind, number>>;
  readonly steps: number;
  /** How long it took until all was well again, ms. */
  readonly calmMs: number;
}

/** Plays one schedule. @throws Violation */
export function playSchedule(seed: number, profile: Profile, tell?: (line: string) => void): Outcome {
  const world = new World(seed);
  if (tell !== undefined) world.tell = (line) => tell(`${world.now.toFixed(1).padStart(10)}  ${line}`);
  const plan = makePlan(seed, world.random, profile);
  const scene = makeScene(world, plan);
  const faults = new Faults(scene, plan.faults);
  const client = new ClientHost(scene, () => faults.server);
  faults.start(client);
  perform(scene, plan, faults, client);

  world.run(plan.spanMs);
  client.doTheRest();
  faults.complete();
  faults.stop();
  const calmedAt = world.now;
  if (!world.run(calmedAt + CALM_MS, () => isSettled(client, faults))) throw unsettled(client, faults);
  const calmMs = world.now - calmedAt;
  checkAllArrived(client);
  closeAndClear(scene, plan, faults, client);
  for (const { up, down } of scene.lines) scene.counts.requests += up.requestsCount + down.requestsCount;
  return { profile, counts: scene.counts, struck: faults.struck, steps: world.steps, calmMs };
}

function makeScene(world: World, plan: Plan): Scene {
  const ports: Ports = {
    encodeUtf8: (text) => encoder.encode(text),
    decodeUtf8: decode,
    readText: decode,
    random: () => world.random.unit(),
  };
  return {
    world,
    ports,
    clientLimits: plan.clientLimits,
    serverLimits: plan.serverLimits,
    model: plan.model,
    backoff: plan.backoff,
    connectTimeoutMs: plan.connectTimeoutMs,
    registry: plan.registry,
    stillbornShare: plan.stillbornShare,
    counts: {
      messages: 0,
      received: 0,
      cancelled: 0,
      expired: 0,
      superseded: 0,
      dials: 0,
      resumes: 0,
      toHttp: 0,
      toWebSocket: 0,
      lost: 0,
      closed: 0,
      requests: 0,
      intruders: 0,
    },
    lines: [],
    pairs: new Map(),
    kinds: plan.kinds,
    reachability: "ok",
    webSockets: "ok",
    authMs: 0,
    checkMs: 0,
    mood: "open",
    lossCause: plan.profile === "loss" ? "window" : undefined,
    isQuiet: false,
    onLine: undefined,
  };
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

function perform(scene: Scene, plan: Plan, faults: Faults, client: ClientHost): void {
  for (const { at, end, deeds, onResumed } of plan.deeds) {
    scene.world.at(at, () => {
      if (end === "client") {
        if (onResumed) for (const deed of deeds) client.doWhenResumed(deed);
        else client.do(deeds);
        return;
      }
      const guest = guestOf(client, faults);
      if (guest === undefined || guest.session.isClosing) faults.server.deeds.push(...deeds);
      else guest.do(deeds);
    });
  }
}

/** The server's end of the client's present session. */
function guestOf(client: ClientHost, faults: Faults): Guest | undefined {
  for (const guest of faults.server.guests) if (guest.pair === client.pair) return guest;
  return undefined;
}

/** Whether both ends have the session, and nobody waits for anything. */
function isSettled(client: ClientHost, faults: Faults): boolean {
  if (!client.isAttached || client.pair.up.pendingCount > 0 || client.pair.down.pendingCount > 0) return false;
  const guest = guestOf(client, faults);
  // A line that has died unnoticed has yet to be found out.
  if (client.line?.isSound !== true || guest?.line !== client.line) return false;
  return guest?.isAttached === true && guest.isConfirmed && !guest.session.isClosing && !client.session.isClosing;
}

function unsettled(client: ClientHost, faults: Faults): Violation {
  const { up, down, name } = client.pair;
  const guest = guestOf(client, faults);
  const ends = `client ${client.isAttached ? "attached" : "detached"}, server ${guest?.isAttached ? "attached" : "not"}`;
  return new Violation(
    "liveness",
    `${name}: ${ends}, ${up.pendingCount} messages up and ${down.pendingCount} down wait`,
  );
}

/** On the session that is there at the end nothing may have been lost. */
function checkAllArrived({ pair }: ClientHost): void {
  for (const ledger of [pair.up, pair.down]) {
    for (const note of ledger.notes) {
      if (isTakenBack(note) || (note.fate === "delivered" && note.isReceived)) continue;
      throw new Violation("fate", `${ledger.name}: message ${note.id} is ${note.fate} on a session that was not lost`);
    }
  }
}

/** Where both ends say that a close handshake was the end, everything has come. */
function checkCleanEnds(scene: Scene, profile: Profile): void {
  for (const pair of scene.pairs.values()) {
    const { clientEnd, serverEnd } = pair;
    // Who has heard CLOSE, and ends unclean where the other end has ended clean, has lost nothing but the news of it.
    // In other profiles processes die and applications abort.
    const isOrderly = profile === "closing";
    const isClientLate = serverEnd === "clean" && pair.clientSawClose && clientEnd === "unclean";
    const isServerLate = clientEnd === "clean" && pair.serverSawClose && serverEnd === "unclean";
    if (isOrderly && isClientLate) throw halfClean(`${pair.name} client`);
    if (isOrderly && isServerLate) throw halfClean(`${pair.name} server`);
    if (clientEnd !== "clean" || serverEnd !== "clean") continue;
    for (const ledger of [pair.up, pair.down]) {
      const lost = ledger.notes.find((note) => !note.isReceived && !isTakenBack(note));
      if (lost !== undefined)
        throw new Violation("close", `${ledger.name}: ${lost.id} (${lost.fate}) is lost in a clean end`);
    }
  }
}

/** Whether its own end has dropped it. */
/** By its sender, or by the far end as it may: too large, or not gone on for too long. */
function isTakenBack({ fate }: Note): boolean {
  return ["cancelled", "expired", "superseded", "too-large", "refused"].includes(fate);
}

function halfClean(who: string): Violation {
  return new Violation("close", `${who} has heard CLOSE and ends in an error, the other end does not`);
}

/** Ends the session in good order; nothing may be left of it. */
function closeAndClear(scene: Scene, plan: Plan, faults: Faults, client: ClientHost): void {
  const { world, counts } = scene;
  client.reopens = false;
  const before = counts.closed;
  const guest = guestOf(client, faults) as Guest;
  if (plan.closer === "client") client.close(1000);
  else guest.close(1000);
  const isClosed = () => client.session.isClosed && guest.isClosed;
  if (!world.run(world.now + CLOSE_MS, isClosed)) throw new Violation("liveness", "the session does not close");
  if (counts.closed !== before + 1) throw new Violation("close", "an orderly close ends in an error");
  checkAllArrived(client);
  // Sessions that were lost elsewhere, and what is remembered of all of them, go in their own time.
  world.run(world.now + 2 * plan.serverLimits.resumeWindowMs + 2 * CALM_MS);
  checkCleanEnds(scene, plan.profile);
  checkBaseline(faults, client);
}

function checkBaseline(faults: Faults, client: ClientHost): void {
  const { registry, guests, visitsCount } = faults.server;
  const rest = {
    "a deadline of the client": client.hasDeadline ? 1 : 0,
    "bytes of the client": client.session.heldBytes,
    "bytes of the registry": registry.heldBytes,
    "sessions of the registry": registry.size,
    "parked sessions": registry.parkedCount,
    "attempts remembered": registry.attemptsCount,
    "a deadline of the registry": registry.nextDeadline() === undefined ? 0 : 1,
    "sessions of the server": guests.size,
    connections: visitsCount,
  };
  for (const [what, count] of Object.entries(rest)) {
    if (count !== 0) throw new Violation("baseline", `${count} left: ${what}`);
  }
}
