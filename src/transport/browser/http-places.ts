/**
 * Over HTTP/1.1 a browser makes six connections to a server, for all tabs together. So many of them may be held by lines that
 * wait for something to come down; one more serves all other lines, in turn. The rest is for requests that end soon.
 */
const PLACES = 3;

/** Who may hold a connection, among the pages of an origin. */
export interface Places {
  /** Calls `onTaken` when a place is free, later. Returns what gives it back, or the wish up. */
  take(onTaken: () => void): () => void;
  /** Likewise for the turn to poll, which one line at a time has. */
  takeTurn(onTaken: () => void): () => void;
}

/**
 * The places at the server of `url`; `undefined` where nothing keeps pages from using up connections: outside of browsers, and
 * in insecure contexts, which have no Web Locks.
 */
export function browserPlaces(url: string): Places | undefined {
  const scope = globalThis as { document?: unknown; WorkerGlobalScope?: unknown; navigator?: Navigator };
  if (scope.document === undefined && scope.WorkerGlobalScope === undefined) return undefined;
  const locks = scope.navigator?.locks as LockManager | undefined;
  return locks === undefined ? undefined : lockedPlaces(locks, new URL(url.replace(/^ws/, "http")).origin);
}

/** Web Locks are given back when a page is gone, however that happens. */
export function lockedPlaces(locks: LockManager, origin: string): Places {
  const names = Array.from({ length: PLACES }, (_, index) => `sluice:${origin}:${index}`);
  return {
    take(onTaken) {
      let isTaken = false;
      const taken = (): void => {
        if (!isTaken) onTaken();
        isTaken = true;
      };
      const ends = [takeLock(locks, names, taken), whenShared(origin, taken)];
      return () => {
        isTaken = true;
        for (const end of ends) end();
      };
    },
    takeTurn: (onTaken) => takeLock(locks, [`sluice:${origin}:turn`], onTaken),
  };
}

/** Takes the first of `names` that is free. */
function takeLock(locks: LockManager, names: readonly string[], onTaken: () => void): () => void {
  const wish = new AbortController();
  let giveBack: (() => void) | undefined;
  let isOver = false;
  const taken = (): Promise<void> | undefined => {
    if (isOver || giveBack !== undefined) return undefined;
    const held = new Promise<void>((resolve) => {
      giveBack = resolve;
    });
    wish.abort();
    onTaken();
    return held;
  };
  for (const name of names) {
    locks.request(name, { signal: wish.signal }, taken).catch(() => {
      // Forbidden, as in a sandbox: as where there are none.
      if (!wish.signal.aborted) void taken();
    });
  }
  return () => {
    isOver = true;
    wish.abort();
    giveBack?.();
  };
}

/** Origins whose requests share a connection, as this page has seen. */
const shared = new Set<string>();

/** Calls `run` when a request to `origin` has shown that it goes over HTTP/2 or HTTP/3, which need no places. */
function whenShared(origin: string, run: () => void): () => void {
  if (shared.has(origin)) queueMicrotask(run);
  if (shared.has(origin) || !origin.startsWith("https:")) return () => {};
  // What other origins do not tell (`Timing-Allow-Origin`) is an empty string.
  const observer = new PerformanceObserver((list) => {
    const entries = list.getEntries() as PerformanceResourceTiming[];
    const isShared = entries.some(
      (entry) => entry.name.startsWith(`${origin}/`) && /^h[23]/.test(entry.nextHopProtocol),
    );
    if (!isShared) return;
    observer.disconnect();
    shared.add(origin);
    run();
  });
  observer.observe({ type: "resource", buffered: true });
  return () => observer.disconnect();
}

/** A line's place, from when it is wanted until it is given back. */
export class Place {
  readonly #places: Places | undefined;
  readonly #onHeld: () => void;
  #state: "unwanted" | "wanted" | "held" | "over" = "unwanted";
  #release: () => void = () => {};
  #endTurn: () => void = () => {};

  /** @param onHeld called when it is, unless that was so from the start */
  constructor(places: Places | undefined, onHeld: () => void) {
    this.#places = places;
    this.#onHeld = onHeld;
  }

  claim(): void {
    if (this.#places === undefined) {
      this.#state = "held";
      return;
    }
    this.#state = "wanted";
    this.#release = this.#places.take(() => {
      if (this.#state !== "wanted") return;
      this.#state = "held";
      this.#onHeld();
      this.#endTurn();
    });
  }

  /** Resolves to what ends the turn to poll, when that has come; to `undefined` when none is needed any more. */
  turn(): Promise<(() => void) | undefined> {
    const places = this.#places;
    if (places === undefined || this.#state !== "wanted") return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const end = places.takeTurn(() => {
        this.#endTurn = () => {};
        resolve(end);
      });
      this.#endTurn = () => {
        end();
        resolve(undefined);
      };
    });
  }

  release(): void {
    this.#state = "over";
    this.#release();
    this.#endTurn();
  }

  get isHeld(): boolean {
    return this.#state === "held";
  }
}
