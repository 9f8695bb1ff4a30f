import { FrameType } from "../../src/core/wire/frame.js";
import type { ClientHost } from "./client-host.js";
import { repeatHello, tryIntruder } from "./intruder.js";
import type { Cut, Line } from "./line.js";
import type { Reachability, Scene } from "./scene.js";
import { ServerHost } from "./server-host.js";

/** When a fault strikes: at a time, or at a batch of a line, which finds handshakes better than the clock does. */
export type Moment =
  | { readonly at: number }
  | {
      readonly line: number;
      readonly pipe: "up" | "down";
      readonly when: "sent" | "delivered";
      readonly count: number;
    };

/** What goes wrong. */
export type Trouble =
  | { readonly kind: "cut"; readonly cut: Cut }
  | { readonly kind: "stall"; readonly pipe: "up" | "down" | "both"; readonly forMs: number }
  | { readonly kind: "unreachable"; readonly how: Exclude<Reachability, "ok">; readonly forMs: number }
  /** WebSockets come to nothing, HTTP does; those that are there are cut, at once or one by one after a while. */
  | {
      readonly kind: "block";
      readonly how: Exclude<Reachability, "ok">;
      readonly cut: Cut | undefined;
      readonly forMs: number;
    }
  | { readonly kind: "overload"; readonly forMs: number }
  | { readonly kind: "refusal"; readonly forMs: number }
  | { readonly kind: "slow-auth"; readonly ms: number | undefined; readonly forMs: number }
  | { readonly kind: "slow-check"; readonly ms: number; readonly forMs: number }
  | { readonly kind: "restart"; readonly downMs: number; readonly tellMs: number | undefined }
  | { readonly kind: "throttle"; readonly gridMs: number; readonly forMs: number }
  | { readonly kind: "freeze"; readonly forMs: number }
  | { readonly kind: "suspend"; readonly forMs: number }
  | { readonly kind: "hurry"; readonly network: "same" | "changed" }
  | { readonly kind: "offline"; readonly forMs: number }
  | { readonly kind: "goaway"; readonly delayMs: number }
  | { readonly kind: "jump"; readonly end: "client" | "server"; readonly ms: number }
  | { readonly kind: "drop"; readonly pipe: "up" | "down" }
  | { readonly kind: "duplicate"; readonly batches: number }
  | { readonly kind: "repeat-hello" }
  | { readonly kind: "intruder" }
  | { readonly kind: "abort"; readonly by: "client" | "server" }
  | { readonly kind: "close"; readonly by: "client" | "server"; readonly cutSoon: CutSoon | undefined };

/** A cut at one of the next batches: it finds the handshake that is just beginning. */
export interface CutSoon {
  readonly pipe: "up" | "down";
  readonly batches: number;
  readonly cut: Cut;
}

export type TroubleKind = Trouble["kind"];

export interface Fault {
  readonly moment: Moment;
  readonly trouble: Trouble;
}

const FAULTS_MIN = 2;

/** What is no reason to dial again. */
const HARMLESS: ReadonlySet<TroubleKind> = new Set(["duplicate", "repeat-hello", "intruder", "offline", "close"]);

/** Lets faults strike, and ends what they have begun. */
export class Faults {
  /** How often each kind has struck. */
  readonly struck: Partial<Record<TroubleKind, number>> = {};
  server: ServerHost;
  readonly #scene: Scene;
  readonly #plan: readonly Fault[];
  #client!: ClientHost;
  /** What has to happen for things to be well again. */
  readonly #cures = new Set<() => void>();

  constructor(scene: Scene, plan: readonly Fault[]) {
    this.#scene = scene;
    this.#plan = plan;
    this.server = new ServerHost(scene, 1);
    scene.onLine = (line) => this.#hang(line);
  }

  start(client: ClientHost): void {
    this.#client = client;
    for (const { moment, trouble } of this.#plan) {
      if ("at" in moment) this.#scene.world.at(moment.at, () => this.#strike(trouble));
    }
    for (const line of client.lines) this.#hang(line);
  }

