import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { inspect } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { Parameter } from "../../src/core/wire/frame.js";
import type { ServerSocket, SluiceServerOptions } from "../../src/server/index.js";
import { reactions } from "../support/event-loop.js";
import { chunk } from "../support/frame-table.js";
import { Inbox, inboxOf } from "../support/inbox.js";
import { Loopback } from "../support/loopback.js";
import { naiveDecode } from "../support/naive-decoder.js";
import { binary } from "../support/pair.js";
import { integerOf, RawClient } from "../support/raw-client.js";

let loopback: Loopback;

afterEach(() => loopback.stop());

async function serve(options: Partial<SluiceServerOptions> = {}): Promise<void> {
  loopback = await Loopback.start(options);
}

interface Guest {
  readonly peer: RawClient;
  readonly server: ServerSocket;
  /** What the server's application has got. */
  readonly messages: Inbox<string>;
}

/** A client written from PROTOCOL.md, and the server's end of it. */
async function guest(): Promise<Guest> {
  const peer = await new RawClient(loopback).established();
  const server = await loopback.connections.next();
  const messages = new Inbox<string>();
  server.on("message", (data) => messages.push(String(data)));
  return { peer, server, messages };
}

const say = (peer: RawClient, text: string) => peer.numbered(chunk({ text: true, payload: Buffer.from(text) }));

/** Cuts the line of the client; resolves when the server has parked its session. */
async function park({ peer, server }: Pick<Guest, "peer" | "server">): Promise<void> {
  const parked = once(server, "park");
  await peer.cut();
  await parked;
}

it("are counted, those whose client is away apart, with what is held for them", async () => {
  await serve();
  const { server: served } = loopback;
  expect(served.stats()).toEqual({ sessions: 0, parked: 0, heldBytes: 0 });
  const visits = [await guest(), await guest()];
  for (const visit of visits.slice(1)) await park(visit);
  const { heldBytes } = served.stats();
  visits[1]?.server.send(binary(100_000).bytes);
  await reactions();
  expect(served.stats()).toEqual({ sessions: 2, parked: 1, heldBytes: expect.any(Number) });
  expect(served.stats().heldBytes - heldBytes).toBeGreaterThanOrEqual(100_000);
});

