// @ts-check
/** Web servers and caches that hand requests on, as intermediaries of the matrix. */
import { existsSync } from "node:fs";
import { startIntermediary } from "./intermediary.mjs";

/** @typedef {{ port: number }} Place on 127.0.0.1 */

/** Where Debian has the modules of Apache httpd. */
const APACHE_MODULES = "/usr/lib/apache2/modules";

/** In what order does not matter. */
const APACHE_MODULE_NAMES = [
  "mpm_event",
  "authz_core",
  "proxy",
  "proxy_http",
  "proxy_wstunnel",
  "rewrite",
  "filter",
  "deflate",
];

/**
 * One process, so that nothing is left behind when it is killed.
 * @param {Place} target
 * @param {string} lines with TARGET for the address of the server
 */
export function startApache(target, lines) {
  const modules = APACHE_MODULE_NAMES.map((name) => [name, `${APACHE_MODULES}/mod_${name}.so`]);
  const loaded = modules.filter(([, file]) => existsSync(/** @type {string} */ (file)));
  return startIntermediary({
    program: "apache2",
    commandLine: (file, { folder }) => ["-X", "-d", folder, "-f", file],
    configuration: ({ port, folder }) => `
${loaded.map(([name, file]) => `LoadModule ${name}_module ${file}`).join("\n")}
DefaultRuntimeDir ${folder}
PidFile ${folder}/pid
ErrorLog ${folder}/errors
LogLevel error
ServerName localhost
User www-data
Group www-data
Listen 127.0.0.1:${port}
${lines.replaceAll("TARGET", `127.0.0.1:${target.port}`)}
`,
  });
}

/**
 * @param {Place} target
 * @param {{ site?: string, proxy?: string }} lines `site`: beside the `reverse_proxy`; `proxy`: in it
 */
export function startCaddy(target, { site = "", proxy = "" }) {
  return startIntermediary({
    program: "caddy",
    commandLine: (file) => ["run", "--adapter", "caddyfile", "--config", file],
    configuration: ({ port }) => caddyfile(`http://127.0.0.1:${port}`, `${site}\n${reverseProxy(target, proxy)}`),
  });
}

/**
 * With TLS, and so HTTP/2.
 * @param {Place} target
 * @param {{ key: string, cert: string }} files
 * @param {string} proxy
 */
export function startCaddyTls(target, { key, cert }, proxy) {
  return startIntermediary({
    program: "caddy",
    commandLine: (file) => ["run", "--adapter", "caddyfile", "--config", file],
    configuration: ({ port }) =>
      caddyfile(`https://127.0.0.1:${port}`, `tls ${cert} ${key}\n${reverseProxy(target, proxy)}`),
  });
}

/** @param {Place} target @param {string} lines */
function reverseProxy(target, lines) {
  return `reverse_proxy 127.0.0.1:${target.port} {\n${lines}\n}`;
}

/** @param {string} address @param {string} lines */
function caddyfile(address, lines) {
  return `{
  admin off
  auto_https off
  log {
    level ERROR
  }
}
${address} {
${lines}
}
`;
}

/**
 * @param {Place} target
 * @param {string} lines
 */
export function startLighttpd(target, lines) {
  return startIntermediary({
    program: "lighttpd",
    commandLine: (file) => ["-D", "-f", file],
    configuration: ({ port, folder }) => `
server.bind = "127.0.0.1"
server.port = ${port}
server.document-root = "${folder}"
server.upload-dirs = ( "${folder}" )
server.modules = ( "mod_proxy", "mod_deflate" )
proxy.server = ( "" => ( ( "host" => "127.0.0.1", "port" => ${target.port} ) ) )
${lines}
`,
  });
}

/**
 * @param {Place} target
 * @param {{ vcl?: string, parameters?: string[] }} setting
 */
export function startVarnish(target, { vcl = "", parameters = [] }) {
  return startIntermediary({
    program: "varnishd",
    commandLine: (file, { port, folder }) => [
      ...["-F", "-n", `${folder}/state`, "-f", file, "-a", `127.0.0.1:${port}`, "-s", "malloc,16m"],
      ...parameters.flatMap((parameter) => ["-p", parameter]),
    ],
    configuration: () => `
vcl 4.1;
backend default { .host = "127.0.0.1"; .port = "${target.port}"; }
${vcl}
`,
  });
}
