// @ts-check
import { fork } from "node:child_process";

/**
 * Starts `server-process.mjs`.
 * @param {string[]} names of the contenders
 * @returns {Promise<{ ports: Record<string, number>, clockPort: number, stop: () => void }>}
 */
export async function startServer(names) {
  const child = fork(new URL("../server-process.mjs", import.meta.url), names, {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const started = await new Promise((resolve, reject) => {
    child.once("message", resolve);
    child.once("exit", (code) => reject(new Error(`the server process ended with ${code}`)));
  });
  return { ...started, stop: () => child.kill() };
}
