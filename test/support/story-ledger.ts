import { createHash } from "node:crypto";
import type { Receipt } from "../../src/client/index.js";
import { Random } from "../simulation/random.js";

/** The most that is handed on whole. Small, so that all that depends on it happens. */
export const MESSAGE_BYTES_MAX = 200_000;

/** How the receiving ends take what comes, by the name of the channel; the default channel is listened to. */
export const NAMES = ["", "listened", "looped", "streamed", "begun"] as const;
export type Name = (typeof NAMES)[number];

export type Way = "up" | "down";

/** What was sent. */
export interface Note {
  readonly id: number;
  readonly way: Way;
  readonly name: Name;
  readonly bytes: Uint8Array;
  readonly receipt: Receipt;
  /** It may take the place of another one, and so overtake. */
  readonly hasKey: boolean;
}

interface Seen {
  readonly id: number;
  readonly digest: string;
}

/** What every message begins with. */
export const HEADER_BYTES = 12;
const FILLER = new Random(1).bytes(2 * MESSAGE_BYTES_MAX + HEADER_BYTES);

/** A message that says which it is, and whose bytes follow from that. */
export function contentOf(id: number, size: number): Uint8Array<ArrayBuffer> {
  const bytes = FILLER.slice(id % HEADER_BYTES, (id % HEADER_BYTES) + size) as Uint8Array<ArrayBuffer>;
  bytes.set(Buffer.from(`${id}:`.padEnd(HEADER_BYTES)));
  return bytes;
}

const digestOf = (bytes: Uint8Array) => createHash("sha1").update(bytes).digest("base64");
const hasEnded = ({ receipt: { state } }: Note) => state !== "queued" && state !== "writing";

/** What was sent, and what applications have seen of it. */
export class StoryLedger {
  readonly notes: Note[] = [];
  readonly #arrivals = new Map<string, Seen[]>();
  readonly #digests = new Map<number, string>();

  add(note: Note): void {
    this.notes.push(note);
    this.#digests.set(note.id, digestOf(note.bytes));
  }

  see(way: Way, name: Name, data: string | ArrayBuffer | Uint8Array): void {
    const bytes = typeof data === "string" ? Buffer.from(data) : new Uint8Array(data);
    const id = Number.parseInt(Buffer.from(bytes.subarray(0, HEADER_BYTES)).toString(), 10);
    const list = this.#arrivals.get(`${way} ${name}`) ?? [];
    this.#arrivals.set(`${way} ${name}`, list);
    list.push({ id, digest: digestOf(bytes) });
  }

  /** Messages whose fate is not known. */
  get open(): Note[] {
    return this.notes.filter((note) => !hasEnded(note));
  }

  /** Whether all that has arrived, and is listened to, was seen. */
  get isAllSeen(): boolean {
    return this.#listened().every(({ note, times }) => note.receipt.state !== "delivered" || times > 0);
  }

  /** @throws Error that says which message is not what was promised */
  judge(): void {
    for (const { id, receipt } of this.notes) {
      // Nothing is lost: there was always a way back.
      if (!/^(delivered|cancelled|expired|never-written)$/.test(receipt.state))
        throw new Error(`${id} is ${receipt.state}`);
    }
    for (const { note, times } of this.#listened()) {
      const { state } = note.receipt;
      if (times === Number(state === "delivered")) continue;
      throw new Error(`${note.id} ${note.way} "${note.name}" is ${state}, and has come ${times} times`);
    }
    for (const [where, list] of this.#arrivals) this.#judgeOrder(where, list);
  }

  #judgeOrder(where: string, list: readonly Seen[]): void {
    let last = -1;
    for (const { id, digest } of list) {
      const note = this.notes.find((each) => each.id === id);
      if (note === undefined || `${note.way} ${note.name}` !== where) throw new Error(`${where}: what is ${id}?`);
      if (this.#digests.get(id) !== digest) throw new Error(`${where}: ${id} is not what was sent`);
      if (note.hasKey) continue;
      if (id <= last) throw new Error(`${where}: ${id} comes behind ${last}`);
      last = id;
    }
  }

  #listened(): { note: Note; times: number }[] {
    return this.notes
      .filter(({ name }) => name === "" || name === "listened")
      .map((note) => {
        const list = this.#arrivals.get(`${note.way} ${note.name}`) ?? [];
        return { note, times: list.filter(({ id }) => id === note.id).length };
      });
  }
}
