// @ts-check
/** What stands between a browser and a server, and which transport has to end up carrying the session. */
import { createHttpFaultProxy } from "../support/http-fault-proxy.mjs";
import * as faults from "./faults.mjs";
import {
  NGINX_HOST,
  NGINX_UPGRADE,
  startForwardSquid,
  startHaproxy,
  startNginx,
  startReverseSquid,
  startTinyproxy,
} from "./programs.mjs";

/**
 * @typedef {{ port: number }} Place on 127.0.0.1
 *
 * @typedef {object} Pace how the messages are spread over the time, beyond what the cell takes anyway
 * @property {number} rounds
 * @property {number} pauseMs between them; nothing is sent meanwhile, by the application
 *
 * @typedef {object} Cell
 * @property {string} name
 * @property {string} [program] what has to be installed for it
 * @property {(target: Place) => Promise<Place & { close: () => Promise<void> }>} start what stands in between
 * @property {boolean} [isForward] the browser knows of it
 * @property {"websocket" | "sse" | "long-poll"} transport
 * @property {Pace} [pace]
 * @property {boolean} [namesPages] the server is told the origin of its pages, as their host does not reach it
 */

/** Around an intermediary that ends what is idle for 3 or 4 s: long enough, often enough, to find out. */
const IDLE = { rounds: 6, pauseMs: 5500 };

/**
 * @param {string} name
 * @param {Cell["transport"]} transport
 * @param {string} location
 * @param {Pace} [pace]
 * @returns {Cell}
 */
function nginx(name, transport, location, pace) {
  const start = (/** @type {Place} */ target) => startNginx(target, `${NGINX_HOST} ${location}`);
  return { name: `nginx, ${name}`, program: "nginx", transport, start, ...(pace === undefined ? {} : { pace }) };
}

/**
 * @param {string} name
 * @param {Cell["transport"]} transport
 * @param {Parameters<typeof startHaproxy>[1]} lines
 * @param {Pace} [pace]
 * @returns {Cell}
 */
function haproxy(name, transport, lines, pace) {
  const start = (/** @type {Place} */ target) => startHaproxy(target, lines);
  return { name: `HAProxy, ${name}`, program: "haproxy", transport, start, ...(pace === undefined ? {} : { pace }) };
}

/**
 * @param {string} name
 * @param {Cell["transport"]} transport
 * @param {faults.Fault} fault
 * @param {Pace} [pace]
 * @returns {Cell}
 */
function faulty(name, transport, fault, pace) {
  const start = async (/** @type {Place} */ target) => {
    const proxy = await createHttpFaultProxy(target);
    fault(proxy);
    return proxy;
  };
  return { name, transport, start, ...(pace === undefined ? {} : { pace }) };
}

const IS_UPGRADE = "acl is_upgrade hdr(Upgrade) -i websocket";

/** @type {Cell[]} */
const NGINX_CELLS = [
  nginx("upgrade headers", "websocket", NGINX_UPGRADE),
  nginx("no upgrade headers", "sse", ""),
  nginx("403 on upgrade", "sse", `if ($http_upgrade) { return 403; }${NGINX_UPGRADE}`),
  nginx("proxy_read_timeout 3s", "websocket", `${NGINX_UPGRADE} proxy_read_timeout 3s;`, IDLE),
  nginx("no upgrade headers, proxy_read_timeout 3s", "sse", "proxy_read_timeout 3s;", { rounds: 4, pauseMs: 4000 }),
  nginx("proxy_read_timeout 75s", "websocket", `${NGINX_UPGRADE} proxy_read_timeout 75s;`, {
    rounds: 3,
    pauseMs: 4000,
  }),
  nginx("gzip for event streams", "sse", "gzip on; gzip_types text/event-stream; gzip_proxied any;"),
  nginx(
    "gzip for event streams, X-Accel-Buffering ignored",
    "long-poll",
    "gzip on; gzip_types text/event-stream; gzip_proxied any; proxy_ignore_headers X-Accel-Buffering;",
  ),
  nginx("client_max_body_size 100k", "sse", "client_max_body_size 100k;"),
  nginx("client_max_body_size 20k", "sse", "client_max_body_size 20k;"),
  nginx("proxy_buffering on", "sse", "proxy_buffering on;"),
  {
    ...nginx("no Host, but origins", "websocket", ""),
    start: (target) => startNginx(target, NGINX_UPGRADE),
    namesPages: true,
  },
];

