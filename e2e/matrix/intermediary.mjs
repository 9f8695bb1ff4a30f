// @ts-check
/** Programs that stand in between, each with a configuration and a folder of its own, on a port of loopback. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProgram } from "../../tools/intermediaries.mjs";

/** Longer than any of them takes on a busy machine. */
const START_MS = 20_000;

/** Between finding a free port and listening on it somebody else may take it. */
const TRIES = 3;

/**
 * @typedef {object} Running
 * @property {number} port
 * @property {() => Promise<void>} close
 */

/**
 * @param {object} setting
 * @param {string} setting.program
 * @param {(place: { port: number, folder: string }) => string} setting.configuration its text
 * @param {(file: string, place: { port: number, folder: string }) => string[]} setting.commandLine
 * @returns {Promise<Running>}
 */
export async function startIntermediary(setting) {
  for (let tries = 1; ; tries++) {
    try {
      return await start(setting);
    } catch (error) {
      if (tries === TRIES) throw error;
    }
  }
}

/** @param {Parameters<typeof startIntermediary>[0]} setting */
async function start({ program, configuration, commandLine }) {
  const path = findProgram(program);
  if (path === undefined) throw new Error(`${program} is not installed`);
  const folder = await mkdtemp(join(tmpdir(), `sluice-${program}-`));
  // Those that root starts go on as somebody else.
  await chmod(folder, 0o777);
  const port = await freePort();
  const file = join(folder, "configuration");
  await writeFile(file, configuration({ port, folder }));
  const child = spawn(path, commandLine(file, { port, folder }), {
    stdio: ["ignore", "pipe", "pipe"],
    // Where some of them keep things.
    env: { ...process.env, HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder },
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (piece) => {
      said = `${said}${piece}`.slice(-4000);
    });
  }
  const exited = once(child, "exit");
  const close = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
    await exited;
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  const deadline = performance.now() + START_MS;
  while (!(await isListening(port))) {
    if (child.exitCode === null && performance.now() < deadline) continue;
    await close();
    throw new Error(`${program} does not listen: ${said}`);
  }
  return { port, close };
}

/** Nobody holds it: another program may take it before it is used. */
export async function freePort() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {net.AddressInfo} */ (server.address());
  server.close();
  await once(server, "close");
  return port;
}

/** @param {number} port @returns {Promise<boolean>} */
async function isListening(port) {
  const socket = net.connect(port, "127.0.0.1");
  const isOpen = await new Promise((resolve) => {
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
  });
  socket.destroy();
  if (!isOpen) await new Promise((resolve) => setTimeout(resolve, 50));
  return isOpen;
}
