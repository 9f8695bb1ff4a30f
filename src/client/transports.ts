import type { LineKind } from "../core/dial/chooser.js";
import { SluiceError } from "../core/error.js";
import type { DownlinkChoice } from "../transport/browser/http-downlink.js";
import type { TransportName } from "../transport/transport.js";
import { httpMaker } from "./http-kind.js";

/** How a client may connect. */
export interface TransportChoice {
  /** The kinds of transport, the most wanted first; never empty. */
  readonly kinds: readonly LineKind[];
  /** How batches come down over HTTP. */
  readonly downlink: DownlinkChoice;
}

const NAMES: readonly TransportName[] = ["websocket", "sse", "long-poll"];

/**
 * What the option `transports` asks for, and the platform has. What it does not have is left out, unless nothing would be
 * left: then the attempt says what is missing.
 * @throws SluiceError `ERR_USAGE_ARGUMENT`
 */
export function transportsOf(
  transports: unknown,
  platform: { readonly WebSocket: unknown; readonly fetch: unknown },
): TransportChoice {
  const wanted = transports === undefined ? NAMES : namesOf(transports);
  const kinds = [...new Set(wanted.map(kindOf))];
  const has = { websocket: platform.WebSocket !== undefined, http: platform.fetch !== undefined && httpMaker() };
  const usable = kinds.filter((kind) => has[kind]);
  if (usable.length === 0 && !kinds.includes("websocket")) {
    throw new SluiceError("ERR_USAGE_ARGUMENT", "HTTP alone needs `fetch`, and is not in sluice/websocket");
  }
  return {
    kinds: usable.length > 0 ? usable : ["websocket"],
    downlink: downlinkOf(wanted),
  };
}

/** What is not named is not used. Polls that are wanted more need nothing to fall back to. */
function downlinkOf(wanted: readonly TransportName[]): DownlinkChoice {
  const first = wanted.find((name) => name !== "websocket");
  return first === "sse" && !wanted.includes("long-poll") ? "sse" : first === "long-poll" ? "long-poll" : "auto";
}

function kindOf(name: TransportName): LineKind {
  return name === "websocket" ? "websocket" : "http";
}

function namesOf(value: unknown): readonly TransportName[] {
  const isList = Array.isArray(value) && value.length > 0 && value.every((name) => NAMES.includes(name));
  if (isList) return value;
  throw new SluiceError("ERR_USAGE_ARGUMENT", `transports must be a list of ${NAMES.join(", ")}, not ${String(value)}`);
}

/** Statuses by which a server says that it takes no line of ours, now or later. Others come from proxies, or pass. */
const FOREIGN_STATUSES: ReadonlySet<number> = new Set([400, 404, 405, 406, 410, 411, 415, 501]);

/** Whether who has answered so is no Sluice server. */
export function isForeign(httpStatus: number | undefined): boolean {
  return httpStatus !== undefined && FOREIGN_STATUSES.has(httpStatus);
}
