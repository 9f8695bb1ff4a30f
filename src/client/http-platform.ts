import type { Host } from "../driver/host.js";
import type { HttpPlatform } from "../transport/browser/http-requests.js";
import { isMultiplexed } from "./page-timing.js";
import type { FetchLike } from "./probe.js";

/** What a transport over HTTP needs. */
export function httpPlatform(fetch: FetchLike, host: Host): HttpPlatform {
  return {
    ...host,
    fetch: fetch as unknown as HttpPlatform["fetch"],
    randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
    isMultiplexed,
  };
}
