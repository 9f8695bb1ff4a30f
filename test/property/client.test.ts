import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Channel, type Receipt, SluiceSocket } from "../../src/client/index.js";
import { clientStory, unhandledRejections } from "../support/client-story.js";
import { MemoryNetwork, type Reach } from "../support/memory-network.js";

const NAMES = ["", "a", "b"];
const REACHES: Reach[] = ["up", "down", "hung", "foreign", "silent"];

const action = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant("send"), n: fc.nat(2), size: fc.nat(60) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("wait"), n: fc.constantFrom(0, 10, 100, 2000, 200_000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("cut", "restart", "unblock"), n: fc.constant(0) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("reach", "block", "cancel", "end channel"), n: fc.nat(9) }) },
);

type Action = { readonly do: string; readonly n: number; readonly size?: number };

interface Sent {
  readonly id: number;
  readonly receipt: Receipt;
  /** In which `open` handlers send before others. */
  readonly fromOpen: boolean;
}

/** A socket, an application that does anything with it, and a network and a server that do the same. */
class Scene {
  readonly network = new MemoryNetwork();
  readonly socket: SluiceSocket;
  readonly story: string[];
  readonly sent: Sent[] = [];
  readonly unknown = new Set<Receipt>();
  readonly #channels = new Map<string, Channel>();

  constructor() {
    // Over HTTP nothing gets anywhere, in a time of its own.
    const fetch = () => new Promise(() => {});
    this.socket = new SluiceSocket("wss://example.com/", [], { WebSocket: this.network.WebSocket, fetch });
    this.story = clientStory(this.socket);
    this.socket.addEventListener("open", () => this.#send("", 10, true));
    this.socket.addEventListener("sessionlost", ({ detail }) => {
      for (const receipt of detail.unknown) this.unknown.add(receipt);
      this.#send("a", 10);
    });
  }

  async do({ do: what, n, size = 0 }: Action): Promise<void> {
    const { network } = this;
    if (what === "send") return this.#send(NAMES[n] as string, size * size * 50);
    if (what === "cancel") return void this.sent.at(-1 - n)?.receipt.cancel();
    if (what === "end channel") return this.#channels.get(NAMES[1 + (n % 2)] as string)?.close();
    if (what === "cut") network.cut();
    if (what === "restart") network.restart();
    if (what === "reach") network.reach = REACHES[n % REACHES.length] as Reach;
    if (what === "block") network.blocked = n % 2 === 0 ? "up" : "down";
    if (what === "unblock") network.blocked = undefined;
    await network.run(what === "wait" ? n : 0);
  }

  /** How often each message has come, by its number. */
  get arrivals(): Map<number, number> {
    const arrivals = new Map<number, number>();
    for (const { id } of this.#arrived) arrivals.set(id, (arrivals.get(id) ?? 0) + 1);
    return arrivals;
  }

  /** Messages of one channel come in the order of `send`; what `open` handlers send goes before what waits. */
  checkOrder(): void {
    const newest = new Map<string, number>();
    for (const { id, channel } of this.#arrived) {
      if (this.sent[id]?.fromOpen) continue;
      expect(id).toBeGreaterThan(newest.get(channel) ?? -1);
      newest.set(channel, id);
    }
  }

  get #arrived(): { id: number; channel: string }[] {
    return this.network.server.ends.items.flatMap((end, index) =>
      end
        .of("message")
        .map(({ data, channel }) => ({ id: Number.parseInt(String(data), 10), channel: `${index}/${channel}` })),
    );
  }

  #send(name: string, size: number, fromOpen = false): void {
    const known = this.#channels.get(name);
    if (known?.state === "closing" || this.socket.readyState >= SluiceSocket.CLOSING) return;
    const target = name === "" ? this.socket : this.socket.channel(name);
    if (target !== this.socket) this.#channels.set(name, target as Channel);
    const id = this.sent.length;
    this.sent.push({ id, receipt: target.send(`${id}:${"x".repeat(size)}`), fromOpen });
  }
}

async function play(actions: readonly Action[], closes: boolean): Promise<void> {
  const unhandled = unhandledRejections();
  const scene = new Scene();
  const { network, socket, story, sent } = scene;
  try {
    await network.run(100);
    expect(story).toContain("open 1");
    for (const each of actions) await scene.do(each);
    if (closes) socket.close();
    network.reach = "up";
    network.blocked = undefined;
    await network.run(400_000);
    expect([socket.readyState, socket.connectionState]).toEqual(closes ? [3, "closed"] : [1, "connected"]);
    if (!closes) expect(story.some((entry) => /^(error|close )/.test(entry))).toBe(false);
    const { arrivals } = scene;
    for (const { id, receipt } of sent) {
      const { state } = receipt;
      const times = arrivals.get(id) ?? 0;
      expect([id, state]).toEqual([id, expect.stringMatching(/^(delivered|cancelled|never-written|unknown)$/)]);
      expect([id, state, times]).toEqual([
        id,
        state,
        state === "unknown" ? expect.any(Number) : Number(state === "delivered"),
      ]);
      expect(times).toBeLessThanOrEqual(1);
      if (state === "unknown" && !closes) expect(scene.unknown.has(receipt)).toBe(true);
    }
    scene.checkOrder();
    if (!closes) expect(socket.bufferedAmount).toBe(0);
    socket.close();
    await network.run(20_000);
    expect([socket.readyState, unhandled.seen]).toEqual([3, []]);
  } finally {
    unhandled.stop();
    network.stop();
  }
}

describe("SluiceSocket, whatever becomes of lines and servers", () => {
  it("begins anew with another server, where the one before has surely read nothing", async () => {
    await play(
      [
        { do: "block", n: 0 },
        { do: "wait", n: 200_000 },
        { do: "restart", n: 0 },
      ],
      false,
    );
  });

  it("delivers each message once, in order, or says what is known of it, and is connected again in the end", async () => {
    let runs = 0;
    const actions = fc.array(action, { maxLength: 50, size: "max" });
    await fc.assert(
      fc.asyncProperty(actions, fc.boolean(), async (given, closes) => {
        runs += 1;
        await play(given, closes);
      }),
      { numRuns: 100 },
    );
    expect(runs).toBe(100);
  });
});
