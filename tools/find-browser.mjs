// Finds a Chromium or Chrome, or gets one. `node tools/find-browser.mjs` prints what it finds,
// `node tools/find-browser.mjs --install` installs one where there is none. CHROME_PATH overrides the search.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * The path of an installed browser, or `undefined`.
 * @returns {string | undefined}
 */
export function findBrowser() {
  const chosen = process.env.CHROME_PATH;
  if (chosen !== undefined && chosen !== "") {
    if (!existsSync(chosen)) throw new Error(`CHROME_PATH names a file that does not exist: ${chosen}`);
    return chosen;
  }
  return [...onPath(), ...usualPlaces(), ...playwrightCache()].find((path) => existsSync(path));
}

/**
 * The path of a browser, installed if need be.
 * @returns {string}
 */
export function ensureBrowser() {
  const found = findBrowser();
  if (found !== undefined) return found;
  for (const [why, ...command] of waysToInstall()) {
    console.log(`No Chromium found. ${why}: ${command.join(" ")}`);
    const { status, error } = spawnSync(command[0], command.slice(1), {
      stdio: "inherit",
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
      shell: process.platform === "win32",
    });
    if (status !== 0) console.log(`${command[0]} failed: ${error?.message ?? `exit code ${status}`}`);
    const installed = findBrowser();
    if (installed !== undefined) return installed;
  }
  throw new Error("no Chromium found, and none could be installed; set CHROME_PATH");
}

/**
 * The path of an installed Firefox, or `undefined`. FIREFOX_PATH overrides the search; nothing installs one.
 * @returns {string | undefined}
 */
export function findFirefox() {
  const chosen = process.env.FIREFOX_PATH;
  if (chosen !== undefined && chosen !== "") {
    if (!existsSync(chosen)) throw new Error(`FIREFOX_PATH names a file that does not exist: ${chosen}`);
    return chosen;
  }
  const places = [...onPath(["firefox", "firefox-esr"]), ...usualPlacesOfFirefox()];
  return places.find((path) => existsSync(path));
}

function onPath(names = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome"]) {
  const suffix = process.platform === "win32" ? ".exe" : "";
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  return names.flatMap((name) => folders.map((folder) => join(folder, name + suffix)));
}

function usualPlaces() {
  if (process.platform === "darwin") {
    const apps = ["Google Chrome.app/Contents/MacOS/Google Chrome", "Chromium.app/Contents/MacOS/Chromium"];
    return apps.flatMap((app) => [join("/Applications", app), join(homedir(), "Applications", app)]);
  }
  if (process.platform === "win32") {
    const roots = [process.env.PROGRAMFILES, process.env["PROGRAMFILES(X86)"], process.env.LOCALAPPDATA];
    return roots
      .filter((root) => root !== undefined)
      .flatMap((root) => ["Google\\Chrome", "Chromium"].map((name) => join(root, name, "Application", "chrome.exe")));
  }
  return ["/opt/google/chrome/chrome", "/snap/bin/chromium"];
}

function usualPlacesOfFirefox() {
  if (process.platform === "darwin") {
    return ["/Applications", join(homedir(), "Applications")].map((root) =>
      join(root, "Firefox.app/Contents/MacOS/firefox"),
    );
  }
  if (process.platform !== "win32") return ["/snap/bin/firefox"];
  return [process.env.PROGRAMFILES, process.env["PROGRAMFILES(X86)"]]
    .filter((root) => root !== undefined)
    .map((root) => join(root, "Mozilla Firefox", "firefox.exe"));
}

/** Where `npx playwright install` puts its browsers; the greatest revision first. */
function playwrightCache() {
  const caches = {
    darwin: join(homedir(), "Library", "Caches", "ms-playwright"),
    win32: join(process.env.LOCALAPPDATA ?? homedir(), "ms-playwright"),
  };
  const cache =
    process.env.PLAYWRIGHT_BROWSERS_PATH ?? caches[process.platform] ?? join(homedir(), ".cache", "ms-playwright");
  if (!existsSync(cache)) return [];
  const binaries = {
    darwin: [
      "Chromium.app/Contents/MacOS/Chromium",
      "Google Chrome for Testing.app/Contents/MacOS/Google Chrome for Testing",
    ],
    win32: ["chrome.exe"],
  };
  const revision = (name) => Number(name.split("-")[1]);
  return readdirSync(cache)
    .filter((name) => /^chromium-\d+$/.test(name))
    .sort((a, b) => revision(b) - revision(a))
    .flatMap((name) => readdirSync(join(cache, name)).map((platform) => join(cache, name, platform)))
    .flatMap((folder) => (binaries[process.platform] ?? ["chrome"]).map((binary) => join(folder, binary)));
}

function waysToInstall() {
  const apt = process.platform === "linux" && process.getuid?.() === 0 && existsSync("/usr/bin/apt-get");
  const playwright = fileURLToPath(new URL("../node_modules/@playwright/test/cli.js", import.meta.url));
  return [
    ...(apt
      ? [["Installing it from the distribution", "sh", "-c", "apt-get update && apt-get install -y chromium"]]
      : []),
    ["Downloading Playwright's", process.execPath, playwright, "install", "chromium"],
  ];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    const path = process.argv.includes("--install") ? ensureBrowser() : findBrowser();
    console.log(path ?? "no Chromium found; `node tools/find-browser.mjs --install` gets one");
    process.exitCode = path === undefined ? 1 : 0;
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
