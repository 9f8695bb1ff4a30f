import type { Trace, TraceEvent } from "../core/trace.js";
import type { Host } from "./host.js";

/**
 * Gives the events of an engine to the application, in a microtask: the engine must not be called back while it works.
 * What `trace` throws is reported as what any callback throws, and costs nobody an event.
 */
export function traceRelay(trace: Trace, host: Host): Trace {
  let events: TraceEvent[] = [];
  const flush = () => {
    const told = events;
    events = [];
    for (const event of told) {
      try {
        trace(event);
      } catch (error) {
        host.report(error);
      }
    }
  };
  return (event) => {
    if (events.length === 0) host.defer(flush);
    events.push(event);
  };
}
