import { applyWSSHandler } from "@trpc/server/adapters/ws";
import { useServer } from "graphql-ws/use/ws";
import { describe, expect, it } from "vitest";
import type { WebSocket, WebSocketServer } from "ws";
import { type ServerSocket, SluiceServer } from "../../src/server/index.js";

// What is here compiles, and that is the test: who types what he takes by `ws` takes ours.
const asServer = (server: SluiceServer): WebSocketServer => server;
const asSocket = (socket: ServerSocket): WebSocket => socket;

describe("the types of `ws`", () => {
  it("are those of a SluiceServer and its sockets, too", () => {
    const server = new SluiceServer({ noServer: true, path: "/live" });
    expect([asServer(server).path, asServer(new SluiceServer({ noServer: true })).path]).toEqual(["/live", ""]);
    expect(asSocket).toHaveLength(1);
  });

  it("let libraries that ask for them be given ours", () => {
    expect(() => useServer({} as never, new SluiceServer({ noServer: true }))).not.toThrow();
    const given = { router: { _def: { _config: {} } } as never, createContext: () => ({}) as never };
    expect(() => applyWSSHandler({ wss: new SluiceServer({ noServer: true }), ...given })).not.toThrow();
  });
});
