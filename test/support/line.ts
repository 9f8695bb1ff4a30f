import type { Reception } from "../../src/core/registry/reception.js";
import type { Owner } from "../../src/core/registry/registry.js";
import type { ServerSession } from "../../src/core/session/server-session.js";
import type { Millis } from "../../src/core/time.js";
import type { End } from "./end.js";

export type Side = "client" | "server";

/** One transport, from dial to end: who is at its ends, and what has become of it. */
export class Line {
  readonly index: number;
  /** Whom the server takes the client for. */
  readonly owner: Owner;
  /** Whether the server speaks first on it. */
  readonly greets: boolean;
  /** What the client's session calls it; `undefined` for a line that a test speaks on by itself. */
  readonly clientEpoch: number | undefined;
  /** `undefined` where nobody answers. */
  reception: Reception | undefined;
  /** The session that has taken it over, by its epoch there. */
  taker: { readonly end: End<ServerSession>; readonly epoch: number } | undefined;
  /** Nothing gets through any more. */
  isLost = false;
  /** Who has ended it, or has been told that it has ended; who has done so by itself has nothing more to say on it. */
  readonly endedBy = new Set<Side>();
  readonly leftBy = new Set<Side>();
  /** When it is free again for what a side sends, and when the last of it arrives. */
  readonly freeAt: Record<Side, Millis> = { client: 0, server: 0 };
  readonly lastArrivalAt: Record<Side, Millis> = { client: 0, server: 0 };
  /** What the server has said on it, as it has arrived. */
  readonly heard: Uint8Array[] = [];

  constructor(index: number, owner: Owner, clientEpoch: number | undefined, greets = true) {
    this.index = index;
    this.owner = owner;
    this.clientEpoch = clientEpoch;
    this.greets = greets;
  }
}
