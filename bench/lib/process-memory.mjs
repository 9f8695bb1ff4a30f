// @ts-check
/** What a browser takes of the machine's memory, all of its processes together. Linux only. */
import { readdir, readFile } from "node:fs/promises";

/**
 * Proportional set size: shared pages are counted once, in parts.
 * @param {number} rootPid
 * @returns {Promise<number | undefined>} bytes; `undefined` where the system does not tell
 */
export async function memoryOf(rootPid) {
  if (process.platform !== "linux") return undefined;
  const pids = descendantsOf(rootPid, await parents());
  const sizes = await Promise.all(pids.map(proportionalBytes));
  return sizes.reduce((sum, bytes) => sum + bytes, 0);
}

/**
 * @param {number} rootPid
 * @param {Map<number, number>} parentOf
 * @returns {number[]} `rootPid` and everything under it
 */
export function descendantsOf(rootPid, parentOf) {
  const found = [rootPid];
  for (const pid of found) {
    for (const [child, parent] of parentOf) if (parent === pid) found.push(child);
  }
  return found;
}

/** @returns {Promise<Map<number, number>>} */
async function parents() {
  const pids = (await readdir("/proc")).map(Number).filter((pid) => pid > 0);
  const pairs = await Promise.all(
    pids.map(async (pid) => {
      const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
      // Behind the name, which may hold anything: state, then the parent.
      const [, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return /** @type {[number, number]} */ ([pid, Number(parent)]);
    }),
  );
  return new Map(pairs);
}

/** @param {number} pid */
async function proportionalBytes(pid) {
  // A process may end while it is looked at.
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => "");
  return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) * 1024;
}
