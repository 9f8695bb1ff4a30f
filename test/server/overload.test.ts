import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { ServerSocket, SluiceServerOptions } from "../../src/server/index.js";
import { chunk } from "../support/frame-table.js";
import { Loopback } from "../support/loopback.js";
import { RawClient, type RawHello } from "../support/raw-client.js";

const KIB = 1024;

let loopback: Loopback;

afterEach(() => loopback.stop());

async function serve(options: Partial<SluiceServerOptions> = {}): Promise<void> {
  loopback = await Loopback.start(options);
}

/** A client at the door, that says who it is. */
async function introduce(auth?: unknown, claims: RawHello = {}): Promise<RawClient> {
  const peer = await new RawClient(loopback).greeted();
  peer.resume({ received: undefined, auth, ...claims });
  return peer;
}

async function enter(auth?: unknown): Promise<[RawClient, ServerSocket]> {
  const peer = await introduce(auth);
  await peer.next("welcome");
  peer.ack();
  return [peer, await loopback.connections.next()];
}

async function park([peer, server]: [RawClient, ServerSocket]): Promise<void> {
  const parked = once(server, "park");
  await peer.cut();
  await parked;
}

/** Resolves with the error and the close code of a session that ends. */
function endOf(server: ServerSocket): Promise<[string, number]> {
  let code = "";
  server.on("error", (error) => {
    code = error.code;
  });
  return new Promise((resolve) => server.on("close", (closeCode) => resolve([code, closeCode])));
}

/** The answer to an upgrade that is refused. */
async function refusal(
  path = "",
  headers: Record<string, string> = {},
  protocols: string[] = ["sluice.v1"],
): Promise<IncomingMessage> {
  const webSocket = loopback.webSocket(protocols, { headers }, path);
  const [, response] = (await once(webSocket, "unexpected-response")) as [unknown, IncomingMessage];
  response.resume();
  await once(response, "end");
  return response;
}

