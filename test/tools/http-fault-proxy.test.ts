import http from "node:http";
import net from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createHttpFaultProxy, type HttpFaultProxy } from "../../e2e/support/http-fault-proxy.mjs";

// Real sockets and no clock.

const cleanups: (() => unknown)[] = [];
let proxy: HttpFaultProxy;
/** What the target has seen: method, path, a header, body. */
let seen: string[];

beforeEach(async () => {
  seen = [];
  const target = http.createServer(async (request, response) => {
    const body = await text(request).catch(() => "cut");
    seen.push(`${request.method} ${request.url} ${request.headers["x-test"] ?? "-"} ${body}`);
    response.writeHead(201, { "X-Answer": "yes" }).end(`got ${body}`);
  });
  target.on("upgrade", (_request, socket: net.Socket, head: Buffer) => {
    socket.on("error", () => {});
    cleanups.push(() => socket.destroy());
    socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello");
    socket.write(head);
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => target.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => {
    target.closeAllConnections();
    target.close();
  });
  proxy = await createHttpFaultProxy({ port: (target.address() as net.AddressInfo).port });
  cleanups.push(() => proxy.close());
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function post(body: string) {
  const url = `http://127.0.0.1:${proxy.port}/live?x=1`;
  const response = await fetch(url, { method: "POST", body, headers: { "X-Test": "1" } });
  return [response.status, response.headers.get("x-answer"), await response.text()];
}

/** A connection that asks for another protocol, and all that comes on it. */
class Client {
  received = "";
  isClosed = false;
  readonly socket: net.Socket = net.connect(proxy.port, "127.0.0.1");
  #wake: () => void = () => {};

  constructor() {
    this.socket.on("error", () => {});
    this.socket.on("data", (piece) => {
      this.received += piece.toString("latin1");
      this.#wake();
    });
    this.socket.on("close", () => {
      this.isClosed = true;
      this.#wake();
    });
    cleanups.push(() => this.socket.destroy());
    this.socket.write("GET /live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

describe("requests", () => {
  test("pass, with their headers, bodies and answers, where nothing is said", async () => {
    expect(await post("body")).toEqual([201, "yes", "got body"]);
    expect(seen).toEqual(["POST /live?x=1 1 body"]);
    expect(proxy.counts).toEqual({ requests: 1, upgrades: 0 });
  });

  test("can be answered without the target", async () => {
    proxy.onRequest = async ({ response }) => void response.writeHead(413).end("no");
    expect(await post("body")).toEqual([413, null, "no"]);
    expect(seen).toEqual([]);
  });

  test("can lose their answers: the target has taken them", async () => {
    proxy.onRequest = async ({ ask, response }) => {
      (await ask()).resume();
      response.destroy();
    };
    await expect(post("body")).rejects.toThrow();
    expect(seen.length).toBeGreaterThan(0);
    expect(seen.every((request) => request === "POST /live?x=1 1 body")).toBe(true);
  });

  test("end with their connection where there is no target", async () => {
    await proxy.close();
    cleanups.pop();
    proxy = await createHttpFaultProxy({ port: 1 });
    cleanups.push(() => proxy.close());
    await expect(post("body")).rejects.toThrow();
  });
});

describe("upgrades", () => {
  test("pass, and what comes behind them, both ways", async () => {
    const client = new Client();
    await client.until(() => client.received.endsWith("hello"));
    expect(client.received).toMatch(/^HTTP\/1\.1 101 /);
    client.socket.write("ping");
    await client.until(() => client.received.endsWith("helloping"));
    expect([proxy.counts.upgrades, proxy.lines.length]).toEqual([1, 1]);
  });

  test("can be refused", async () => {
    proxy.onUpgrade = ({ client }) => client.end("HTTP/1.1 403 Forbidden\r\n\r\n");
    const client = new Client();
    await client.until(() => client.isClosed);
    expect(client.received).toMatch(/^HTTP\/1\.1 403 /);
  });

  test("have a filter for each direction, which sees nothing of the handshake", async () => {
    const carried: string[] = [];
    proxy.onUpgrade = async ({ pass }) => {
      const line = pass();
      await line.opened;
      line.filter.down = (piece) => {
        carried.push(String(piece));
        return Buffer.from(String(piece).toUpperCase());
      };
      line.filter.up = (piece) => Buffer.from(String(piece).replace("lost", ""));
    };
    const client = new Client();
    await client.until(() => client.received.endsWith("HELLO"));
    client.socket.write("lost");
    client.socket.write("kept");
    await client.until(() => client.received.endsWith("KEPT"));
    expect([client.received.endsWith("HELLOKEPT"), carried.join("")]).toEqual([true, "hellokept"]);
  });

  test.each(["cut", "reset"] as const)("can be ended: %s", async (how) => {
    const client = new Client();
    await client.until(() => client.received.endsWith("hello"));
    proxy.lines[0]?.[how]();
    await client.until(() => client.isClosed);
    expect(proxy.lines).toEqual([]);
  });
});
