import { createServer } from "node:http";
import { describe, expect, it } from "vitest";
import { takeRequests } from "../../src/server/http-requests.js";

describe("takeRequests", () => {
  it("takes what is asked for from all listeners, and nothing else", () => {
    const server = createServer();
    const { emit } = server;
    const seen: unknown[] = [];
    const stop = takeRequests(server, (request) => (request as never) === "ours");
    server.on("request", (request) => seen.push(request));
    server.on("listening", () => seen.push("listening"));
    expect(server.emit("request", "ours" as never, {} as never)).toBe(true);
    expect(server.emit("request", "theirs" as never, {} as never)).toBe(true);
    expect(server.emit("listening")).toBe(true);
    expect(server.emit("close")).toBe(false);
    expect(seen).toEqual(["theirs", "listening"]);
    stop();
    expect(server.emit).toBe(emit);
    server.emit("request", "ours" as never, {} as never);
    expect(seen).toEqual(["theirs", "listening", "ours"]);
  });

  it("lets several stop in any order", () => {
    const server = createServer();
    const [first, second] = [takeRequests(server, () => false), takeRequests(server, () => true)];
    first();
    const seen: unknown[] = [];
    server.on("request", (request) => seen.push(request));
    server.emit("request", "a" as never, {} as never);
    second();
    server.emit("request", "b" as never, {} as never);
    expect(seen).toEqual(["b"]);
  });
});