describe("RES-16 one principal", () => {
  it("has sixteen sessions; one more is told to come later, and let in when another has been parked", async () => {
    await serve({ authenticate: ({ auth }) => auth });
    const all: [RawClient, ServerSocket][] = [];
    for (let i = 0; i < 16; i++) all.push(await enter("ada"));
    const tooMany = await introduce("ada");
    expect((await tooMany.closed)[0]).toBe(1013);
    expect(tooMany.of("abort")).toMatchObject([{ code: 1013 }]);
    // Others do not suffer from it.
    await enter("eve");
    const [first, second] = [all[3], all[7]] as [[RawClient, ServerSocket], [RawClient, ServerSocket]];
    await park(first);
    await park(second);
    const gone = endOf(first[1]);
    await enter("ada");
    expect(await gone).toEqual(["ERR_SESSION_LOST", 1006]);
    // Only the one that was parked first has had to leave.
    expect(second[1].readyState).toBe(1);
    expect(loopback.server.clients.size).toBe(17);
    const late = await first[0].again();
    late.resume({ auth: "ada" });
    expect((await late.closed)[0]).toBe(1008);
    await second[0].resumed({ auth: "ada" });
  });

  it("is let back in to each of them, however many there are", async () => {
    await serve({ authenticate: ({ auth }) => auth, limits: { principalSessionsMax: 2 } });
    const all = [await enter("ada"), await enter("ada")] as const;
    for (const [peer, server] of all) {
      // Over the old line, and when it was parked.
      const next = await peer.resumed({ auth: "ada" });
      await park([next, server]);
      await next.resumed({ auth: "ada" });
    }
    expect(loopback.server.clients.size).toBe(2);
  });

  it("makes room for nobody who has gone before it was decided on", async () => {
    const asked: ((principal: string) => void)[] = [];
    await serve({
      authenticate: ({ auth }) => (auth === "slow" ? new Promise((resolve) => asked.push(resolve)) : auth),
      limits: { principalSessionsMax: 1 },
    });
    const ada = await enter("ada");
    await park(ada);
    const impatient = await introduce("slow");
    while (asked.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const line = [...loopback.lines].at(-1) as Socket;
    const over = once(line, "close");
    impatient.line.destroy();
    await over;
    asked[0]?.("ada");
    await new Promise((resolve) => setImmediate(resolve));
    await ada[0].resumed({ auth: "ada" });
  });

  it("is who `identify` says", async () => {
    await serve({
      authenticate: ({ auth }) => auth,
      identify: (principal) => (principal as { team: string }).team,
      limits: { principalSessionsMax: 1 },
    });
    const [peer, server] = await enter({ team: "red", name: "ada" });
    expect((await (await introduce({ team: "red", name: "eve" })).closed)[0]).toBe(1013);
    await enter({ team: "blue", name: "ada" });
    await park([peer, server]);
    await peer.resumed({ auth: { team: "red", name: "eve" } });
    expect(server.principal).toEqual({ team: "red", name: "eve" });
  });

  it("is refused where `identify` throws, and unknown where it says nothing: then there is no limit", async () => {
    await serve({
      authenticate: ({ auth }) => auth,
      identify: (principal) => {
        if (principal === "broken") throw new Error("of the application");
        return undefined;
      },
      limits: { principalSessionsMax: 1 },
    });
    expect((await (await introduce("broken")).closed)[0]).toBe(1008);
    for (let i = 0; i < 3; i++) await enter("anybody");
  });
});

describe("SEC-05 handshakes of one address", () => {
  it("are bounded: 503 with Retry-After, until one of them is over, however it ends", async () => {
    await serve({ limits: { addressHandshakesMax: 3 } });
    const peers = [];
    for (let i = 0; i < 3; i++) peers.push(await new RawClient(loopback).greeted());
    const response = await refusal();
    expect([response.statusCode, response.headers["retry-after"]]).toEqual([503, "5"]);
    const [established, gone, broken] = peers as [RawClient, RawClient, RawClient];
    established.hello();
    await established.next("welcome");
    const [fourth] = [await new RawClient(loopback).greeted()];
    expect((await refusal()).statusCode).toBe(503);
    broken.send("text");
    await broken.closed;
    await new RawClient(loopback).greeted();
    expect((await refusal()).statusCode).toBe(503);
    const over = new Promise<void>((resolve) => gone.line.once("close", () => resolve()));
    gone.webSocket.close();
    await over;
    await new RawClient(loopback).greeted();
    expect((await refusal()).statusCode).toBe(503);
    expect(fourth.webSocket.readyState).toBe(1);
  });

  it("are counted by what `clientAddress` says", async () => {
    await serve({
      clientAddress: ({ headers }) => headers["x-forwarded-for"]?.toString(),
      limits: { addressHandshakesMax: 1 },
    });
    const from = (address: string) => ({ headers: { "X-Forwarded-For": address } });
    await new RawClient(loopback, from("192.0.2.1")).greeted();
    expect((await refusal("", from("192.0.2.1").headers)).statusCode).toBe(503);
    await new RawClient(loopback, from("192.0.2.2")).greeted();
    // Who has none shares one.
    await new RawClient(loopback).greeted();
    expect((await refusal()).statusCode).toBe(503);
  });

  it("count those of ordinary clients, and their time is over at the deadline as well", async () => {
    let asked = 0;
    await serve({
      plainClients: true,
      authenticate: ({ request }) => {
        asked += 1;
        return request.headers["x-user"] ?? new Promise(() => {});
      },
      limits: { addressHandshakesMax: 2, handshakeTimeoutMs: 300 },
    });
    const answers = [refusal("", {}, []), refusal("", {}, [])];
    while (asked < 2) await new Promise((resolve) => setImmediate(resolve));
    const tooMany = await refusal("", {}, []);
    expect([tooMany.statusCode, tooMany.headers["retry-after"], asked]).toEqual([503, "5", 2]);
    for (const late of await Promise.all(answers)) expect(late.statusCode).toBe(503);
    // Nobody counts any more, in time or not.
    for (let i = 0; i < 3; i++) {
      const ordinary = loopback.webSocket([], { headers: { "X-User": "ada" } });
      await once(ordinary, "open");
    }
  });

  it("end with a client that has gone before the application has handed it over", async () => {
    await serve({ limits: { addressHandshakesMax: 1 }, clientAddress: () => "192.0.2.1" });
    const [take] = loopback.http.listeners("upgrade") as ((...args: unknown[]) => void)[];
    loopback.http.removeAllListeners("upgrade");
    const gone = new Promise<void>((resolve) => {
      loopback.http.once("upgrade", (request, line, head) => {
        line.once("close", () => {
          take?.(request, line, head);
          resolve();
        });
        line.destroy();
      });
    });
    loopback.webSocket(["sluice.v1"]);
    await gone;
    loopback.http.on("upgrade", take as never);
    await enter();
  });

  it("do not count once a session is there", async () => {
    await serve({ limits: { addressHandshakesMax: 1 } });
    for (let i = 0; i < 5; i++) await enter();
  });
});

describe("SEC-05 sessions that are half made", () => {
  it("by the thousand, without HELLO: the deadline ends them, and others get in meanwhile", async () => {
    await serve({ limits: { handshakeTimeoutMs: 3000, addressHandshakesMax: 2000 } });
    const peers: RawClient[] = [];
    while (peers.length < 1000) {
      const some = Array.from({ length: 100 }, () => new RawClient(loopback).greeted());
      peers.push(...(await Promise.all(some)));
    }
    const [client] = await loopback.connect();
    await client.send("honest").delivered;
    const codes = await Promise.all(peers.map(({ closed }) => closed));
    expect(new Set(codes.map(([code]) => code))).toEqual(new Set([1013]));
    await client.send("still").delivered;
    expect(loopback.server.clients.size).toBe(1);
    // None of them counts any more.
    await serveNobody();
  });

  it("with a flood of early data each: it counts in the budget, the deadline ends it, and all of it is free again", async () => {
    await serve({
      authenticate: ({ auth }) => (auth === "honest" ? true : new Promise(() => {})),
      limits: { processBytesMax: 900 * KIB, handshakeTimeoutMs: 1500 },
    });
    const known = await enter("honest");
    known[1].send("kept");
    await park(known);
    const peers = await Promise.all(Array.from({ length: 30 }, () => introduce("hostile")));
    const flood = async (peer: RawClient) => {
      peer.numbered(chunk({ payload: new Uint8Array(16 * KIB - 20) }));
      peer.numbered(chunk({ payload: new Uint8Array(16 * KIB - 20) }));
      // Answered behind the flood: it was read by then.
      peer.unnumbered({ type: "ping", payload: Uint8Array.of(1) });
      await peer.next("pong");
    };
    await Promise.all(peers.map(flood));
    // 30 × 32 KiB, and the parked session: nobody new gets in, but whoever is known.
    const response = await refusal();
    expect([response.statusCode, response.headers["retry-after"]]).toEqual([503, "5"]);
    expect((await refusal(`?sluice-session=${"0".repeat(32)}`)).statusCode).toBe(503);
    const back = await known[0].resumed({ auth: "honest" }, { path: `?sluice-session=${known[0].session.hexId}` });
    expect(await back.nextText()).toBe("kept");
    const codes = await Promise.all(peers.map(({ closed }) => closed));
    expect(new Set(codes.map(([code]) => code))).toEqual(new Set([1013]));
    await enter("honest");
  });

  /** As many get in as the address may have under way: nothing is left of those before. */
  async function serveNobody(): Promise<void> {
    const some = Array.from({ length: 100 }, () => new RawClient(loopback).greeted());
    for (const peer of await Promise.all(some)) peer.webSocket.terminate();
  }
});

describe("RES-16 the budget of the process", () => {
  it("above half of it, parked sessions leave, the largest first", async () => {
    await serve({ limits: { processBytesMax: 2048 * KIB } });
    const guests = [await enter(), await enter(), await enter()] as const;
    const ends: string[] = [];
    for (const [index, guest] of guests.entries()) {
      guest[1].on("close", () => ends.push(`${index} has left`));
      await park(guest);
    }
    const [small, large, middle] = guests.map(([, server]) => server) as [ServerSocket, ServerSocket, ServerSocket];
    const gone = endOf(large);
    small.send(new Uint8Array(100 * KIB));
    large.send(new Uint8Array(500 * KIB));
    middle.send(new Uint8Array(300 * KIB));
    await new Promise((resolve) => setImmediate(resolve));
    expect(ends).toEqual([]);
    middle.send(new Uint8Array(150 * KIB));
    expect(await gone).toEqual(["ERR_SESSION_LOST", 1006]);
    expect(ends).toEqual(["1 has left"]);
    // The others are as they were.
    await guests[0][0].resumed();
    await guests[2][0].resumed();
  });

  it("above all of it, the largest leaves, also when its client is there: 1013", async () => {
    await serve({ limits: { processBytesMax: 1024 * KIB } });
    const [hog, other] = [await enter(), await enter()];
    other[1].send(new Uint8Array(200 * KIB));
    const gone = endOf(hog[1]);
    // This client acknowledges nothing.
    hog[1].send(new Uint8Array(600 * KIB));
    hog[1].send(new Uint8Array(300 * KIB));
    expect(await gone).toEqual(["ERR_SESSION_LOST", 1006]);
    expect((await hog[0].closed)[0]).toBe(1013);
    expect(hog[0].of("abort")).toMatchObject([{ code: 1013 }]);
    expect(other[1].readyState).toBe(1);
    await enter();
  });

  it("above half of it nobody is granted more than a first credit, until it is over", async () => {
    await serve({ limits: { processBytesMax: 1024 * KIB } });
    const [hog, other] = [await enter(), await enter()];
    const talk = () => other[0].numbered(chunk({ payload: new Uint8Array(40 * KIB) }));
    const credits = () => other[0].of("channel-credit").map(({ bytes }) => bytes);
    const answered = async () => {
      other[0].unnumbered({ type: "ping", payload: new Uint8Array(0) });
      await other[0].next("pong");
    };
    hog[1].send(new Uint8Array(600 * KIB));
    await answered();
    talk();
    await answered();
    // What was taken, and not a byte more.
    expect(credits()).toEqual([40 * KIB + 32 + 65 * KIB]);
    hog[1].terminate();
    await once(hog[1], "close");
    await answered();
    talk();
    await answered();
    expect(credits().at(-1)).toBeGreaterThanOrEqual(256 * KIB);
    other[1].terminate();
  });

  it("one principal has a sixteenth of it for sessions that are parked", async () => {
    await serve({ authenticate: ({ auth }) => auth, limits: { processBytesMax: 4096 * KIB } });
    const [ada, eve] = [await enter("ada"), await enter("eve")];
    for (const guest of [ada, eve]) await park(guest);
    const gone = endOf(ada[1]);
    eve[1].send(new Uint8Array(200 * KIB));
    ada[1].send(new Uint8Array(300 * KIB));
    expect(await gone).toEqual(["ERR_SESSION_LOST", 1006]);
    expect(eve[1].readyState).toBe(1);
  });
});
