import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ServerSocket, SluiceServerOptions } from "../../src/server/index.js";
import { chunk } from "../support/frame-table.js";
import { hex } from "../support/hex.js";
import { Inbox } from "../support/inbox.js";
import { Loopback } from "../support/loopback.js";
import { RawClient, type RawClientOptions, type RawHello, type RawSession } from "../support/raw-client.js";

const HOME = { headers: { Origin: "https://home.example" } };

let loopback: Loopback;
let owner: RawClient;
let server: ServerSocket;
let messages: Inbox<string>;
/** What the next `authenticate` does with credentials "slow". */
let pending: Promise<unknown>;

const say = (peer: RawClient, text: string) => peer.numbered(chunk({ text: true, payload: Buffer.from(text) }));

async function serve(options: Partial<SluiceServerOptions> = {}): Promise<void> {
  loopback = await Loopback.start({
    origins: ["https://home.example", "https://other.example"],
    authenticate: ({ auth }) => {
      if (auth === "broken") throw new Error("of the application");
      if (auth === "rejecting") return Promise.reject(new Error("of the application"));
      if (auth === "unnameable") return { number: 1n };
      if (auth === "slow") return pending;
      return auth === "banned" ? false : { id: auth };
    },
    ...options,
  });
}

/** A session of `auth` that has been resumed once: it has an old token. */
async function settle(auth: string): Promise<RawClient> {
  const first = await new RawClient(loopback, HOME).greeted();
  first.resume({ epoch: 5, received: undefined, auth });
  await first.next("welcome");
  first.ack();
  const socket = await loopback.connections.next();
  const parked = once(socket, "park");
  await first.cut();
  await parked;
  return first.resumed({ auth });
}

async function park(): Promise<void> {
  const parked = once(server, "park");
  await owner.cut();
  await parked;
}

/** Somebody dials, says `claims` on top of what the owner knows, and is refused. Returns all bytes of the answer. */
async function refused(session: RawSession, claims: RawHello, options: RawClientOptions = {}): Promise<string> {
  const peer = await new RawClient(loopback, { ...HOME, ...options, session: session.copy() }).greeted();
  peer.resume(claims);
  expect(await peer.closed).toEqual([1008, ""]);
  expect(peer.frames.items.map(({ type }) => type)).toEqual(["greeting", "abort"]);
  return hex(peer.batches[1] as Uint8Array);
}

/** The answer to wrong credentials, which everything else has to look like. */
async function plainRefusal(): Promise<string> {
  const peer = await new RawClient(loopback, HOME).greeted();
  peer.resume({ received: undefined, auth: "banned" });
  expect(await peer.closed).toEqual([1008, ""]);
  expect(peer.of("abort")).toEqual([
    { type: "abort", code: 1008, reason: Uint8Array.from(Buffer.from("unauthorized")) },
  ]);
  return hex(peer.batches[1] as Uint8Array);
}

type Attack = (session: RawSession) => RawHello | [RawHello, RawClientOptions];

const id = () => randomBytes(16);
const mine = { auth: "ada" };
const bare = { session: undefined, token: undefined };
let stale: Uint8Array;
let foreign: RawSession;

const attacks: [string, Attack][] = [
  ["no credentials", () => ({})],
  ["credentials that are refused", () => ({ auth: "banned" })],
  ["credentials that make the application throw", () => ({ auth: "broken" })],
  ["credentials that make the application reject", () => ({ auth: "rejecting" })],
  ["a principal that cannot be named", () => ({ auth: "unnameable" })],
  ["another principal", () => ({ auth: "eve" })],
  ["another origin", () => [mine, { headers: { Origin: "https://other.example" } }]],
  ["no origin", () => [mine, { headers: {} }]],
  ["a forged token", () => ({ ...mine, token: randomBytes(32) })],
  ["a token of zeros", () => ({ ...mine, token: new Uint8Array(32) })],
  [
    "a token that is wrong in its last bit",
    ({ token = new Uint8Array(32) }) => ({ ...mine, token: token.map((byte, i) => (i === 31 ? byte ^ 1 : byte)) }),
  ],
  ["an old token", () => ({ ...mine, token: stale })],
  ["the token of another session", () => ({ ...mine, token: foreign.token })],
  ["another's session, with its own token", ({ token }) => ({ ...mine, session: foreign.id, token })],
  ["another's session and token", () => ({ ...mine, session: foreign.id, token: foreign.token })],
  ["a session that does not exist", () => ({ ...mine, session: id() })],
  ["a session that does not exist, and its attempt", () => ({ ...mine, session: id(), attempt: id() })],
  ["the epoch that it has", ({ epoch }) => ({ ...mine, epoch })],
  ["an epoch before", ({ epoch }) => ({ ...mine, epoch: epoch - 1 })],
  ["the first epoch", () => ({ ...mine, epoch: 1 })],
  ["a count from the future", ({ received }) => ({ ...mine, received: received + 2 })],
  ["a count beyond all", () => ({ ...mine, received: 2 ** 53 - 1 })],
  ["the attempt alone, as if for the first time", () => ({ ...mine, ...bare, received: undefined })],
  ["the attempt alone, for the session that is there", () => ({ ...mine, ...bare, received: 0 })],
  [
    "an attempt that nobody knows, for a session that is there",
    () => ({ ...mine, ...bare, attempt: id(), received: 0 }),
  ],
];

