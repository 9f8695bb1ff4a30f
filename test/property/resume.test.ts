import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Priority } from "../../src/core/wire/frame.js";
import { Ledger, type Speaker } from "../support/ledger.js";
import { type End, type Network, Pair, text } from "../support/pair.js";

const OWNER = { origin: "https://a.example", principal: "me" };

/** The model: what the applications know, and whether there is still a session. */
interface Model {
  readonly ledger: Ledger;
  isForgotten: boolean;
}

/** The real thing: a pair, and the names of its channels at both ends. */
class World {
  readonly pair: Pair;
  readonly ledger: Ledger;
  readonly names = { client: new Map([[0, ""]]), server: new Map([[0, ""]]) };
  #said = 0;

  constructor(ledger: Ledger) {
    this.ledger = ledger;
    const dial = { backoff: { baseMs: 100, maxMs: 400 }, connectTimeoutMs: 1e6 };
    this.pair = new Pair({ dial, rateBitsPerSecond: 5e6, owner: OWNER, serverLimits: { resumeWindowMs: 60_000 } });
    for (const end of [this.pair.client, this.pair.server]) {
      end.react = (event) => {
        if (event.type === "channel") this.names[end.name].set(event.channel, event.name);
        if (event.type === "message") {
          ledger.handleMessage(end.name, this.names[end.name].get(event.channel) ?? "?", event.data as string);
        }
        ledger.handleFate(end.name, event);
      };
    }
    this.pair.connect();
  }

  send(from: Speaker, name: string, size: number, priority: Priority): void {
    const end: End = this.pair[from];
    if (!end.hasSession || end.session.isClosing) return;
    const known = [...this.names[from]].find(([, known]) => known === name)?.[0];
    const channel = known ?? this.pair.input(end, (s, now) => s.openChannel(name, priority, now));
    this.names[from].set(channel, name);
    this.#said += 1;
    const value = `${this.#said} ${"x".repeat(size)}`;
    // The model learns of it first: it may arrive within the call.
    this.ledger.handleSend(from, name, this.#count(from), value);
    this.pair.input(end, (s, now) => s.send(channel, text(value), now));
  }

  readonly #counts = { client: 0, server: 0 };

  /** Message ids count from 1 in each session. */
  #count(from: Speaker): number {
    this.#counts[from] += 1;
    return this.#counts[from];
  }
}

/** One thing that happens, and what holds behind it. */
class Step implements fc.Command<Model, World> {
  readonly #title: string;
  readonly #act: (world: World, model: Model) => void;

  constructor(title: string, act: (world: World, model: Model) => void) {
    this.#title = title;
    this.#act = act;
  }

  check(): boolean {
    return true;
  }

  run(model: Model, world: World): void {
    const { pair } = world;
    this.#act(world, model);
    // Whatever happens, no attempt makes a second session.
    expect(pair.host.registry.size).toBeLessThanOrEqual(1);
    expect(pair.server.of("established").length).toBeLessThanOrEqual(1);
    for (const end of [pair.client, pair.server]) {
      if (!end.hasSession) continue;
      expect(end.session.stats.inFlightBytes).toBeLessThanOrEqual(1 << 20);
      if (!model.isForgotten) expect(end.of("closed")).toEqual([]);
    }
  }

  toString(): string {
    return this.#title;
  }
}

const sends = fc
  .record({
    from: fc.constantFrom<Speaker>("client", "server"),
    name: fc.constantFrom("", "", "a", "b"),
    size: fc.oneof(fc.nat(50), fc.nat(50), fc.nat(40_000)),
    priority: fc.constantFrom<Priority>("high", "normal", "low"),
  })
  .map(
    ({ from, name, size, priority }) =>
      new Step(`${from} sends ${size} on "${name}"`, (world) => world.send(from, name, size, priority)),
  );
const waits = fc
  .oneof(fc.nat(30), fc.nat(200), fc.integer({ min: 100, max: 1500 }))
  .map((ms) => new Step(`${ms} ms pass`, ({ pair }) => pair.run(ms)));
const cuts = fc.constant(new Step("the line is cut", ({ pair }) => pair.cut()));
const losses = fc.constant(new Step("the line dies", ({ pair }) => pair.lose()));
const takeovers = fc.constantFrom<Speaker>("client", "server").map(
  (who) =>
    new Step(`only the ${who} notices`, ({ pair }) => {
      if (pair[who].line !== undefined) pair.die(pair[who]);
    }),
);
const networks = fc.constantFrom<Network>("up", "up", "down", "hung", "deaf").map(
  (network) =>
    new Step(`the network is ${network}`, ({ pair }) => {
      pair.network = network;
    }),
);
const naps = fc.nat(3000).map(
  (ms) =>
    new Step(`sleeps for ${ms} ms`, ({ pair }) => {
      pair.input(pair.client, (s, now) => s.suspend(now));
      pair.run(ms).input(pair.client, (s, now) => s.wake(now));
    }),
);
const recalls = fc.nat(300).map(
  (ms) =>
    new Step(`is recalled in ${ms} ms`, ({ pair }) => {
      if (pair.server.hasSession) pair.input(pair.server, (s, now) => s.recall(ms, now));
    }),
);
const crowds = fc.boolean().map(
  (isOpen) =>
    new Step(`the server is ${isOpen ? "open" : "busy"}`, ({ pair }) => {
      pair.accepts = isOpen;
      if (isOpen) pair.accept();
      else pair.refuse(1013, "");
    }),
);

