// @ts-check
// One thread of the simulation: plays the ranges of seeds that it is sent.
import { parentPort, workerData } from "node:worker_threads";

const { runRange } = await import(workerData.bundle);
parentPort?.on("message", (range) => parentPort?.postMessage(runRange(range)));
