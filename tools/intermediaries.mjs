// @ts-check
// The programs that stand between browsers and servers, or are browsers, as the matrix of transports uses them.
// `node tools/intermediaries.mjs` says which are there, `--install` gets the others where it can: as root, from the
// distribution. Those that are missing are skipped by the matrix, loudly; nothing else needs them.
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

/** By name of the program, the package of Debian that has it. */
const PACKAGES = {
  nginx: "nginx",
  haproxy: "haproxy",
  squid: "squid",
  tinyproxy: "tinyproxy-bin",
  apache2: "apache2-bin",
  caddy: "caddy",
  lighttpd: "lighttpd",
  varnishd: "varnish",
  openssl: "openssl",
  "firefox-esr": "firefox-esr",
  WebKitWebDriver: "webkit2gtk-driver",
  Xvfb: "xvfb",
};

/** @typedef {keyof typeof PACKAGES} Program */

/**
 * The path of an installed program. Servers live where the PATH of ordinary users does not lead.
 * @param {string} program
 * @returns {string | undefined}
 */
export function findProgram(program) {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];
  return folders
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, program))
    .find(isExecutable);
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function missingPrograms() {
  return /** @type {Program[]} */ (Object.keys(PACKAGES)).filter((program) => findProgram(program) === undefined);
}

function install() {
  const missing = missingPrograms();
  if (missing.length === 0) return;
  const canInstall = process.platform === "linux" && process.getuid?.() === 0 && findProgram("apt-get") !== undefined;
  if (!canInstall) return;
  const packages = missing.map((program) => PACKAGES[program]).join(" ");
  // Nothing is to be started: the matrix has its own configurations. One that cannot be had does not keep the others out.
  const script = `apt-get update && for each in ${packages}; do apt-get install -y --no-install-recommends "$each"; done`;
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  const { error } = spawnSync("sh", ["-c", script], { stdio: "inherit", env });
  if (error !== undefined) console.log(`apt-get failed: ${error.message}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes("--install")) install();
  const missing = missingPrograms();
  for (const program of Object.keys(PACKAGES)) console.log(`${program}: ${findProgram(program) ?? "not found"}`);
  if (missing.length > 0) console.log(`!!! the matrix of transports will skip what needs ${missing.join(", ")}`);
}
