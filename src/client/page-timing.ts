/** What is read of a `PerformanceResourceTiming`. Browsers that know less leave out the rest. */
type Timing = Partial<
  Pick<
    PerformanceResourceTiming,
    | "name"
    | "connectStart"
    | "connectEnd"
    | "secureConnectionStart"
    | "requestStart"
    | "responseStart"
    | "transferSize"
    | "nextHopProtocol"
  >
>;

/** Times that nobody has waited for say nothing of a line, ms. */
const ROUND_TRIP_MAX_MS = 60_000;

/** Who answers sooner may be a proxy on this side of the line, ms: an antivirus product, that of an office, the edge of a CDN. */
const NEARBY_MS = 10;

/** A server takes as long as it takes; where nothing else is known, this much of it is believed, ms. Arbitrary. */
const ANSWER_MAX_MS = 150;

/**
 * The round trip to the origin of `url`, ms, as the browser has measured it for the page and what belongs to it (Navigation
 * Timing, Resource Timing); `undefined` where it has nothing to tell, as in Node, or on a page of another origin that is not
 * allowed to know (`Timing-Allow-Origin`).
 *
 * Opening a TCP connection takes one round trip. Where each request has found one open, or a proxy near by has opened it,
 * the first byte of an answer comes after one, and what the server takes.
 */
export function measuredRoundTripMs(url: string): number | undefined {
  const { host } = new URL(url);
  // The name is a URL as the standard writes it, so that the beginning tells.
  const origins = [`http://${host}/`, `https://${host}/`];
  const timings = entries().filter(({ name = "" }) => origins.some((origin) => name.startsWith(origin)));
  const connectMs = shortest(timings.map(connectMsOf), NEARBY_MS);
  const answerMs = shortest(timings.map(answerMsOf), 0);
  if (connectMs === undefined) return answerMs === undefined ? undefined : Math.min(answerMs, ANSWER_MAX_MS);
  return Math.min(connectMs, answerMs ?? connectMs);
}

/**
 * Whether the newest request to `url`, written as the standard writes it, has gone over HTTP/2 or HTTP/3, where all those to
 * an origin share a connection; `false` where the browser does not tell (see above), or has no room for more entries.
 */
export function isMultiplexed(url: string): boolean {
  const newest = entries()
    .filter(({ name }) => name === url)
    .pop();
  // Drafts have names like h3-29.
  return /^h[23]/.test(newest?.nextHopProtocol ?? "");
}

function entries(): readonly Timing[] {
  // A worker has no navigation, and old browsers have nothing at all.
  const { performance } = globalThis as { performance?: Partial<Performance> };
  try {
    return ["navigation", "resource"].flatMap((type) => (performance?.getEntriesByType?.(type) ?? []) as Timing[]);
  } catch {
    return [];
  }
}

/** Without the TLS handshake. 0 where the connection was open already. */
function connectMsOf({ connectStart = 0, connectEnd = 0, secureConnectionStart = 0 }: Timing): number {
  return (secureConnectionStart > 0 ? secureConnectionStart : connectEnd) - connectStart;
}

/** What comes out of the browser's own cache has transferred nothing, and has not been waited for. */
function answerMsOf({ requestStart = 0, responseStart = 0, transferSize = 0 }: Timing): number {
  return transferSize > 0 && requestStart > 0 ? responseStart - requestStart : 0;
}

/** Of those that are longer than `floorMs`. */
function shortest(times: readonly number[], floorMs: number): number | undefined {
  const known = times.filter((ms) => ms > floorMs && ms < ROUND_TRIP_MAX_MS);
  return known.length === 0 ? undefined : Math.min(...known);
}
