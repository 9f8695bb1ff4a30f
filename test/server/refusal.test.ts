import type { IncomingMessage } from "node:http";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { refuseHandshake, refuseUpgrade } from "../../src/server/refusal.js";

describe("refuseUpgrade", () => {
  it.each([
    [400, "Bad Request"],
    [401, "Unauthorized"],
    [403, "Forbidden"],
    [404, "Not Found"],
    [500, "Internal Server Error"],
    [503, "Service Unavailable"],
  ] as const)("answers %i completely, and ends the connection", async (status, reason) => {
    // As the sockets of an HTTP server: they do not end by themselves when the peer keeps its half open.
    const socket = new PassThrough({ autoDestroy: false });
    const answer = text(socket);
    refuseUpgrade(socket, status);
    const [head, body] = (await answer).split("\r\n\r\n");
    expect(head?.split("\r\n")).toEqual([
      `HTTP/1.1 ${status} ${reason}`,
      "Connection: close",
      "Content-Type: text/plain",
      // Who is overloaded says when to come again; the other refusals are final.
      ...(status === 503 ? ["Retry-After: 5"] : []),
      `Content-Length: ${reason.length}`,
    ]);
    expect(body).toBe(reason);
    expect(socket.destroyed).toBe(true);
  });

  it("survives a peer that is gone already", async () => {
    const socket = new PassThrough();
    const closed = new Promise((resolve) => socket.on("close", resolve));
    refuseUpgrade(socket, 403);
    socket.destroy();
    socket.emit("error", new Error("ECONNRESET"));
    await closed;
  });
});

describe("refuseHandshake", () => {
  const request = (method: string, version?: string) =>
    ({ method, headers: { "sec-websocket-version": version } }) as unknown as IncomingMessage;

  it.each<[string, IncomingMessage, string, string | undefined]>([
    [
      "a version of another time, with those that it may be",
      request("GET", "12"),
      "400",
      "Sec-WebSocket-Version: 13, 8",
    ],
    ["none", request("GET"), "400", "Sec-WebSocket-Version: 13, 8"],
    ["whatever else is wrong", request("GET", "13"), "400", undefined],
    ["another method", request("POST", "13"), "405", "Allow: GET"],
  ])("answers %s", async (_, given, status, header) => {
    const socket = new PassThrough({ autoDestroy: false });
    const answer = text(socket);
    refuseHandshake(given, socket);
    const lines = (await answer).split("\r\n");
    expect(lines[0]).toContain(status);
    expect(lines.filter((line) => /^(?:Sec-|Allow)/.test(line))).toEqual(header === undefined ? [] : [header]);
  });
});
