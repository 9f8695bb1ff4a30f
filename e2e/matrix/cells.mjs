// @ts-check
/** What stands between a browser and a server, and which transport has to end up carrying the session. */
import { createFaultProxy } from "../support/fault-proxy.mjs";
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
import { startApache, startCaddy, startLighttpd, startVarnish } from "./web-servers.mjs";

/**
 * @typedef {{ port: number }} Place on 127.0.0.1
 *
 * @typedef {object} Pace how the messages are spread over the time, beyond what the cell takes anyway
 * @property {number} rounds
 * @property {number} pauseMs between them; nothing is sent meanwhile, by the application
 *
 * @typedef {Place & { close: () => Promise<void>, onRound?: ((round: number) => unknown) | undefined }} Between
 *   `onRound`: what it does before each round but the first
 *
 * @typedef {object} Cell
 * @property {string} name
 * @property {string} [program] what has to be installed for it
 * @property {(target: Place) => Promise<Between>} start what stands in between
 * @property {boolean} [isForward] the browser knows of it
 * @property {"websocket" | "sse" | "long-poll"} transport
 * @property {Pace} [pace]
 * @property {number} [heartbeatMs] of the server, default 25 s
 * @property {[min: number, max: number]} [resumes] how often the session has to come back, where that is the point
 * @property {boolean} [namesPages] the server is told the origin of its pages, as their host does not reach it
 */

/** Around an intermediary that ends what is idle for 3 or 4 s: long enough, often enough, to find out. */
const IDLE = { rounds: 6, pauseMs: 5500 };

/**
 * Idle once, for longer than 3 or 4 s, which ends the WebSocket.
 * @param {Cell} cell
 * @returns {Cell}
 */
function idleOnce(cell) {
  return { ...cell, pace: { rounds: 2, pauseMs: 5000 }, resumes: [1, Number.POSITIVE_INFINITY] };
}

/**
 * What makes the cells of a program.
 * @template Lines
 * @param {string} label
 * @param {string} program
 * @param {(target: Place, lines: Lines) => Promise<Between>} startProgram
 * @returns {(name: string, transport: Cell["transport"], lines: Lines, pace?: Pace) => Cell}
 */
function cellsOf(label, program, startProgram) {
  return (name, transport, lines, pace) => ({
    name: `${label}, ${name}`,
    program,
    transport,
    start: (target) => startProgram(target, lines),
    ...(pace === undefined ? {} : { pace }),
  });
}

const nginx = cellsOf("nginx", "nginx", (target, /** @type {string} */ location) =>
  startNginx(target, `${NGINX_HOST} ${location}`),
);
const haproxy = cellsOf("HAProxy", "haproxy", startHaproxy);
const apache = cellsOf("Apache", "apache2", startApache);
const caddy = cellsOf("Caddy", "caddy", startCaddy);
const lighttpd = cellsOf("lighttpd", "lighttpd", startLighttpd);
const varnish = cellsOf("Varnish", "varnishd", startVarnish);

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
    const onRound = fault(proxy) ?? undefined;
    return { port: proxy.port, close: () => proxy.close(), onRound };
  };
  return { name, transport, start, ...(pace === undefined ? {} : { pace }) };
}

/** Behind round `AWAY_AT` the server cannot be reached, from `BACK_AT` on it can; the application goes on sending. */
const AWAY = { rounds: 10, pauseMs: 400 };
const [AWAY_AT, BACK_AT] = [4, 9];

/**
 * A cell whose server is away for a while behind what stands in between, with all that it knows: as one whose balancer is
 * set up anew.
 * @param {Cell} cell
 * @returns {Cell}
 */