/** @type {Cell[]} */
const HAPROXY_CELLS = [
  haproxy("timeout tunnel 1h", "websocket", { defaults: "  timeout tunnel 1h" }, { rounds: 3, pauseMs: 5500 }),
  haproxy("no timeout tunnel", "websocket", {}, IDLE),
  haproxy("Upgrade denied", "sse", { frontend: `  ${IS_UPGRADE}\n  http-request deny if is_upgrade` }),
  haproxy("Upgrade stripped", "sse", { frontend: "  http-request del-header Upgrade" }),
  haproxy(
    "Upgrade stripped, no http-no-delay",
    "long-poll",
    { defaults: "  no option http-no-delay", frontend: "  http-request del-header Upgrade" },
    { rounds: 30, pauseMs: 100 },
  ),
  haproxy("silent-drop", "sse", { frontend: `  ${IS_UPGRADE}\n  http-request silent-drop if is_upgrade` }),
  haproxy("tarpit", "sse", { frontend: `  ${IS_UPGRADE}\n  http-request tarpit if is_upgrade` }),
  haproxy("101 replaced", "sse", {
    backend: '  http-response return status 502 content-type text/html string "<h1>no</h1>" if { status 101 }',
  }),
];

/** @type {Cell[]} */
const SQUID_CELLS = [
  { name: "Squid, reverse", program: "squid", transport: "sse", start: startReverseSquid },
  { name: "Squid, forward, no CONNECT", program: "squid", transport: "sse", start: startForwardSquid, isForward: true },
];

/** @type {Cell} */
const TINYPROXY_CELL = {
  name: "tinyproxy, forward, ConnectPort 443",
  program: "tinyproxy",
  transport: "sse",
  start: startTinyproxy,
  isForward: true,
  pace: { rounds: 3, pauseMs: 6000 },
};

/** WebSockets that get no older are not worth having; one third of what is met, for a matrix that is done soon. */
const SHORT_LIFE_MS = process.env["MATRIX_FULL"] === "1" ? 30_000 : 11_000;

/** @type {Cell[]} */
const FAULT_CELLS = [
  faulty("nothing", "websocket", () => {}),
  faulty("refused", "sse", faults.refused),
  faulty("hanging", "sse", faults.hanging),
  faulty("reset", "sse", faults.reset),
  faulty("open but silent", "sse", faults.silent),
  faulty("corrupting", "sse", faults.corrupting),
  faulty("killed after 200 ms", "sse", faults.killedAfter(200), { rounds: 40, pauseMs: 50 }),
  faulty("killed after 1 s", "sse", faults.killedAfter(1000), { rounds: 60, pauseMs: 80 }),
  faulty(`killed after ${SHORT_LIFE_MS / 1000} s`, "websocket", faults.killedAfter(SHORT_LIFE_MS), {
    rounds: 110,
    pauseMs: SHORT_LIFE_MS / 25,
  }),
  faulty("killed when idle for 4 s", "websocket", faults.killedWhenIdle(4000), IDLE),
  faulty("nothing goes up", "sse", faults.stalled("up", 0)),
  faulty("stalled upwards", "sse", faults.stalled("up", 20_000)),
  faulty("stalled downwards", "sse", faults.stalled("down", 20_000)),
  faulty("event streams held back", "long-poll", faults.bufferedStreams),
  faulty("413 above 20 kB", "sse", faults.bodiesUpTo(20_000)),
  faulty("responses lost", "sse", faults.lostResponses, { rounds: 20, pauseMs: 50 }),
];

export const CELLS = [...FAULT_CELLS, ...NGINX_CELLS, ...HAPROXY_CELLS, ...SQUID_CELLS, TINYPROXY_CELL];
