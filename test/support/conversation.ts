import { expect } from "vitest";
import { SluiceError } from "../../src/core/error.js";
import { CHANNEL_CREDIT_BYTES, CHANNELS_MAX, type Limits } from "../../src/core/limits.js";
import type { SendEvent } from "../../src/core/send/outgoing-messages.js";
import type { ChannelKey } from "../../src/core/send/send-channel.js";
import type { Millis } from "../../src/core/time.js";
import type { Priority } from "../../src/core/wire/frame.js";
import { binary, type End, type EndEvent, Pair, type PairOptions } from "./pair.js";

/** What an application, or the line, may do next. Indices are taken modulo what there is. */
export type Action = { readonly end: "client" | "server" } & (
  | {
      readonly do: "send";
      readonly channel: number;
      readonly size: number;
      readonly as: "whole" | "known" | "unknown";
      readonly ttl?: Millis | undefined;
      readonly key?: string | undefined;
    }
  | { readonly do: "supply"; readonly slab: number }
  | { readonly do: "cancel"; readonly message: number }
  | { readonly do: "open"; readonly name: number; readonly priority: Priority }
  | { readonly do: "close-channel"; readonly channel: number }
  | { readonly do: "prioritise"; readonly channel: number; readonly priority: Priority }
  | { readonly do: "ping" }
  | { readonly do: "block" | "unblock" }
  | { readonly do: "repeat"; readonly batch: number }
  | { readonly do: "wait"; readonly ms: Millis }
  | { readonly do: Disturbance; readonly ms: Millis }
);

/**
 * What may happen to the line: it is cut, dies without a word, or only the client notices; the page sleeps and wakes; the
 * platform hurries; the server asks to come back.
 */
export type Disturbance = "cut" | "lose" | "strand" | "sleep" | "wake" | "hurry" | "recall";

export interface ConversationOptions {
  readonly limits: Partial<Limits>;
  /** One way, batch by batch; taken round and round. */
  readonly delaysMs: readonly Millis[];
  readonly rateBitsPerSecond: number;
  /** How many actions the server's application takes to decide about the client. */
  readonly decidesAfter: number;
  readonly pair?: PairOptions;
}

interface Sent {
  readonly id: number;
  readonly channel: ChannelKey;
  /** Where it stands among the messages of its channel: in the place of the one that it has replaced, if any. */
  readonly place: number;
  readonly key: string | undefined;
  readonly expiresAt: Millis | undefined;
  readonly name: string;
  readonly size: number;
  readonly as: "whole" | "known" | "unknown";
  story: ("started" | "written" | "progress" | "delivered" | "dropped")[];
  fate: string | undefined;
  ackedBytes: number;
  isReceived: boolean;
}

class Party {
  readonly end: End;
  readonly sent = new Map<number, Sent>();
  readonly keys: number[] = [0];
  readonly names = new Map<number, string>([[0, ""]]);
  readonly pulls: { message: number; offset: number }[] = [];
  received = 0;
  bytesSent = 0;
  inFlightBytes = 0;

  constructor(end: End) {
    this.end = end;
  }

  /** The default channel, and the newest of the others: most of the older ones are gone. */
  get recentKeys(): number[] {
    return [0, ...this.keys.slice(1).slice(-3)];
  }

  seed(id: number): number {
    return id * 2 + (this.end.name === "client" ? 0 : 1);
  }
}

const NAMES = ["a", "b", "c"];

/**
 * Two engines, two applications that do anything, and a model beside them that knows what has to come of it: every
 * message once, in the order of its channel, and nothing told of it that is not so.
 */
export class Conversation {
  readonly pair: Pair;
  /** Whether the server is one that refuses who comes. */
  isRefused = false;
  readonly #limits: Partial<Limits>;
  #undecided: number;
  readonly #parties: Record<"client" | "server", Party>;

