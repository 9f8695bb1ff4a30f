import type { Host } from "../driver/host.js";

/** What a probe asks for, and what only a Sluice server answers with (NEG-10). */
const PROBE_TYPE = "application/vnd.sluice";

/** A server that has not answered by then has not answered. Arbitrary. */
const PROBE_TIMEOUT_MS = 3000;

/** Statuses of proxies and servers that cannot say what stands behind them, or not now. */
const NO_ANSWER: ReadonlySet<number> = new Set([407, 408, 425, 429, 502, 503, 504, 511]);

/** What is known of a server: `other` is any server that answers, and not as ours does. */
export type ProbeAnswer = "sluice" | "other" | "unknown";

/** The part of `fetch` that is used, so that tests can inject another. */
export type FetchLike = (
  url: string,
  init: {
    readonly headers?: Record<string, string>;
    readonly mode?: "no-cors";
    readonly credentials: "include";
    readonly cache: "no-store";
    readonly redirect: "manual" | "follow";
    readonly signal: AbortSignal;
  },
) => Promise<{
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  /** Of another `fetch` it may be something else. */
  readonly body?: { cancel?(): Promise<void> } | null;
}>;

/**
 * Asks a server over HTTP whether it is a Sluice server. Never rejects, and takes 3 s at the most.
 *
 * A page may not read what another origin answers, unless that lets it; ours does so for every page whose WebSocket it
 * takes. So where an answer cannot be read, it is enough to know that there was one: a second request, whose answer nobody
 * reads, tells that from a network that answers nothing.
 */
export async function probe(
  fetch: FetchLike | undefined,
  url: string,
  host: Pick<Host, "setTimer">,
): Promise<ProbeAnswer> {
  if (fetch === undefined) return "unknown";
  const abort = new AbortController();
  const stop = host.setTimer(() => abort.abort(), PROBE_TIMEOUT_MS);
  // `ws:` becomes `http:`, and `wss:` `https:`.
  const target = url.replace(/^ws/, "http");
  const common = { credentials: "include", cache: "no-store", signal: abort.signal } as const;
  try {
    const headers = { Accept: PROBE_TYPE };
    const response = await fetch(target, { ...common, headers, redirect: "manual" }).catch(() => undefined);
    if (response === undefined) {
      const isAnswered = await fetch(target, { ...common, mode: "no-cors", redirect: "follow" }).then(
        discard,
        () => false,
      );
      return isAnswered ? "other" : "unknown";
    }
    discard(response);
    if (response.headers.get("content-type")?.startsWith(PROBE_TYPE)) return "sluice";
    return NO_ANSWER.has(response.status) ? "unknown" : "other";
  } catch {
    return "unknown";
  } finally {
    stop();
  }
}

/** Lets the connection go; nobody reads the rest. */
function discard({ body }: Awaited<ReturnType<FetchLike>>): true {
  body?.cancel?.().catch(() => {});
  return true;
}