describe.each(["parked", "attached"])("RES-07 who is not to have a session that is %s", (state) => {
  beforeEach(async () => {
    await serve();
    const eve = await settle("eve");
    foreign = eve.session;
    const first = await new RawClient(loopback, HOME).greeted();
    first.resume({ epoch: 5, received: undefined, ...mine });
    await first.next("welcome");
    first.ack();
    stale = first.session.token as Uint8Array;
    server = await loopback.connections.next();
    messages = new Inbox();
    server.on("message", (data) => messages.push(String(data)));
    owner = await first.resumed(mine);
    const seen = server.send("seen");
    expect(await owner.nextText()).toBe("seen");
    owner.ack();
    await seen.delivered;
    if (state === "parked") await park();
  });

  afterEach(() => loopback.stop());

  it.each(attacks)("%s: is told what everybody is told, and changes nothing", async (_, attack) => {
    const receipt = server.send("kept");
    const story: string[] = [];
    for (const event of ["park", "resume", "close"] as const) server.on(event, () => story.push(event));
    const made = attack(owner.session);
    const [claims, options] = Array.isArray(made) ? made : [made, {}];
    expect(await refused(owner.session, claims, options)).toBe(await plainRefusal());
    expect(story).toEqual([]);
    expect(server.principal).toEqual({ id: "ada" });
    // The owner has lost nothing.
    if (state === "attached") {
      say(owner, "still here");
      expect(await messages.next()).toBe("still here");
    } else {
      owner = await owner.resumed(mine);
    }
    expect(await owner.nextText()).toBe("kept");
    owner.ack();
    await receipt.delivered;
    say(owner, "and well");
    expect(await messages.next()).toBe("and well");
    expect(loopback.connections.items).toHaveLength(2);
  });

  it("a copy of a HELLO that was answered, on another line", async () => {
    const claims = { ...mine, epoch: owner.session.epoch, token: stale, received: 0 };
    expect(await refused(owner.session, claims)).toBe(await plainRefusal());
    await owner.resumed(mine);
  });
});

describe("RES-07 a session that has ended", () => {
  beforeEach(() => serve());
  afterEach(() => loopback.stop());

  it.each<[string, Attack]>([
    ["by its session and token", () => mine],
    ["by its attempt, as if for the first time", () => ({ ...mine, ...bare, received: undefined })],
    ["by its attempt", () => ({ ...mine, ...bare, received: 0 })],
  ])("cannot be had %s: the answer is the same", async (_, attack) => {
    owner = await settle("ada");
    [server] = loopback.server.clients as unknown as [ServerSocket];
    const closed = new Promise((resolve) => server.on("close", resolve));
    server.terminate();
    await closed;
    expect(await refused(owner.session, attack(owner.session) as RawHello)).toBe(await plainRefusal());
    expect(loopback.server.clients.size).toBe(0);
  });
});

describe("a resume that takes too long", () => {
  afterEach(() => loopback.stop());

  it("HSK-10 ends with 1013, and the session stays; the late answer changes nothing", async () => {
    await serve({ limits: { handshakeTimeoutMs: 100 } });
    let decide: (principal: unknown) => void = () => {};
    pending = new Promise((resolve) => {
      decide = resolve;
    });
    owner = await settle("ada");
    [server] = loopback.server.clients as unknown as [ServerSocket];
    await park();
    server.send("kept");
    const slow = await owner.again();
    slow.resume({ auth: "slow" });
    expect((await slow.closed)[0]).toBe(1013);
    expect(slow.of("abort")).toMatchObject([{ code: 1013 }]);
    decide({ id: "ada" });
    const next = await owner.resumed(mine);
    expect(await next.nextText()).toBe("kept");
    expect([...loopback.server.clients]).toEqual([server]);
  });
});
