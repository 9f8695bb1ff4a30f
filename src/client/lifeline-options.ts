import type { LineKind } from "../core/dial/chooser.js";
import type { DialOptions } from "../core/dial/dialer.js";
import { Outlook } from "../core/dial/outlook.js";
import type { Limits } from "../core/limits.js";
import type { Trace } from "../core/trace.js";
import type { Host } from "../driver/host.js";
import type { SendBounds } from "../driver/send-bounds.js";
import { traceRelay } from "../driver/trace-relay.js";
import type { DownlinkChoice } from "../transport/browser/http-downlink.js";
import type { EventTask, WebSocketConstructor } from "../transport/browser/websocket.js";
import { type GreetedOrigins, greetedOrigins } from "./greeted-origins.js";
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
import { outlookMemory, type StorageLike } from "./outlook-memory.js";
import type { FetchLike } from "./probe.js";
import type { TaskQueue } from "./task-queue.js";
import { transportsOf } from "./transports.js";
import { parseProtocols } from "./url.js";

/** How a client dials, and what it goes by. */
export interface LifelineOptions {
  readonly url: string;
  /** The application's own, most wanted first. */
  readonly protocols: readonly string[];
  readonly limits: Limits;
  readonly bounds: SendBounds;
  readonly dial: DialOptions;
  readonly onSessionLost: "reopen" | "close";
  /** What `authenticate` gets, or what gives it. */
  readonly auth: unknown;
  readonly mode: "auto" | "framed" | "plain";
  /** How batches come down over HTTP. */
  readonly downlink: DownlinkChoice;
  readonly WebSocket: WebSocketConstructor | undefined;
  /** What messages of a WebSocket are handled in. */
  readonly task?: EventTask;
  readonly fetch: FetchLike | undefined;
  /** Where a Sluice server is known to be. */
  readonly greeted: GreetedOrigins;
  readonly host: Host;
  /** Is told what every framed session does. */
  readonly trace?: Trace | undefined;
}

/** What does not depend on the URL. */
type CheckedOptions = Omit<LifelineOptions, "url" | "protocols" | "task" | "greeted" | "host"> & {
  readonly kinds: readonly LineKind[];
  readonly storage: StorageLike | undefined;
};

/**
 * What options ask for, all of it checked, without what depends on the URL.
 * @throws SluiceError `ERR_USAGE_ARGUMENT`
 */
export function checkedOptions(options: SluiceSocketOptions): CheckedOptions {
  const platform = { WebSocket: nativeOf(webSocketOf(options)), fetch: fetchOf(options) };
  return {
    ...platform,
    ...transportsOf(options.transports, platform),
    limits: limitsOf(options),
    bounds: boundsOf(options),
    dial: dialOf(options),
    onSessionLost: onSessionLostOf(options),
    auth: options.auth,
    mode: modeOf(options),
    storage: storageOf(options),
    trace: traceOf(options),
  };
}

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
  const { kinds, storage, trace, ...checked } = checkedOptions(options);
  const outlook = new Outlook(outlookMemory(storage, url), host.now());
  return {
    ...checked,
    url,
    protocols: parseProtocols(protocols),
    dial: { ...checked.dial, kinds, outlook },
    // A browser gives each message a task of its own; libraries that stand in for it may not.
    task: {
      within: (event, run, followers) => (event.isTrusted === true ? tasks.within(run, followers) : run()),
      follow: (isLast) => tasks.follow(isLast),
    },
    greeted: greetedOrigins,
    host,
    trace: trace && traceRelay(trace, host),
  };
}
