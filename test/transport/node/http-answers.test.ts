import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, connect as connectTcp } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "vitest";
import { answer, refuse } from "../../../src/transport/node/http-answers.js";

let server: Server;

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

/** Sends bytes and returns all that comes back until the connection ends. */
async function exchange(
  request: string,
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  server = createServer(handle);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const line = connectTcp((server.address() as AddressInfo).port, "127.0.0.1");
  line.write(request);
  return text(line);
}

const CLOSE = "Host: a\r\nConnection: close\r\n";

describe("HTTP-24, HTTP-25: answers", () => {
  it("are whole, and say that nobody may keep, change or show them", async () => {
    const all = await exchange(`GET / HTTP/1.1\r\n${CLOSE}\r\n`, (_request, response) => {
      response.setHeader("Vary", "Origin");
      answer(response, 200, { "X-More": "1" }, "body");
      // Only the first one counts.
      answer(response, 500, {});
    });
    expect(all).toMatch(/^HTTP\/1.1 200 OK\r\n/);
    for (const header of [
      "Vary: Origin",
      "X-More: 1",
      "Cache-Control: no-store, no-transform",
      "X-Accel-Buffering: no",
      "X-Content-Type-Options: nosniff",
      "Content-Security-Policy: sandbox",
      "Content-Length: 4",
    ]) {
      expect(all).toContain(`\r\n${header}\r\n`);
    }
    expect(all.endsWith("\r\n\r\nbody")).toBe(true);
  });

  it("have no length in a 204", async () => {
    const all = await exchange(`OPTIONS / HTTP/1.1\r\n${CLOSE}\r\n`, (_request, response) => answer(response, 204, {}));
    expect(all).not.toMatch(/content-length/i);
  });

  it("reach a client that is still sending, and the next request of the connection is served", async () => {
    const body = "x".repeat(100_000);
    const post = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const all = await exchange(`${post}GET / HTTP/1.1\r\n${CLOSE}\r\n`, (request, response) => {
      if (request.method === "POST") refuse(request, response, 413);
      else answer(response, 200, {}, "next");
    });
    expect(all.match(/HTTP\/1.1 \d+/g)).toEqual(["HTTP/1.1 413", "HTTP/1.1 200"]);
  });

  it("end the connection of a client that never comes to the end", async () => {
    const post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx";
    const all = await exchange(post, (request, response) => refuse(request, response, 413));
    expect(all).toMatch(/^HTTP\/1.1 413 /);
  });
});