  /** Faults whose moment never came are made up for: a schedule without any shows nothing. */
  complete(): void {
    for (
      let struck = Object.values(this.struck).reduce((sum, count) => sum + count, 0);
      struck < FAULTS_MIN;
      struck++
    ) {
      this.#strike({ kind: "cut", cut: { tellClientMs: 0, tellServerMs: undefined, lateMs: undefined } });
    }
  }

  /** Faults stop, and those that last end. */
  stop(): void {
    this.#scene.isQuiet = true;
    for (const cure of [...this.#cures]) cure();
  }

  #hang(line: Line): void {
    for (const { moment, trouble } of this.#plan) {
      if ("at" in moment || moment.line !== line.number) continue;
      const pipe = moment.pipe === "up" ? line.up : line.down;
      const strike = (count: number) => {
        // The host is in the middle of its input.
        if (count === moment.count) this.#scene.world.after(0, () => this.#strike(trouble, line));
      };
      if (moment.when === "sent") {
        // Strikes with the batch still on the line.
        pipe.onSend = chained(pipe.onSend, strike);
      } else pipe.onDelivered = chained(pipe.onDelivered, strike);
    }
  }

  #strike(trouble: Trouble, at?: Line): void {
    const scene = this.#scene;
    if (scene.isQuiet) return;
    const { kind } = trouble;
    this.struck[kind] = (this.struck[kind] ?? 0) + 1;
    scene.world.tell?.(`FAULT ${JSON.stringify(trouble)}`);
    const line = at ?? this.#client.line;
    if (!HARMLESS.has(kind)) {
      if (line !== undefined) line.blame ??= kind;
      for (const held of this.#client.lines) held.blame ??= kind;
    }
    if (!this.#strikeLine(trouble, line)) this.#strikeEnds(trouble);
  }

  #strikeLine(trouble: Trouble, line: Line | undefined): boolean {
    const scene = this.#scene;
    switch (trouble.kind) {
      case "cut":
        line?.cut(trouble.cut);
        return true;
      case "stall": {
        if (line === undefined) return true;
        const pipes = [...(trouble.pipe !== "down" ? [line.up] : []), ...(trouble.pipe !== "up" ? [line.down] : [])];
        for (const pipe of pipes) pipe.stall();
        this.#cureAfter(trouble.forMs, () => {
          for (const pipe of pipes) pipe.release();
        });
        return true;
      }
      case "drop":
        (trouble.pipe === "up" ? line?.up : line?.down)?.drop();
        // Where nothing follows that would show the gap, the line dies as lines do.
        if (line !== undefined) {
          scene.world.after(1000, () => line.cut({ tellClientMs: 0, tellServerMs: 0, lateMs: undefined }));
        }
        return true;
      case "duplicate":
        this.#duplicate(trouble.batches);
        return true;
      case "repeat-hello":
        repeatHello(scene, this.server);
        return true;
      case "intruder":
        tryIntruder(scene, this.server);
        return true;
      case "hurry":
        this.#client.input(() => this.#client.session.hurry(trouble.network, this.#client.now));
        return true;
      default:
        return false;
    }
  }

  #strikeEnds(trouble: Trouble): void {
    const scene = this.#scene;
    const client = this.#client;
    switch (trouble.kind) {
      case "unreachable":
        scene.reachability = trouble.how;
        return this.#cureAfter(trouble.forMs, () => {
          scene.reachability = "ok";
        });
      case "block":
        scene.webSockets = trouble.how;
        for (const line of client.lines) if (line.kind === "websocket" && trouble.cut) line.cut(trouble.cut);
        return this.#cureAfter(trouble.forMs, () => {
          scene.webSockets = "ok";
        });
      case "overload":
        scene.mood = "overloaded";
        return this.#cureAfter(trouble.forMs, () => {
          scene.mood = "open";
        });
      case "refusal":
        scene.mood = "refusing";
        scene.lossCause = "refused";
        return this.#cureAfter(trouble.forMs, () => {
          scene.mood = "open";
        });
      case "slow-auth":
        scene.authMs = trouble.ms;
        return this.#cureAfter(trouble.forMs, () => {
          scene.authMs = 0;
        });
      case "slow-check":
        scene.checkMs = trouble.ms;
        return this.#cureAfter(trouble.forMs, () => {
          scene.checkMs = 0;
        });
      case "restart":
        return this.#restart(trouble.downMs, trouble.tellMs);
      case "throttle":
        client.throttle(trouble.gridMs);
        return this.#cureAfter(trouble.forMs, () => client.throttle(0));
      case "freeze":
        client.freeze();
        return this.#cureAfter(trouble.forMs, () => client.thaw());
      case "suspend":
        client.suspend();
        return this.#cureAfter(trouble.forMs, () => client.wake());
      case "offline":
        client.input(() => client.session.handleOffline(true, client.now));
        return this.#cureAfter(trouble.forMs, () => {
          client.input(() => client.session.handleOffline(false, client.now));
          client.input(() => client.session.hurry("changed", client.now));
        });
      case "goaway":
        for (const guest of this.server.guests) guest.recall(trouble.delayMs);
        return;
      case "jump":
        if (trouble.ms > 4000) scene.lossCause = "jump";
        if (trouble.end === "client") client.jump(trouble.ms);
        else this.server.jump(trouble.ms);
        return;
      case "abort":
        scene.lossCause = "abort";
        if (trouble.by === "client") client.abort();
        else for (const guest of this.server.guests) guest.evict();
        return;
      case "close":
        scene.lossCause = "close";
        if (trouble.cutSoon !== undefined) this.#cutSoon(trouble.cutSoon);
        if (trouble.by === "client") client.close(4000);
        else for (const guest of this.server.guests) guest.close(4001);
        return;
      default:
    }
  }

  #cutSoon({ pipe, batches, cut }: CutSoon): void {
    const { line } = this.#client;
    if (line === undefined) return;
    const { world } = this.#scene;
    const chosen = pipe === "up" ? line.up : line.down;
    const last = chosen.sentCount + batches;
    chosen.onSend = chained(chosen.onSend, (count) => {
      if (count !== last || this.#scene.isQuiet) return;
      line.blame ??= "cut";
      world.after(0, () => line.cut(cut));
    });
  }

  /** The process ends with everything that it knows; another one takes its place. */
  #restart(downMs: number, tellMs: number | undefined): void {
    const scene = this.#scene;
    scene.lossCause = "restart";
    const old = this.server;
    old.die();
    const alive = scene.lines.filter((line) => line.acceptedBy === old.number || line.acceptedBy === undefined);
    for (const line of alive) {
      line.blame ??= "restart";
      line.cut({ tellClientMs: tellMs, tellServerMs: undefined, lateMs: undefined });
    }
    const next = new ServerHost(scene, old.number + 1);
    next.deeds.push(...old.deeds);
    this.server = next;
    next.isDown = true;
    this.#cureAfter(downMs, () => {
      next.isDown = false;
    });
  }

  /** The network hands over again what it has handed over before, on lines old and new. HELLOs aside. */
  #duplicate(count: number): void {
    const { world, lines } = this.#scene;
    for (let i = 0; i < count; i++) {
      const line = lines[world.random.below(lines.length)];
      const toServer = world.random.chance(0.5);
      const pipe = toServer ? line?.up : line?.down;
      const batch = pipe?.delivered[world.random.below(pipe.delivered.length)];
      if (batch === undefined) continue;
      // Once more on the line itself, unnumbered batches would be a breach of the network's own promise.
      const isHandshake = batch[0] === 0 && (batch[1] as number) <= FrameType.WELCOME;
      if (!isHandshake && (batch[0] !== 0 || line !== this.#client.line)) pipe?.repeat(batch);
    }
  }

  #cureAfter(ms: number, run: () => void): void {
    const cure = () => {
      if (!this.#cures.delete(cure)) return;
      // What is cured may have touched whatever line is there now.
      for (const held of this.#client.lines) held.blame ??= "cure";
      run();
    };
    this.#cures.add(cure);
    this.#scene.world.after(ms, cure);
  }
}

function chained(
  before: ((count: number) => void) | undefined,
  then: (count: number) => void,
): (count: number) => void {
  return (count) => {
    before?.(count);
    then(count);
  };
}