function away(cell) {
  const start = async (/** @type {Place} */ target) => {
    const line = await createFaultProxy({ target });
    const between = await cell.start(line);
    return {
      port: between.port,
      onRound: (/** @type {number} */ round) => {
        line.refuse(round >= AWAY_AT && round < BACK_AT);
        if (round === AWAY_AT) line.reset();
      },
      close: async () => {
        await between.close();
        await line.close();
      },
    };
  };
  return { ...cell, name: `${cell.name}, server away`, start, pace: AWAY };
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
  nginx("proxy_buffering off", "sse", "proxy_buffering off;"),
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

const APACHE_UPGRADE = "ProxyPreserveHost On\nProxyPass / http://TARGET/ upgrade=websocket";
const APACHE_PLAIN = "ProxyPreserveHost On\nProxyPass / http://TARGET/";
const APACHE_REWRITE = `RewriteEngine On
RewriteCond %{HTTP:Upgrade} =websocket [NC]
RewriteRule ^/(.*) ws://TARGET/$1 [P,L]
${APACHE_PLAIN}`;

/** @type {Cell[]} */
const APACHE_CELLS = [
  apache("upgrade=websocket", "websocket", APACHE_UPGRADE),
  apache("mod_proxy_wstunnel by mod_rewrite", "websocket", APACHE_REWRITE),
  apache("no upgrade", "sse", APACHE_PLAIN),
  idleOnce(apache("Timeout 3", "websocket", `${APACHE_UPGRADE}\nTimeout 3`)),
  apache("no upgrade, ProxyTimeout 3", "sse", `${APACHE_PLAIN}\nProxyTimeout 3`, { rounds: 3, pauseMs: 4000 }),
  apache("no upgrade, mod_deflate", "sse", `${APACHE_PLAIN}\nSetOutputFilter DEFLATE`),
  {
    ...apache("no ProxyPreserveHost, but origins", "websocket", "ProxyPass / http://TARGET/ upgrade=websocket"),
    namesPages: true,
  },
];

/** @type {Cell[]} */
const CADDY_CELLS = [
  caddy("reverse_proxy", "websocket", {}),
  caddy("Upgrade stripped", "sse", { proxy: "header_up -Upgrade" }),
  {
    ...caddy("Upgrade stripped, encode gzip", "long-poll", { site: "encode gzip", proxy: "header_up -Upgrade" }),
    pace: { rounds: 25, pauseMs: 150 },
  },
  caddy("Upgrade stripped, max_size 20KB", "sse", {
    site: "request_body {\nmax_size 20KB\n}",
    proxy: "header_up -Upgrade",
  }),
  caddy("Upgrade stripped, encode gzip elsewhere", "sse", {
    site: "@others not path /live\nencode @others gzip",
    proxy: "header_up -Upgrade",
  }),
];

const LIGHTTPD_UPGRADE = 'proxy.header = ( "upgrade" => "enable" )';
const LIGHTTPD_STREAM = "server.stream-response-body = 2";

/** @type {Cell[]} */
const LIGHTTPD_CELLS = [
  lighttpd("upgrade", "websocket", LIGHTTPD_UPGRADE),
  lighttpd("no upgrade, stream-response-body 2", "sse", LIGHTTPD_STREAM),
  lighttpd("no upgrade", "long-poll", ""),
  idleOnce(lighttpd("upgrade, max-read-idle 3", "websocket", `${LIGHTTPD_UPGRADE}\nserver.max-read-idle = 3`)),
  lighttpd("max-request-size 20", "sse", `${LIGHTTPD_STREAM}\nserver.max-request-size = 20`),
];

const VARNISH_PASS = 'if (req.url ~ "^/live") { return (pass); }';
const VARNISH_PIPE = `
sub vcl_recv {
  if (req.http.Upgrade ~ "(?i)websocket") { return (pipe); }
  ${VARNISH_PASS}
}
sub vcl_pipe {
  if (req.http.Upgrade) {
    set bereq.http.Upgrade = req.http.Upgrade;
    set bereq.http.Connection = req.http.Connection;
  }
}`;

/** @type {Cell[]} */
const VARNISH_CELLS = [
  varnish("pipe", "websocket", { vcl: VARNISH_PIPE }),
  varnish("pass", "sse", { vcl: `sub vcl_recv { ${VARNISH_PASS} }` }),
  varnish("nothing set", "sse", {}),
  idleOnce(varnish("pipe, pipe_timeout 3", "websocket", { vcl: VARNISH_PIPE, parameters: ["pipe_timeout=3"] })),
  varnish("pass, do_gzip", "long-poll", {
    vcl: `sub vcl_recv { ${VARNISH_PASS} } sub vcl_backend_response { set beresp.do_gzip = true; }`,
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
  idleOnce(faulty("reset when idle for 4 s", "websocket", faults.resetWhenIdle(4000))),
  // It takes 5 s until the client misses an answer to what it sends.
  faulty("silent when idle for 2 s", "sse", faults.silentWhenIdle(2000), { rounds: 5, pauseMs: 7500 }),
  // As with limits of more than 25 s and the heartbeat that there is by itself: the line is never idle for so long.
  {
    ...faulty("silent when idle for 4 s, heartbeat 2 s", "websocket", faults.silentWhenIdle(4000), {
      rounds: 2,
      pauseMs: 7000,
    }),
    heartbeatMs: 2000,
    resumes: [0, 0],
  },
  faulty("nothing goes up", "sse", faults.stalled("up", 0)),
  faulty("stalled upwards", "sse", faults.stalled("up", 20_000)),
  faulty("stalled downwards", "sse", faults.stalled("down", 20_000)),
  faulty("event streams held back", "long-poll", faults.bufferedStreams),
  faulty("event streams ended after 1 s", "sse", faults.streamsEndedAfter(1000), { rounds: 30, pauseMs: 150 }),
  faulty("413 above 20 kB", "sse", faults.bodiesUpTo(20_000)),
  faulty("responses lost", "sse", faults.lostResponses, { rounds: 20, pauseMs: 50 }),
];

/** What looks after its server by itself, answers 503 without one, and ends what it has with it. */
const CHECKED = {
  defaults: "  timeout server 30s\n  default-server check inter 200ms fall 1 rise 1 on-marked-down shutdown-sessions",
  frontend: "  http-request del-header Upgrade",
  backend: "  option httpchk GET /",
};

/** @type {Cell[]} */
const AWAY_CELLS = [
  away(nginx("upgrade headers", "sse", NGINX_UPGRADE)),
  away(nginx("no upgrade headers", "sse", "")),
  away(haproxy("Upgrade stripped", "sse", CHECKED)),
  faulty("504 for a while", "long-poll", faults.gatewayTimeouts(AWAY_AT, BACK_AT), AWAY),
];

/** Their pages are not of the host that the server sees: it refuses them. @type {Cell[]} */
export const REFUSED_CELLS = [
  { ...nginx("no Host", "websocket", ""), start: (target) => startNginx(target, NGINX_UPGRADE) },
  apache("no ProxyPreserveHost", "websocket", "ProxyPass / http://TARGET/ upgrade=websocket"),
];

export const CELLS = [
  ...FAULT_CELLS,
  ...NGINX_CELLS,
  ...HAPROXY_CELLS,
  ...APACHE_CELLS,
  ...CADDY_CELLS,
  ...LIGHTTPD_CELLS,
  ...VARNISH_CELLS,
  ...SQUID_CELLS,
  TINYPROXY_CELL,
  ...AWAY_CELLS,
];
