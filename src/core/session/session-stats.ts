import type { Exchange } from "./exchange.js";
import type { SessionStats } from "./session-types.js";

/**
 * What is going on, as an application may see it.
 * @param resumes how often another transport has carried the session on
 */
export function statsOf({ sender, outbound, inbound }: Exchange, resumes: number): SessionStats {
  const { bytesPerMs } = outbound.path;
  return {
    roundTripTimeMs: outbound.path.smoothedRoundTripMs,
    bandwidthBitsPerSecond: bytesPerMs === undefined ? undefined : bytesPerMs * 8000,
    windowBytes: outbound.windowBytes,
    inFlightBytes: outbound.inFlightBytes,
    queuedBytes: sender.messages.unsentBytes,
    reassemblyBytes: inbound.reassemblyBytes,
    untakenBytes: inbound.untakenBytes,
    bytesSent: outbound.sentBytes,
    bytesReceived: inbound.receivedBytes,
    resumes,
  };
}