describe("a client that comes back", () => {
  it("RES-06 goes on in both directions, and nothing is lost or comes twice", async () => {
    await serve();
    const { peer, server, messages } = await guest();
    say(peer, "a");
    say(peer, "b");
    expect(await messages.take(2)).toEqual(["a", "b"]);
    server.send("x");
    server.send(binary(20_000).bytes);
    expect(await peer.nextText()).toBe("x");
    await park({ peer, server });
    // Not acknowledged: in part it has come, in part it has not.
    server.send("y");
    const next = await peer.again();
    next.resume();
    const welcome = await next.next("welcome");
    expect(integerOf(welcome.parameters.get(Parameter.RECEIVED))).toBe(2);
    next.ack();
    say(next, "c");
    const texts: string[] = [];
    while (texts.at(-1) !== "y") texts.push(await next.nextText());
    expect(texts.filter((text) => text.length < 2)).toEqual(["y"]);
    expect(await messages.next()).toBe("c");
    expect(messages.items).toEqual(["a", "b", "c"]);
    expect(loopback.connections.items).toHaveLength(1);
  });

  it("RES-05 with nothing sent yet, either way", async () => {
    await serve();
    const { peer, server, messages } = await guest();
    await park({ peer, server });
    const next = await peer.resumed();
    say(next, "first");
    expect(await messages.next()).toBe("first");
    server.send("first");
    expect(await next.nextText()).toBe("first");
  });

  it("RES-05 sends early data again behind its HELLO; what the server has is dropped, and said again to have come", async () => {
    await serve();
    const { peer, server, messages } = await guest();
    // No ack has come for them, as far as this client remembers.
    for (const text of ["a", "b", "c"]) say(peer, text);
    const sent = new Map(peer.session.unacknowledged);
    expect(await messages.take(3)).toEqual(["a", "b", "c"]);
    await park({ peer, server });
    for (const [number, batch] of sent) peer.session.unacknowledged.set(number, batch);
    const next = await peer.resumed();
    say(next, "d");
    expect(await messages.next()).toBe("d");
    expect(messages.items).toEqual(["a", "b", "c", "d"]);
    while (peer.session.unacknowledged.size > 0) await next.next("ack");
  });

  it("RES-04 without having had its WELCOME, by its attempt alone, as often as need be", async () => {
    await serve();
    const first = await new RawClient(loopback).greeted();
    first.hello();
    say(first, "early");
    const server = await loopback.connections.next();
    const messages = new Inbox<string>();
    server.on("message", (data) => messages.push(String(data)));
    expect(await messages.next()).toBe("early");
    let peer = first;
    for (let i = 0; i < 3; i++) {
      await park({ peer, server });
      peer = await peer.again();
      // As if no WELCOME had come.
      peer.resume({ session: undefined, token: undefined, received: i === 0 ? undefined : 0 });
      await peer.next("welcome");
    }
    peer.ack();
    say(peer, "late");
    expect(await messages.next()).toBe("late");
    expect(messages.items).toEqual(["early", "late"]);
    expect(loopback.connections.items).toHaveLength(1);
  });

  it("RES-06 with the token before, while nobody knows that the new one has come", async () => {
    await serve();
    const { peer, server } = await guest();
    const { token } = peer.session;
    await park({ peer, server });
    const unsure = await peer.again();
    unsure.resume();
    await unsure.next("welcome");
    const newer = unsure.session.token;
    expect(newer).not.toEqual(token);
    await park({ peer: unsure, server });
    const again = await unsure.again();
    again.resume({ token });
    await again.next("welcome");
    // Once it is known that the newest has arrived, the others are good for nothing any more.
    await park({ peer: again, server });
    const line = await again.resumed({ token: again.session.token });
    await park({ peer: line, server });
    for (const stale of [token, newer]) {
      const late = await line.again();
      late.resume({ token: stale });
      expect((await late.closed)[0]).toBe(1008);
    }
  });

  it("ten times over: each time with another token, and one more resume in `stats`", async () => {
    await serve();
    const { peer, server, messages } = await guest();
    const tokens = new Set([String(peer.session.token)]);
    let line = peer;
    for (let i = 1; i <= 10; i++) {
      await park({ peer: line, server });
      server.send(`to ${i}`);
      line = await line.resumed();
      tokens.add(String(line.session.token));
      expect(await line.nextText()).toBe(`to ${i}`);
      line.ack();
      say(line, `from ${i}`);
      expect(await messages.next()).toBe(`from ${i}`);
      expect(server.stats().resumes).toBe(i);
    }
    expect(tokens.size).toBe(11);
  });

  it("as a SluiceSocket does it: messages of both ends arrive once, in order, however often the line is cut", async () => {
    await serve();
    const [client, server] = await loopback.connect([], { backoff: { baseMs: 1, maxMs: 5 } });
    client.binaryType = "arraybuffer";
    const [up, down] = [new Inbox<string | number>(), inboxOf(client)];
    server.on("message", (data, isBinary) => up.push(isBinary ? data.length : String(data)));
    const expected: (string | number)[] = [];
    const receipts: Promise<unknown>[] = [];
    for (let round = 0; round < 5; round++) {
      for (const value of [`a${round}`, 300_000 + round, `b${round}`]) {
        expected.push(value);
        const data = typeof value === "string" ? value : new Uint8Array(value);
        receipts.push(client.send(data).delivered, server.send(data).delivered);
      }
      await reactions();
      const resumed = once(server, "resume");
      loopback.cut();
      await resumed;
    }
    expect(await up.take(expected.length)).toEqual(expected);
    const got = (await down.take(expected.length)) as (string | ArrayBuffer)[];
    expect(got.map((data) => (typeof data === "string" ? data : data.byteLength))).toEqual(expected);
    await Promise.all(receipts);
    expect([up.items.length, down.items.length]).toEqual([expected.length, expected.length]);
    expect(client.stats().resumes).toBe(server.stats().resumes);
    expect(loopback.connections.items).toHaveLength(1);
  });

  it("is asked for its credentials each time, and its newest principal counts", async () => {
    let calls = 0;
    await serve({
      authenticate: async ({ auth }) => {
        calls += 1;
        return { id: auth, call: calls };
      },
    });
    const peer = await new RawClient(loopback).greeted();
    peer.resume({ received: undefined, auth: "ada" });
    await peer.next("welcome");
    peer.ack();
    const server = await loopback.connections.next();
    expect(server.principal).toEqual({ id: "ada", call: 1 });
    await park({ peer, server });
    await peer.resumed({ auth: "ada" });
    expect(server.principal).toEqual({ id: "ada", call: 2 });
  });

  it("stays in `clients` while it is parked, and leaves when it has ended", async () => {
    await serve();
    const { peer, server } = await guest();
    await park({ peer, server });
    expect([...loopback.server.clients]).toEqual([server]);
    const closed = new Promise((resolve) => server.on("close", resolve));
    server.terminate();
    await closed;
    expect(loopback.server.clients.size).toBe(0);
  });
});

