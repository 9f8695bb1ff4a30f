import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { WebSocket, WebSocketServer } from "ws";
import { httpTransport } from "../../src/transport/browser/http.js";
import { webSocketTransport as browserWebSocket } from "../../src/transport/browser/websocket.js";
import { webSocketTransport as nodeWebSocket } from "../../src/transport/node/websocket.js";
import { SUBPROTOCOL, type Transport } from "../../src/transport/transport.js";
import { HttpRig, TestPlatform } from "../support/http-rig.js";
import { TransportStory } from "../support/transport-story.js";

/** One end of a transport. */
export interface End {
  readonly transport: Transport;
  readonly story: TransportStory;
}

/** Both ends of a transport that carries, and what it runs on. */
export interface Pair {
  readonly client: End;
  readonly server: End;
  stop(): Promise<void>;
}

/** A kind of transport, what it can do, and how to get one. */
export interface Rig {
  readonly name: string;
  /** What the transport's `name` is on both ends. */
  readonly transportName: Transport["name"];
  readonly greets: boolean;
  /** Whether the code of `close` comes out at the other end, for codes that a page may send. */
  readonly passesCodes: boolean;
  /** In which directions `handleWritable` is called. */
  readonly tellsWritable: readonly string[];
  open(): Promise<Pair>;
}

/** What a client says first, so that there is a server's end; no part of the story. */
const FIRST = Uint8Array.of(0xff);

const webSocketRig: Rig = {
  name: "WebSocket",
  transportName: "websocket",
  greets: true,
  passesCodes: true,
  // A browser's WebSocket cannot tell.
  tellsWritable: ["down"],
  async open() {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => SUBPROTOCOL });
    await once(server, "listening");
    const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const near = browserWebSocket(WebSocket as never, url, [SUBPROTOCOL]);
    const [socket] = (await once(server, "connection")) as [WebSocket];
    const transport = nodeWebSocket(socket, near.batchBytesMax);
    const story = new TransportStory(transport);
    transport.start(story);
    return await introduced(near, Promise.resolve({ transport, story }), async () => {
      for (const client of server.clients) client.terminate();
      server.close();
      await once(server, "close");
    });
  },
};

function httpRig(name: string, downlink: "auto" | "long-poll"): Rig {
  return {
    name,
    transportName: downlink === "auto" ? "sse" : "long-poll",
    greets: false,
    passesCodes: true,
    tellsWritable: ["up", "down"],
    async open() {
      const http = await HttpRig.start();
      const near = httpTransport(new TestPlatform(), http.url, { downlink });
      return await introduced(near, http.ends.next(), () => http.stop());
    },
  };
}

async function introduced(transport: Transport, far: Promise<End>, stop: () => Promise<void>): Promise<Pair> {
  const client = { transport, story: new TransportStory(transport) };
  transport.start(client.story);
  await client.story.until(() => client.story.told.length === 1);
  transport.send(FIRST);
  const server = await far;
  await server.story.batchesWhen(1);
  server.transport.send(FIRST);
  await client.story.batchesWhen(1);
  // What goes down goes the way that the rig is about.
  server.transport.send(FIRST);
  await client.story.batchesWhen(2);
  for (const { story } of [client, server]) story.told.splice(0);
  return {
    client,
    server,
    async stop() {
      transport.terminate();
      server.transport.terminate();
      await stop();
    },
  };
}

export const RIGS: readonly Rig[] = [webSocketRig, httpRig("SSE + POST", "auto"), httpRig("long-poll", "long-poll")];
