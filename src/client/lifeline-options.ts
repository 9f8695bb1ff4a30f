import { Outlook } from "../core/dial/outlook.js";
import type { Host } from "../driver/host.js";
import { traceRelay } from "../driver/trace-relay.js";
import { greetedOrigins } from "./greeted-origins.js";
import type { LifelineOptions } from "./lifeline.js";
import { nativeOf } from "./native-web-socket.js";
import {
  boundsOf,
  dialOf,
  fetchOf,
  limitsOf,
  modeOf,
  onSessionLostOf,
  type SluiceSocketOptions,
  storageOf,
  traceOf,
  webSocketOf,
} from "./options.js";
import { outlookMemory } from "./outlook-memory.js";
import type { TaskQueue } from "./platform.js";
import { transportsOf } from "./transports.js";
import { parseProtocols } from "./url.js";

/**
 * What the arguments of a socket's constructor ask for, all of it checked before anything is dialled.
 * @param url as `parseUrl` gives it
 * @throws DOMException `SyntaxError` for a bad protocol; SluiceError `ERR_USAGE_ARGUMENT` for a bad option
 */
export function lifelineOptionsOf(
  url: string,
  protocols: string | string[],
  options: SluiceSocketOptions,
  host: Host,
  tasks: TaskQueue,
): LifelineOptions {
  const limits = limitsOf(options);
  const trace = traceOf(options);
  const platform = { WebSocket: nativeOf(webSocketOf(options)), fetch: fetchOf(options) };
  const { kinds, downlink } = transportsOf(options.transports, platform);
  const outlook = new Outlook(outlookMemory(storageOf(options), url), host.now());
  return {
    url,
    protocols: parseProtocols(protocols),
    limits,
    bounds: boundsOf(options),
    dial: { ...dialOf(options), kinds, outlook },
    onSessionLost: onSessionLostOf(options),
    auth: options.auth,
    mode: modeOf(options),
    ...platform,
    downlink,
    // A browser gives each message a task of its own; libraries that stand in for it may not.
    inTask: (event: { readonly isTrusted?: boolean }, run: () => void) =>
      event.isTrusted === true ? tasks.within(run) : run(),
    greeted: greetedOrigins,
    host,
    trace: trace && traceRelay(trace, host),
  };
}
