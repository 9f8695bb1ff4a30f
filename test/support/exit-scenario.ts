// Run by test/server/shutdown.test.ts, in a process of its own: it has to end by itself.
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { WebSocket } from "ws";
import { SluiceServer } from "../../src/server/index.js";
import { RawClient } from "./raw-client.js";

const server = new SluiceServer({ port: 0, host: "127.0.0.1" });
await once(server, "listening");
const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`;
const loopback = { webSocket: (protocols: string[]) => new WebSocket(url, protocols) };

const peer = await new RawClient(loopback as never).established();
const [socket] = [...server.clients];
if (socket === undefined) throw new Error("no client");
const parked = once(socket, "park");
await peer.cut();
await parked;
socket.on("close", (code) => console.log(`session: ${code}`));
server.close(() => console.log("server: closed"));
process.on("exit", () => console.log(`left: ${server.clients.size}`));
