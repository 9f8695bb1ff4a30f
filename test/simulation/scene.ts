import type { LineKind } from "../../src/core/dial/chooser.js";
import type { Limits } from "../../src/core/limits.js";
import type { Ports } from "../../src/core/ports.js";
import type { Tally } from "./app.js";
import { Ledger } from "./ledger.js";
import type { Line, LineModel } from "./line.js";
import type { Plan } from "./plan.js";
import type { World } from "./world.js";

/** What one schedule has counted. */
export interface Counts extends Tally {
  dials: number;
  resumes: number;
  /** Those of them that went to either kind of line. */
  toHttp: number;
  toWebSocket: number;
  /** Sessions whose client has lost them. */
  lost: number;
  /** Sessions that ended with a close handshake. */
  closed: number;
  /** Requests in which lines over HTTP have carried. */
  requests: number;
  /** Connections of strangers, and HELLOs repeated by the network. */
  intruders: number;
}

/** One session as both applications see it: named by the attempt that it began with. */
export interface Pair {
  readonly attemptKey: string;
  readonly name: string;
  readonly up: Ledger;
  /** What the present server session of this pair has sent; one for each, as a new process knows nothing of the old. */
  down: Ledger;
  /** The server process that has made a session for it. */
  madeBy: number | undefined;
  /** How it has ended for either end; `undefined` while it has not. */
  clientEnd: "clean" | "unclean" | undefined;
  serverEnd: "clean" | "unclean" | undefined;
  /** Whether they know that the other end has asked for the end. */
  clientSawClose: boolean;
  serverSawClose: boolean;
}

/** What dialling leads to at the moment. */
export type Reachability = "ok" | "fails" | "hangs" | "silent";

/** What all parts of one schedule share. */
export interface Scene {
  readonly world: World;
  readonly ports: Ports;
  readonly clientLimits: Limits;
  readonly serverLimits: Limits;
  readonly model: LineModel;
  readonly backoff: { readonly baseMs: number; readonly maxMs: number };
  readonly connectTimeoutMs: number;
  readonly registry: Plan["registry"];
  readonly stillbornShare: number;
  readonly counts: Counts;
  readonly lines: Line[];
  readonly pairs: Map<string, Pair>;
  /** The kinds of line that clients use. */
  readonly kinds: readonly LineKind[];
  reachability: Reachability;
  /** The same for WebSockets alone. */
  webSockets: Reachability;
  /** How long the client takes for its credentials; `undefined` while it never gets them. */
  authMs: number | undefined;
  /** How long the server takes to check them. */
  checkMs: number;
  /** What the server does with clients that come. */
  mood: "open" | "overloaded" | "refusing";
  /** Why sessions may be lost; `undefined` while nothing has happened that could cost one. */
  lossCause: string | undefined;
  /** Whether faults may still happen. */
  isQuiet: boolean;
  /** Called for every line that is dialled: faults that wait for it hang themselves on. */
  onLine: ((line: Line) => void) | undefined;
}

export function newPair(scene: Scene, attemptKey: string): Pair {
  const name = `s${scene.pairs.size + 1}`;
  const up = new Ledger(`${name} up`);
  const pair: Pair = {
    attemptKey,
    name,
    up,
    down: new Ledger(`${name} down`),
    madeBy: undefined,
    clientEnd: undefined,
    serverEnd: undefined,
    clientSawClose: false,
    serverSawClose: false,
  };
  scene.pairs.set(attemptKey, pair);
  return pair;
}
