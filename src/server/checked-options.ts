import { inspect } from "node:util";
import { SluiceError } from "../core/error.js";
import { checkedPriority, type Priority } from "../core/wire/frame.js";
import type { SluiceServerOptions } from "./options.js";
import { isOrigin } from "./origins.js";
import type { ServerChannelOptions } from "./server-channel.js";

type Check = (value: unknown, name: string) => void;

const isPlainObject = (value: unknown): value is object => typeof value === "object" && value !== null;

const mustBe =
  (what: string, holds: (value: unknown) => boolean): Check =>
  (value, name) => {
    if (!holds(value)) throw usage(`${name} must be ${what}, not ${shown(value)}`);
  };

const aBoolean = mustBe("true or false", (value) => typeof value === "boolean");
const aFunction = mustBe("a function", (value) => typeof value === "function");
const aCount = mustBe("a positive integer", (value) => Number.isSafeInteger(value) && Number(value) > 0);
const anything: Check = () => {};

/** What each option may be. Of those without a check, somebody else looks at the value. */
const CHECKS: Readonly<Record<keyof SluiceServerOptions, Check>> = {
  server: mustBe("an HTTP server", (value) => isPlainObject(value) && "on" in value && "listeners" in value),
  // Node looks at these. A port may be a string, as in `process.env`.
  port: anything,
  host: anything,
  backlog: anything,
  noServer: aBoolean,
  path: mustBe(
    'a path that begins with "/", without a query',
    (value) => value === "" || (typeof value === "string" && /^\/[^?#]*$/.test(value)),
  ),
  origins: requireOrigins,
  authenticate: aFunction,
  plainClients: aBoolean,
  handleProtocols: aFunction,
  verifyClient: aFunction,
  clientTracking: aBoolean,
  perMessageDeflate: anything,
  trace: aFunction,
  maxPayload: aCount,
  identify: aFunction,
  clientAddress: aFunction,
  maxBufferedAmount: aCount,
  highWaterMark: aCount,
  limits: mustBe("an object", isPlainObject),
};

/** Options of `ws` that change nothing here, or nothing that shows. Its `WebSocket` would: there is no class to extend. */
const IGNORED: ReadonlySet<string> = new Set([
  "allowSynchronousEvents",
  "autoPong",
  "closeTimeout",
  "maxBufferedChunks",
  "maxFragments",
  "maxPendingAutoPongs",
  "skipUTF8Validation",
]);

/**
 * A copy of the options, without those that are `null` or `undefined`: these count as not given. A misspelt `authenticate` would
 * let everybody in, so names are looked at, too.
 * @throws SluiceError `ERR_USAGE_ARGUMENT`
 */
export function checkedOptions(options: SluiceServerOptions): SluiceServerOptions {
  if (!isPlainObject(options)) throw usage(`The options must be an object, not ${shown(options)}`);
  const given = Object.entries(options).filter(([, value]) => value !== undefined && value !== null);
  for (const [name, value] of given) {
    if (IGNORED.has(name)) continue;
    if (!Object.hasOwn(CHECKS, name)) throw usage(`A server has no option ${shown(name)}, only ${names(CHECKS)}`);
    CHECKS[name as keyof SluiceServerOptions](value, name);
  }
  return Object.fromEntries(given);
}

/**
 * What the options of a channel say of its priority; `undefined` for nothing.
 * @throws SluiceError `ERR_USAGE_ARGUMENT`
 */
export function priorityOf(options: ServerChannelOptions): Priority | undefined {
  if (!isPlainObject(options)) throw usage(`The options of a channel must be an object, not ${shown(options)}`);
  const { priority, ...others } = options;
  for (const name of Object.keys(others)) throw usage(`A channel has no option ${shown(name)}, only priority`);
  return priority === undefined ? undefined : checkedPriority(priority);
}

/** @throws SluiceError `ERR_USAGE_ARGUMENT` */
export function requireTime(name: string, value: unknown): void {
  if (typeof value === "number" && value >= 0 && value < Number.POSITIVE_INFINITY) return;
  throw usage(`${name} must be a number of milliseconds, not ${shown(value)}`);
}

function requireOrigins(value: unknown): void {
  if (value === "*" || typeof value === "function") return;
  if (!Array.isArray(value)) throw usage(`origins must be a list, "*" or a function, not ${shown(value)}`);
  for (const origin of value) {
    if (isOrigin(origin)) continue;
    const hint = 'write "https://example.com"; for patterns give a function, for every page "*" instead of a list';
    throw usage(`origins has ${shown(origin)}, which no page has as its origin: ${hint}`);
  }
}

function names(record: object): string {
  return Object.keys(record).join(", ");
}

function shown(value: unknown): string {
  return inspect(value, { depth: 0, breakLength: Number.POSITIVE_INFINITY });
}

function usage(message: string): SluiceError {
  return new SluiceError("ERR_USAGE_ARGUMENT", message);
}
