// @ts-check
/** The intermediaries of the matrix. `docs/proxies.md` says what operators make of it. */
import { startIntermediary } from "./intermediary.mjs";

/** What nginx needs for WebSockets to pass. */
export const NGINX_UPGRADE = `
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;`;

/** The host that the browser has asked for, not the one that `proxy_pass` names. */
export const NGINX_HOST = "proxy_set_header Host $http_host;";

/**
 * @param {{ port: number }} target
 * @param {string} location what stands in the `location`, behind `proxy_pass`
 * @param {{ listen?: string, server?: string }} [lines] behind the address in `listen`; in the `server`
 */
export function startNginx(target, location, { listen = "", server = "" } = {}) {
  return startIntermediary({
    program: "nginx",
    commandLine: (file, { folder }) => ["-p", folder, "-c", file, "-e", "stderr"],
    configuration: ({ port, folder }) => `
daemon off;
master_process off;
pid ${folder}/pid;
error_log stderr;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  map $http_upgrade $connection_upgrade { default upgrade; "" close; }
  server {
    listen 127.0.0.1:${port} ${listen};
    ${server}
    location / {
      proxy_pass http://127.0.0.1:${target.port};
      ${location}
    }
  }
}
`,
  });
}

/** The timeouts are those that everybody sets, and short, as the cells wait for them. */
const HAPROXY_DEFAULTS = `
  option http-no-delay
  timeout connect 5s
  timeout client 4s
  timeout server 4s`;

/**
 * @param {{ port: number } | { port: number, name: string, options: string }[]} targets
 * @param {{ defaults?: string, bind?: string, frontend?: string, backend?: string }} lines `bind`: behind the address
 */
export function startHaproxy(targets, { defaults = "", bind = "", frontend = "", backend = "" }) {
  const servers = Array.isArray(targets) ? targets : [{ port: targets.port, name: "one", options: "" }];
  return startIntermediary({
    program: "haproxy",
    commandLine: (file) => ["-db", "-f", file],
    configuration: ({ port }) => `
global
  maxconn 256
defaults
  mode http
${HAPROXY_DEFAULTS}
${defaults}
frontend browsers
  bind 127.0.0.1:${port} ${bind}
${frontend}
  default_backend servers
backend servers
${backend}
${servers.map(({ name, port, options }) => `  server ${name} 127.0.0.1:${port} ${options}`).join("\n")}
`,
  });
}

/** @param {string} lines */
function startSquid(lines) {
  return startIntermediary({
    program: "squid",
    commandLine: (file) => ["-N", "-f", file],
    configuration: ({ port, folder }) => `
${lines.replaceAll("PORT", String(port))}
visible_hostname localhost
pid_filename none
access_log none
cache_log stdio:/dev/stderr
cache_store_log none
coredump_dir ${folder}
cache deny all
cache_mem 0
memory_pools off
shutdown_lifetime 0 seconds
`,
  });
}

/** In front of the server. @param {{ port: number }} target */
export function startReverseSquid(target) {
  return startSquid(`
http_port 127.0.0.1:PORT accel vhost
cache_peer 127.0.0.1 parent ${target.port} 0 no-query originserver
http_access allow all`);
}

/** At the browsers' end, and it makes no tunnels. */
export function startForwardSquid() {
  return startSquid(`
http_port 127.0.0.1:PORT
acl CONNECT method CONNECT
http_access deny CONNECT
http_access allow all`);
}

/** At the browsers' end, with tunnels to the port of TLS only, and none that are idle for long. */
export function startTinyproxy() {
  return startIntermediary({
    program: "tinyproxy",
    commandLine: (file) => ["-d", "-c", file],
    configuration: ({ port }) => `
Port ${port}
Listen 127.0.0.1
Timeout 5
ConnectPort 443
LogLevel Error
`,
  });
}
