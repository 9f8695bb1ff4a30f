// Run by test/server/heap.test.ts, in a process of its own with --expose-gc.
import crypto, { randomBytes } from "node:crypto";
import { once } from "node:events";
import { syncBuiltinESMExports } from "node:module";
import type { AddressInfo } from "node:net";
import { WebSocket } from "ws";
import { type ServerSocket, SluiceServer } from "../../src/server/index.js";
import { chunk } from "./frame-table.js";
import { RawClient } from "./raw-client.js";

/** What it prints, as JSON. */
export interface HeapReport {
  readonly sessions: number;
  /** Bytes in use at the end of each wave, when no session is left. */
  readonly afterWaves: number[];
  /** Bytes in use for each session that is parked, beyond those in use at the end of the wave. */
  readonly perParked: number[];
  /** Resume tokens that the server has made, and those of them that are still in memory while the sessions are parked. */
  readonly tokensMade: number;
  readonly tokensHeld: number;
  readonly ends: Record<"closed" | "terminated" | "expired", number>;
}

const WAVES = 10;
const WAVE_SESSIONS = 1000;
const AT_A_TIME = 100;
/** Longer than it takes to measure a wave that is parked. */
const RESUME_WINDOW_MS = 800;

/** What the server makes of 32 bytes: resume tokens. */
const tokens: WeakRef<Buffer>[] = [];
const makeBytes = crypto.randomBytes;
crypto.randomBytes = ((size: number) => {
  const bytes = makeBytes(size);
  if (size === 32) tokens.push(new WeakRef(bytes));
  return bytes;
}) as typeof crypto.randomBytes;
syncBuiltinESMExports();

const server = new SluiceServer({
  port: 0,
  host: "127.0.0.1",
  limits: { resumeWindowMs: RESUME_WINDOW_MS, messageBytesMax: 1024 * 1024 },
  authenticate: ({ auth }) => ({ id: auth, name: "a principal as applications have them" }),
});
server.on("connection", (socket) => {
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
});

const ends = { closed: 0, terminated: 0, expired: 0 };
let tokensMade = 0;
let tokensHeld = 0;

await once(server, "listening");
const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`;
const loopback = {
  webSocket(protocols: string[] = [], options: object = {}, path = ""): WebSocket {
    const webSocket = new WebSocket(url + path, protocols, options);
    webSocket.on("error", () => {});
    return webSocket;
  },
};

/** A session that has exchanged a few messages, all acknowledged. */
async function visit(): Promise<RawClient> {
  const peer = await new RawClient(loopback as never).greeted();
  peer.resume({ received: undefined, auth: randomBytes(8).toString("hex") });
  await peer.next("welcome");
  peer.ack();
  for (const text of ["one", "two", "three"]) {
    peer.numbered(chunk({ text: true, payload: Buffer.from(text) }));
    if ((await peer.nextText()) !== text) throw new Error("no echo");
    peer.ack();
  }
  return peer;
}

function heapBytes(): number {
  for (let i = 0; i < 4; i++) (globalThis as unknown as { gc(): void }).gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

async function leave(peer: RawClient): Promise<void> {
  peer.numbered({ type: "close", code: 1000, reason: new Uint8Array(0) });
  await peer.next("close");
  peer.ack();
  peer.webSocket.close();
  await peer.closed;
  ends.closed += 1;
}

/**
 * Sessions come; a tenth are closed, the others cut; of those a tenth are terminated, the others expire. Returns
 * the bytes in use while they were parked.
 */
async function wave(): Promise<number> {
  let peers: RawClient[] = [];
  while (peers.length < WAVE_SESSIONS) peers.push(...(await Promise.all(Array.from({ length: AT_A_TIME }, visit))));
  const leavers = peers.splice(0, WAVE_SESSIONS / 10);
  await Promise.all(leavers.map(leave));
  const sockets = [...server.clients];
  const parked = Promise.all(sockets.map((socket) => once(socket, "park")));
  await Promise.all(peers.map((peer) => peer.cut()));
  await parked;
  peers = [];
  leavers.length = 0;
  await turns(10);
  const parkedBytes = heapBytes();
  tokensMade += tokens.length;
  tokensHeld += tokens.splice(0).filter((token) => token.deref() !== undefined).length;
  const parkedCount = server.clients.size;
  if (parkedCount !== WAVE_SESSIONS * 0.9) throw new Error(`${parkedCount} are parked`);
  const closed = sockets.map((socket) => new Promise((resolve) => socket.on("close", resolve)));
  for (const socket of sockets.splice(0, parkedCount / 10)) terminate(socket);
  ends.expired += sockets.length;
  sockets.length = 0;
  await Promise.all(closed);
  closed.length = 0;
  await turns(10);
  if (server.clients.size > 0) throw new Error("sessions are left");
  return parkedBytes;
}

function terminate(socket: ServerSocket): void {
  socket.terminate();
  ends.terminated += 1;
}

const afterWaves: number[] = [];
const perParked: number[] = [];
for (let i = 0; i < WAVES; i++) {
  const parkedBytes = await wave();
  const bytes = heapBytes();
  afterWaves.push(bytes);
  perParked.push(Math.round((parkedBytes - bytes) / (WAVE_SESSIONS * 0.9)));
}
server.close();
const report: HeapReport = { sessions: WAVES * WAVE_SESSIONS, afterWaves, perParked, tokensMade, tokensHeld, ends };
console.log(JSON.stringify(report));