describe("RES-09 a client that comes back while its old line looks alive", () => {
  it("takes its session over: the old line ends without ABORT, and does no harm later", async () => {
    await serve();
    const { peer, server, messages } = await guest();
    const story: string[] = [];
    for (const event of ["park", "resume", "close"] as const) server.on(event, () => story.push(event));
    const next = await peer.resumed();
    await peer.closed;
    expect(peer.of("abort")).toEqual([]);
    expect(story).toEqual(["park", "resume"]);
    say(next, "a");
    expect(await messages.next()).toBe("a");
    await reactions();
    expect([story, server.transport]).toEqual([["park", "resume"], "websocket"]);
  });

  it("RES-11 is waited for longer than a timer of Node takes", async () => {
    await serve({ limits: { resumeWindowMs: 2 ** 40 } });
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => void warnings.push(warning);
    process.on("warning", onWarning);
    await park(await guest());
    await reactions();
    process.off("warning", onWarning);
    expect(warnings).toEqual([]);
    expect(loopback.server.clients.size).toBe(1);
  });

  it("is not taken for parked: the window that begins with the end of the old line is not its own", async () => {
    await serve({ limits: { resumeWindowMs: 300 } });
    const { peer, server, messages } = await guest();
    const next = await peer.resumed();
    await peer.closed;
    // Parked after that, and expired: the window is over.
    const other = await guest();
    const expired = new Promise((resolve) => other.server.on("close", resolve));
    await park(other);
    await expired;
    say(next, "still here");
    expect(await messages.next()).toBe("still here");
    expect([...loopback.server.clients]).toEqual([server]);
  });

  it("brings again what it has sent on the old one: it counts once, however the lines race", async () => {
    await serve();
    const { peer, messages } = await guest();
    let line = peer;
    for (let i = 0; i < 20; i++) {
      const next = await line.again();
      say(line, `on the old line ${i}`);
      next.resume();
      // Behind the HELLO on the other line, and on a line that is given up: nobody may read it twice, or out of turn.
      line.numbered(chunk({ text: true, payload: Buffer.from(`too late ${i}`) }));
      const late = line.session.unacknowledged.get(line.session.lastNumber) as Uint8Array;
      await next.next("welcome");
      next.ack();
      next.send(late);
      line = next;
    }
    const expected = Array.from({ length: 20 }, (_, i) => [`on the old line ${i}`, `too late ${i}`]).flat();
    expect(await messages.take(40)).toEqual(expected);
    await reactions();
    expect(messages.items).toHaveLength(40);
    expect(loopback.connections.items).toHaveLength(1);
  });

  it("keeps the old line for as long as the application has not decided", async () => {
    let decide: (principal: unknown) => void = () => {};
    const asked = new Inbox<number>();
    await serve({
      authenticate: () =>
        new Promise((resolve) => {
          decide = resolve;
          asked.push(1);
        }),
    });
    const peer = await new RawClient(loopback).greeted();
    peer.hello();
    await asked.next();
    decide({ id: 1 });
    await peer.next("welcome");
    peer.ack();
    const server = await loopback.connections.next();
    const messages = new Inbox<string>();
    server.on("message", (data) => messages.push(String(data)));
    const next = await peer.again();
    next.resume();
    await asked.next();
    say(peer, "meanwhile");
    expect(await messages.next()).toBe("meanwhile");
    server.send("likewise");
    expect(await peer.nextText()).toBe("likewise");
    decide({ id: 1 });
    const welcome = await next.next("welcome");
    expect(integerOf(welcome.parameters.get(Parameter.RECEIVED))).toBe(1);
    // It was sent on the old line, and not acknowledged there.
    next.ack();
    await peer.closed;
    expect(server.transport).toBe("websocket");
  });

  it("also where the old line stands still: whatever is stuck in it is never read", async () => {
    await serve();
    const { peer, server, messages } = await guest();
    // The server does not read any more, as if the network held everything back.
    const [line] = [...loopback.lines];
    line?.pause();
    say(peer, "stuck");
    await reactions();
    const next = await peer.resumed();
    line?.resume();
    say(next, "behind");
    expect(await messages.take(2)).toEqual(["stuck", "behind"]);
    expect(server.stats().resumes).toBe(1);
    await peer.closed;
    expect(messages.items).toHaveLength(2);
  });
});