  constructor({ limits, delaysMs, rateBitsPerSecond, decidesAfter, pair }: ConversationOptions) {
    let next = 0;
    const delayMs = () => delaysMs[next++ % delaysMs.length] as Millis;
    this.#limits = limits;
    this.#undecided = decidesAfter;
    const dial = { backoff: { baseMs: 100, maxMs: 400 }, connectTimeoutMs: 1e6 };
    const options = { clientLimits: limits, serverLimits: limits, rateBitsPerSecond, delayMs, accepts: false, dial };
    this.pair = new Pair({ ...options, ...pair });
    this.#parties = { client: new Party(this.pair.client), server: new Party(this.pair.server) };
    for (const party of Object.values(this.#parties)) {
      party.end.react = (event) => this.#handleEvent(party, event);
      party.end.watch = () => this.#checkWindow(party);
    }
  }

  do(action: Action): void {
    if (this.pair.server.of("hello").length > 0 && this.#undecided-- === 0) this.#decide();
    if (!this.pair[action.end].hasSession) return;
    const party = this.#parties[action.end];
    const { end } = party;
    const pick = <T>(list: readonly T[], index: number): T | undefined => list[index % Math.max(1, list.length)];
    switch (action.do) {
      case "send":
        this.#send(party, pick(party.recentKeys, action.channel) as number, action);
        break;
      case "supply":
        this.#supply(party, action.slab);
        break;
      case "cancel": {
        const sent = pick([...party.sent.values()], action.message);
        if (sent === undefined) break;
        const couldStill = sent.fate === undefined && !sent.story.includes("written");
        expect(this.pair.input(end, (s, now) => s.cancel(sent.id, now))).toBe(couldStill);
        if (couldStill) expect(sent.fate).toBe("cancelled");
        break;
      }
      case "open": {
        // CHN-09: channels opened before the peer's limits are known may be too many, and end the session.
        if (end === this.pair.client && end.of("greeted").length === 0) break;
        const name = pick(NAMES, action.name) as string;
        const key = this.#attempt(["ERR_TOO_MANY_CHANNELS", "ERR_USAGE_CHANNEL_CLOSED"], () =>
          this.pair.input(end, (s, now) => s.openChannel(name, action.priority, now)),
        );
        if (key !== undefined) this.#learn(party, key, name);
        break;
      }
      case "close-channel": {
        const key = pick(party.recentKeys, action.channel) as number;
        this.#attempt(["ERR_TOO_MANY_CHANNELS"], () => this.pair.input(end, (s, now) => s.closeChannel(key, now)));
        break;
      }
      case "prioritise":
        this.pair.input(end, (s, now) =>
          s.setPriority(pick(party.recentKeys, action.channel) as number, action.priority, now),
        );
        break;
      case "ping":
        this.pair.input(end, (s, now) => s.ping(Uint8Array.of(7), now));
        break;
      case "block":
      case "unblock":
        end.budgetBytes = action.do === "block" ? 0 : 1 << 20;
        this.pair.drain(end);
        break;
      case "repeat":
        this.#repeat(end, action.batch);
        break;
      case "wait":
        this.pair.run(action.ms);
        break;
      default:
        this.#disturb(action.do);
        this.checkBounds();
        this.pair.run(action.ms);
    }
    this.checkBounds();
  }

  /** Lets everything come to rest: transports open up, sources give all they have. */
  settle(): void {
    const parties = Object.values(this.#parties);
    this.#disturb("wake");
    this.#decide();
    for (const { end } of parties) {
      end.budgetBytes = 1 << 20;
      if (end.hasSession) this.pair.drain(end);
    }
    for (let i = 0; i < 2000; i++) {
      this.pair.run(50);
      for (const party of parties) while (party.pulls.length > 0) this.#supply(party, 30_000);
      this.checkBounds();
      const isQuiet = parties.every(({ end }) => end.hasSession && (end.session.isClosed || this.#isQuiet(end)));
      // A line that has died in the handshake has nothing on it, and takes its time to be given up.
      if (!this.pair.client.session.isClosed && this.pair.client.of("established").length === 0) continue;
      if (isQuiet && this.pair.onTheLine === 0 && this.pair.host.registry.parkedCount === 0) return;
    }
    throw new Error("it does not come to rest");
  }

  /** At rest, on an open session: everybody has got everything, once. */
  checkComplete(): void {
    for (const party of Object.values(this.#parties)) {
      for (const sent of party.sent.values()) {
        const isDropped = sent.fate !== undefined && sent.fate !== "delivered";
        if (isDropped) expect(this.#mayBeDropped(sent)).toBe(true);
        expect([sent.id, sent.isReceived, sent.fate]).toEqual([
          sent.id,
          !isDropped,
          isDropped ? sent.fate : "delivered",
        ]);
      }
      for (const key of party.keys) expect(party.end.session.bufferedBytes(key)).toBe(0);
      expect(party.end.of("closed")).toEqual([]);
    }
  }

  /** After the end, however it came: each message has one fate, and it is true. */
  checkFates(): void {
    for (const { sent: all, end } of Object.values(this.#parties)) {
      if (!end.hasSession) continue;
      expect(end.of("closed")).toHaveLength(1);
      for (const { fate, isReceived } of all.values()) {
        expect(fate).toBeDefined();
        if (fate === "delivered") expect(isReceived).toBe(true);
        if (fate !== "delivered" && fate !== "unknown") expect(isReceived).toBe(false);
      }
    }
  }

  /** What must hold at every moment. */
  checkBounds(): void {
    for (const { end, sent } of Object.values(this.#parties)) {
      if (!end.hasSession) continue;
      const { session } = end;
      const { reassemblyBytes, queuedBytes } = session.stats;
      if (this.#limits.reassemblyBytesMax !== undefined) {
        const firstCredits = CHANNEL_CREDIT_BYTES * (this.#limits.channelsMax ?? CHANNELS_MAX);
        expect(reassemblyBytes).toBeLessThanOrEqual(this.#limits.reassemblyBytesMax + firstCredits);
      }
      expect(queuedBytes).toBeGreaterThanOrEqual(0);
      const deadline = session.nextDeadline();
      if (deadline !== undefined) expect(deadline).toBeGreaterThan(this.pair.now);
      for (const { fate, story, expiresAt } of sent.values()) {
        if (fate === undefined && story.length === 0 && expiresAt !== undefined)
          expect(expiresAt).toBeGreaterThan(this.pair.now);
      }
    }
  }

  /** How often messages have ended in each way. */
  get fates(): Map<string, number> {
    const fates = new Map<string, number>();
    for (const { sent } of Object.values(this.#parties)) {
      for (const { fate = "none" } of sent.values()) fates.set(fate, (fates.get(fate) ?? 0) + 1);
    }
    return fates;
  }

  /** What leaves for the first time leaves inside the window; what is there already may be more, as the window shrinks. */
  #checkWindow(party: Party): void {
    const { inFlightBytes, windowBytes, bytesSent } = party.end.session.stats;
    const before = party.inFlightBytes;
    party.inFlightBytes = inFlightBytes;
    if (bytesSent === party.bytesSent) return;
    party.bytesSent = bytesSent;
    // The overdraft of a high channel, however far the window has shrunk, and channel control, which does not wait: a few
    // names and ends.
    expect(inFlightBytes).toBeLessThanOrEqual(Math.max(windowBytes, before) + 16 * 1024 + 2048);
    if (this.#limits.windowBytes !== undefined) expect(windowBytes).toBeLessThanOrEqual(this.#limits.windowBytes);
  }

  get counts(): { sent: number; received: number; dropped: number } {
    const parties = Object.values(this.#parties);
    const all = parties.flatMap(({ sent }) => [...sent.values()]);
    return {
      sent: all.length,
      received: parties.reduce((sum, { received }) => sum + received, 0),
      dropped: all.filter(({ fate }) => fate !== undefined && fate !== "delivered").length,
    };
  }

  #decide(): void {
    this.pair.accepts = true;
    this.pair.accept();
  }

  #disturb(what: Disturbance): void {
    const { pair } = this;
    const { client, server } = pair;
    switch (what) {
      case "cut":
        pair.cut();
        break;
      case "lose":
        pair.lose();
        break;
      case "strand":
        if (client.line !== undefined) pair.die(client);
        break;
      case "sleep":
        pair.input(client, (s, now) => s.suspend(now));
        break;
      case "wake":
        pair.input(client, (s, now) => s.wake(now));
        break;
      case "hurry":
        pair.input(client, (s, now) => s.hurry("changed", now));
        break;
      case "recall":
        if (server.hasSession) pair.input(server, (s, now) => s.recall(50, now));
    }
  }

  #isQuiet({ session }: End): boolean {
    const { inFlightBytes, queuedBytes } = session.stats;
    return inFlightBytes === 0 && queuedBytes === 0;
  }

  #mayBeDropped(sent: Sent): boolean {
    switch (sent.fate) {
      case "cancelled":
        return true;
      case "too-large":
        return this.#isTooLarge(sent);
      case "expired":
        return sent.expiresAt !== undefined;
      case "superseded":
        return sent.key !== undefined;
      default:
        return false;
    }
  }

  #isTooLarge({ as, size }: Sent): boolean {
    return as !== "whole" && size > (this.#limits.messageBytesMax ?? Number.POSITIVE_INFINITY);
  }

  #send(party: Party, key: number, { size, as, ttl, key: messageKey }: Extract<Action, { do: "send" }>): void {
    const { session } = party.end;
    const isClosed = session.isSendClosed(key);
    const allowed = [
      "ERR_TOO_MANY_CHANNELS",
      "ERR_MESSAGE_TOO_LARGE",
      ...(isClosed ? ["ERR_USAGE_CHANNEL_CLOSED"] : []),
    ];
    const { bytes } = binary(size, party.seed(party.sent.size + 1));
    const expiresAt = ttl === undefined ? undefined : this.pair.now + ttl;
    const totalBytes = as === "unknown" ? undefined : size;
    const init = { text: false, wantsProgress: size % 2 === 0, totalBytes, expiresAt, key: messageKey };
    // Of the same key there is one at the most of which nothing has left.
    const waiting = [...party.sent.values()].filter(
      (sent) => sent.channel === key && sent.key === messageKey && sent.fate === undefined && sent.story.length === 0,
    );
    const replaced = messageKey === undefined ? undefined : waiting[0];
    if (messageKey !== undefined) expect(waiting.length).toBeLessThanOrEqual(1);
    const id = this.#attempt(allowed, () =>
      session.send(key, as === "whole" ? { ...init, bytes } : init, this.pair.now),
    );
    if (id === undefined) {
      expect(replaced?.fate).toBeUndefined();
      return;
    }
    expect(id).toBe(party.sent.size + 1);
    party.sent.set(id, {
      id,
      channel: key,
      name: party.names.get(key) as string,
      place: replaced?.place ?? id,
      key: messageKey,
      expiresAt,
      size,
      as,
      story: [],
      fate: undefined,
      ackedBytes: 0,
      isReceived: false,
    });
    this.pair.drain(party.end);
    if (replaced !== undefined) expect(replaced.fate).toBe("superseded");
  }

  #supply(party: Party, slab: number): void {
    const pull = party.pulls.shift();
    const sent = pull === undefined ? undefined : party.sent.get(pull.message);
    if (pull === undefined || sent === undefined) return;
    const { bytes } = binary(sent.size, party.seed(sent.id));
    const piece = bytes.slice(pull.offset, pull.offset + slab);
    const ended = pull.offset + piece.length === sent.size;
    this.pair.input(party.end, (s, now) => s.supply(sent.id, piece, ended, now));
  }

  /** A batch that has arrived arrives again, as transports that repeat themselves would have it. */
  #repeat(end: End, index: number): void {
    const sent = this.pair.other(end).batchesSent;
    const arrived = sent.filter(({ at, line }) => at + 1000 < this.pair.now && line === end.line && !line.isLost);
    const again = arrived[index % Math.max(1, arrived.length)];
    if (again !== undefined && again.batch[0] !== 0 && end.session.stats.bytesReceived > 0)
      this.pair.inject(end, again.batch);
  }

  #attempt<T>(allowed: string[], run: () => T): T | undefined {
    try {
      return run();
    } catch (error) {
      if (error instanceof SluiceError && allowed.includes(error.code)) return undefined;
      throw error;
    }
  }

  #learn(party: Party, key: number, name: string): void {
    if (!party.keys.includes(key)) party.keys.push(key);
    party.names.set(key, name);
  }

  #handleEvent(party: Party, event: EndEvent): void {
    if (event.type === "channel") this.#learn(party, event.channel, event.name);
    else if (event.type === "message") this.#handleMessage(party, event.channel, event.data as Uint8Array);
    else if (event.type === "pull") party.pulls.push(event);
    else if ("message" in event) this.#handleReceipt(party.sent.get(event.message) as Sent, event);
  }

  /** It is the next one of its channel that has not been taken back, to the last byte. */
  #handleMessage(party: Party, key: number, data: Uint8Array): void {
    const from = this.#parties[party.end.name === "client" ? "server" : "client"];
    const name = party.names.get(key);
    const [next] = [...from.sent.values()]
      .filter((sent) => sent.name === name && !sent.isReceived && (sent.fate === undefined || sent.fate === "unknown"))
      // Refused here, and its sender may not have heard of it yet (CRD-07).
      .filter((sent) => !this.#isTooLarge(sent))
      .sort((a, b) => a.place - b.place);
    if (next === undefined) throw new Error(`a message on "${name}" that nobody sent`);
    expect(data.length).toBe(next.size);
    expect(Buffer.compare(data, binary(next.size, from.seed(next.id)).bytes)).toBe(0);
    next.isReceived = true;
    party.received += 1;
  }

  #handleReceipt(sent: Sent, event: Exclude<SendEvent, { type: "pull" }>): void {
    expect(sent.fate).toBeUndefined();
    const { story } = sent;
    if (event.type === "started") expect(story).toEqual([]);
    if (event.type === "written") expect(story).not.toContain("written");
    if (event.type === "progress") {
      expect(event.ackedBytes).toBeGreaterThanOrEqual(sent.ackedBytes);
      expect(event.ackedBytes).toBeLessThanOrEqual(sent.size);
      sent.ackedBytes = event.ackedBytes;
    }
    if (event.type === "delivered") {
      expect([story.includes("written"), sent.isReceived]).toEqual([true, true]);
      sent.fate = "delivered";
    }
    if (event.type === "dropped") {
      sent.fate = event.fate;
      // HSK-07: what was sent behind a HELLO has not been read where that is refused.
      if (event.fate === "never-written" && !this.isRefused) expect(story).toEqual([]);
      if (event.fate === "cancelled") expect(story).not.toContain("written");
      if (event.fate === "superseded" || event.fate === "expired") expect(story).toEqual([]);
      if (event.fate === "expired") expect(sent.expiresAt).toBe(this.pair.now);
    }
    story.push(event.type);
  }
}
