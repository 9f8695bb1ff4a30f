// @ts-check
/** WebKitGTK on a display of its own, by as much of WebDriver (W3C) as a cell needs. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProgram } from "../../tools/intermediaries.mjs";
import { freePort } from "./intermediary.mjs";

/** Longer than the browser takes to start on a busy machine. */
const START_MS = 30_000;

export const WEBKIT_PROGRAMS = ["WebKitWebDriver", "Xvfb"];

/** @typedef {import("./page.mjs").Evaluating & { goto: (url: string) => Promise<void> }} WebkitPage */

/** @returns {Promise<{ page: WebkitPage, close: () => Promise<void> }>} */
export async function startWebkit() {
  const [driverPath, displayPath] = WEBKIT_PROGRAMS.map((program) => /** @type {string} */ (findProgram(program)));
  const folder = await mkdtemp(join(tmpdir(), "sluice-webkit-"));
  const display = spawn(/** @type {string} */ (displayPath), ["-displayfd", "3", "-nolisten", "tcp"], {
    stdio: ["ignore", "ignore", "ignore", "pipe"],
  });
  // It takes a number that is free, and says which.
  const [number] = await once(/** @type {import("node:stream").Readable} */ (display.stdio[3]), "data");
  const port = await freePort();
  const environment = { DISPLAY: `:${String(number).trim()}`, HOME: folder, XDG_RUNTIME_DIR: folder };
  const driver = spawn(/** @type {string} */ (driverPath), [`--port=${port}`], {
    stdio: "ignore",
    env: { ...process.env, ...environment },
  });
  const close = async () => {
    for (const child of [driver, display]) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const exited = once(child, "exit");
      child.kill();
      await exited;
    }
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const session = await newSession(`http://127.0.0.1:${port}`);
    return {
      page: pageOf(session),
      close: async () => {
        await command(session, "DELETE").catch(() => {});
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** @param {string} session @returns {WebkitPage} */
function pageOf(session) {
  return {
    goto: (url) => command(`${session}/url`, "POST", { url }),
    evaluate: (run, argument) =>
      command(`${session}/execute/sync`, "POST", {
        script: `return (${run})(arguments[0]);`,
        args: argument === undefined ? [] : [argument],
      }),
  };
}

/** The URL of a session. @param {string} driver */
async function newSession(driver) {
  const deadline = performance.now() + START_MS;
  for (;;) {
    try {
      const { sessionId } = await command(`${driver}/session`, "POST", { capabilities: {} });
      return `${driver}/session/${sessionId}`;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

/**
 * @param {string} url
 * @param {string} method
 * @param {object} [parameters]
 * @returns {Promise<any>}
 */
async function command(url, method, parameters) {
  const body = parameters === undefined ? {} : { body: JSON.stringify(parameters) };
  const answer = await fetch(url, { method, headers: { "Content-Type": "application/json" }, ...body });
  const { value } = await answer.json();
  if (!answer.ok) throw new Error(`WebDriver: ${value.error}: ${value.message}`);
  return value;
}