const harmless = [
  sends,
  sends,
  sends,
  sends,
  waits,
  waits,
  waits,
  cuts,
  cuts,
  losses,
  takeovers,
  naps,
  recalls,
  crowds,
  networks,
];

/** Everything is well again, and stays so. */
function recover({ pair }: World): void {
  pair.network = "up";
  pair.accepts = true;
  pair.accept();
  pair.input(pair.client, (s, now) => s.wake(now));
  pair.run(50_000);
}

function begin(): { model: Model; real: World } {
  const ledger = new Ledger();
  return { model: { ledger, isForgotten: false }, real: new World(ledger) };
}

describe("RES-01, RES-06: against a model that knows only what was sent and what arrived", () => {
  it("once the line is back, everything has arrived, once and in the order of its channel, and everybody knows", () => {
    const seen = { received: 0, resumes: 0, takeovers: 0 };
    fc.assert(
      fc.property(fc.commands(harmless, { size: "max", maxCommands: 60 }), (commands) => {
        let world: World | undefined;
        let ledger: Ledger | undefined;
        fc.modelRun(() => {
          const { model, real } = begin();
          [world, ledger] = [real, model.ledger];
          return { model, real };
        }, commands);
        if (world === undefined || ledger === undefined) return;
        recover(world);
        const { pair } = world;
        expect([ledger.openOf("client"), ledger.openOf("server")]).toEqual([[], []]);
        expect([...ledger.fates.keys()].filter((fate) => fate !== "delivered")).toEqual([]);
        expect([pair.client.of("closed"), pair.server.of("closed"), pair.host.registry.size]).toEqual([[], [], 1]);
        expect([pair.client.of("established").length, pair.server.of("established").length]).toEqual([1, 1]);
        seen.received += ledger.received;
        seen.resumes += pair.client.session.stats.resumes;
        const [one, two] = [pair.server.story.indexOf("detached"), pair.server.story.indexOf("resumed")];
        if (one >= 0 && two === one + 1) seen.takeovers += 1;
      }),
      { numRuns: 250 },
    );
    expect(seen.received).toBeGreaterThan(300);
    expect(seen.resumes).toBeGreaterThan(100);
    expect(seen.takeovers).toBeGreaterThan(3);
  });

  it("RES-13: where the server forgets the session, each message of the client has one fate, and it is true", () => {
    const fates = new Map<string, number>();
    fc.assert(
      fc.property(
        fc.commands(harmless, { size: "max", maxCommands: 40 }),
        fc.commands(harmless, { size: "max", maxCommands: 10 }),
        fc.constantFrom("restarts", "expires"),
        (before, after, how) => {
          const { model, real: world } = begin();
          fc.modelRun(() => ({ model, real: world }), before);
          const { pair } = world;
          // A session that was never made can be made by the next process; that is another test's matter.
          recover(world);
          fc.modelRun(() => ({ model, real: world }), [...after] as never);
          model.isForgotten = true;
          if (how === "restarts") pair.restart();
          else {
            // The server may notice late: heartbeat, grace and window.
            pair.network = "hung";
            pair.cut().run(100_000);
          }
          recover(world);
          pair.run(200_000);
          expect(pair.client.of("closed")).toMatchObject([{ code: 1006, error: { code: "ERR_SESSION_LOST" } }]);
          expect([model.ledger.openOf("client"), pair.host.registry.size]).toEqual([[], 0]);
          if (how === "expires") expect(model.ledger.openOf("server")).toEqual([]);
          for (const [fate, count] of model.ledger.fates) fates.set(fate, (fates.get(fate) ?? 0) + count);
        },
      ),
      { numRuns: 150 },
    );
    for (const fate of ["delivered", "unknown", "never-written"]) expect(fates.get(fate)).toBeGreaterThan(3);
  });

  it("RES-04: cut and restarted while it connects, nothing is read by two processes, and what is told is true", () => {
    const seen = { lost: 0, kept: 0, restarts: 0, received: 0 };
    const step = fc.record({ ms: fc.nat(130), what: fc.constantFrom("send", "send", "cut", "restart", "strand") });
    fc.assert(
      fc.property(fc.array(step, { minLength: 3, maxLength: 14 }), (steps) => {
        const ledger = new Ledger();
        const world = new World(ledger);
        const { pair } = world;
        for (const { ms, what } of steps) {
          pair.run(ms);
          if (what === "send") world.send("client", "", ms, "normal");
          if (what === "cut") pair.cut();
          if (what === "restart") pair.restart();
          if (what === "strand") pair.die(pair.client);
          if (what === "restart") seen.restarts += 1;
        }
        recover(world);
        const isLost = pair.client.session.isClosed;
        if (isLost) expect(pair.client.of("closed")).toMatchObject([{ error: { code: "ERR_SESSION_LOST" } }]);
        else expect([...ledger.fates.keys()].filter((fate) => fate !== "delivered")).toEqual([]);
        expect([ledger.openOf("client"), pair.host.registry.size]).toEqual([[], isLost ? 0 : 1]);
        seen[isLost ? "lost" : "kept"] += 1;
        seen.received += ledger.received;
      }),
      { numRuns: 300 },
    );
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(20);
  });
});
