import type { ChannelKey } from "../../src/core/send/send-channel.js";
import type { SessionEvent } from "../../src/core/session/events.js";
import type { Session } from "../../src/core/session/session.js";
import type { Random } from "./random.js";
import { Violation, type World } from "./world.js";

/** How an application takes what comes on one channel. */
interface Habit {
  readonly mode: "messages" | "incoming";
  /** Until somebody takes the channel at all; the default one is taken from the start. */
  readonly decidesAfterMs: number;
  /** Until a message that has been handed over is taken. */
  readonly paceMs: number;
}

const decoder = new TextDecoder("utf-8", { fatal: true });

/** How the application at one end takes what comes: at once or slowly, whole or in pieces, from the start or later. */
export class Consumer {
  readonly #world: World;
  readonly #session: Session;
  readonly #receive: (channel: ChannelKey, data: string | Uint8Array) => void;
  readonly #input: (run: () => void) => void;
  readonly #hostNow: () => number;
  readonly #habits = new Map<ChannelKey, Habit>();
  readonly #begun = new Map<ChannelKey, { text: boolean; totalBytes: number | undefined; pieces: Uint8Array[] }>();
  /** When the last of what was handed over on a channel is taken: in order. */
  readonly #busyUntil = new Map<ChannelKey, number>();

  constructor(
    world: World,
    session: Session,
    receive: (channel: ChannelKey, data: string | Uint8Array) => void,
    input: (run: () => void) => void,
    hostNow: () => number,
  ) {
    this.#world = world;
    this.#session = session;
    this.#receive = receive;
    this.#input = input;
    this.#hostNow = hostNow;
  }

  /** A channel is there: the application begins to take what comes on it, sooner or later. */
  open(channel: ChannelKey): void {
    if (this.#habits.has(channel)) return;
    const habit = makeHabit(this.#world.habits, channel === 0);
    this.#habits.set(channel, habit);
    if (channel === 0 && habit.mode === "messages") return;
    this.#world.after(habit.decidesAfterMs, () =>
      this.#input(() => this.#session.receive(channel, habit.mode, this.#hostNow())),
    );
  }

  handle(event: Extract<SessionEvent, { type: "message" | "incoming" | "piece" | "incoming-reset" }>): void {
    const { channel } = event;
    const begun = this.#begun.get(channel);
    switch (event.type) {
      case "message":
        this.#receive(channel, event.data);
        return this.#takeLater(channel, event.cost);
      case "incoming":
        if (begun !== undefined) throw new Violation("api", `a message begins inside of another on ${channel}`);
        this.#begun.set(channel, { text: event.text, totalBytes: event.totalBytes, pieces: [] });
        return;
      case "incoming-reset":
        if (!this.#begun.delete(channel)) throw new Violation("api", `nothing is taken back on ${channel}`);
        return;
      case "piece": {
        if (begun === undefined) throw new Violation("api", `a piece of no message on ${channel}`);
        begun.pieces.push(event.data.slice());
        this.#takeLater(channel, event.cost);
        if (!event.last) return;
        this.#begun.delete(channel);
        const bytes = Buffer.concat(begun.pieces);
        if (begun.totalBytes !== undefined && begun.totalBytes !== bytes.length) {
          throw new Violation("api", `${bytes.length} bytes of a message of ${begun.totalBytes}`);
        }
        this.#receive(channel, begun.text ? decoder.decode(bytes) : new Uint8Array(bytes));
      }
    }
  }

  #takeLater(channel: ChannelKey, cost: number): void {
    const paceMs = this.#habits.get(channel)?.paceMs ?? 0;
    const take = () => this.#input(() => void this.#session.take(channel, cost));
    const at = Math.max(this.#world.now, this.#busyUntil.get(channel) ?? 0) + paceMs;
    this.#busyUntil.set(channel, at);
    if (paceMs === 0) this.#world.after(0, take);
    else this.#world.at(at, take);
  }
}

function makeHabit(random: Random, isDefault: boolean): Habit {
  return {
    mode: random.chance(0.25) ? "incoming" : "messages",
    decidesAfterMs: isDefault || random.chance(0.6) ? 0 : random.scale(1, 2000),
    paceMs: random.chance(0.7) ? 0 : random.scale(1, 40),
  };
}