describe("what the application sees of a resume", () => {
  it("RES-08 is the URL that it knows: no check of its own finds a session in it", async () => {
    const urls: (string | undefined)[] = [];
    const note = <T>(request: IncomingMessage, answer: T): T => {
      urls.push(request.url);
      return answer;
    };
    await serve({
      path: "/live",
      origins: (_, request) => note(request, true),
      verifyClient: ({ req }: { req: IncomingMessage }) => note(req, true),
      handleProtocols: (_, request) => note(request, "chat"),
      authenticate: ({ request }) => note(request, true),
      clientAddress: (request) => note(request, "here"),
    });
    loopback.server.on("headers", (_, request) => note(request, undefined));
    loopback.server.on("connection", (_, request) => note(request, undefined));
    const origin = `http://127.0.0.1:${loopback.port}`;
    const options = { protocols: ["chat", "sluice.v1"], headers: { Origin: origin } };
    const peer = await new RawClient(loopback, { ...options, path: "live?room=1" }).established();
    const server = await loopback.connections.next();
    const first = urls.splice(0).length;
    await park({ peer, server });
    await peer.resumed({}, { path: `live?room=1&sluice-session=${peer.session.hexId}` });
    // Everything is asked again, but `connection` is not told.
    expect(urls).toHaveLength(first - 1);
    expect(new Set(urls)).toEqual(new Set(["/live?room=1"]));
    expect(server.id).toBe(peer.session.hexId);
  });

  it("RES-08 names the session in the URL of a SluiceSocket; SEC-03 but no secret is in there, or in what sockets show", async () => {
    const secrets: Uint8Array[] = [];
    const requests: string[] = [];
    await serve();
    const onUpgrade = (request: IncomingMessage) => requests.push([request.url, ...request.rawHeaders].join("\n"));
    loopback.http.prependListener("upgrade", onUpgrade);
    const find = (data: unknown) => {
      for (const frame of naiveDecode(new Uint8Array(data as ArrayBuffer)).frames) {
        if (frame.type !== "welcome" && frame.type !== "hello") continue;
        for (const key of [Parameter.ATTEMPT, Parameter.RESUME_TOKEN])
          secrets.push(...[frame.parameters.get(key) ?? []].flat());
      }
    };
    class Overheard extends WebSocket {
      constructor(...parts: ConstructorParameters<typeof WebSocket>) {
        super(...parts);
        this.on("message", find);
      }

      override send(data: never, ...rest: never[]): void {
        find(data);
        super.send(data, ...rest);
      }
    }
    const [client, server] = await loopback.connect([], { WebSocket: Overheard, backoff: { baseMs: 1, maxMs: 5 } });
    for (let i = 0; i < 2; i++) {
      const resumed = once(server, "resume");
      loopback.cut();
      await resumed;
      await client.send("a").delivered;
    }
    loopback.http.off("upgrade", onUpgrade);
    // HELLO three times, the last two with a token; WELCOME three times.
    expect(secrets).toHaveLength(8);
    expect(requests.map((request) => request.split("\n")[0])).toEqual([
      "/",
      `/?sluice-session=${server.id}`,
      `/?sluice-session=${server.id}`,
    ]);
    const exposed = [
      ...requests,
      inspect(server, { depth: 12 }),
      JSON.stringify(server.stats()),
      server.id,
      client.url,
    ].join();
    for (const secret of secrets) {
      const bytes = Buffer.from(secret);
      const hex = bytes.toString("hex");
      const spaced = hex.replace(/..(?=.)/g, "$& ");
      const listed = [...bytes].join(", ");
      for (const form of [hex, spaced, listed, bytes.toString("base64"), bytes.toString("base64url")]) {
        expect(exposed).not.toContain(form);
      }
    }
  });
});
