import { describe, expect, it } from "vitest";
import { Ledger, type Note } from "./ledger.js";
import { Violation } from "./world.js";

const bytes = (...values: number[]) => Uint8Array.from(values);

/** A ledger with three messages on one channel and one on another. */
function ledgerOf(): Ledger {
  const ledger = new Ledger("test");
  for (const n of [1, 2, 3]) ledger.send("a", bytes(n, n), 2, false);
  ledger.send("b", "text", 4, false);
  return ledger;
}

/** The rule that a made-up history breaks. */
function brokenBy(history: (ledger: Ledger) => void): string | undefined {
  try {
    history(ledgerOf());
  } catch (error) {
    if (error instanceof Violation) return error.check;
    throw error;
  }
  return undefined;
}

const note = (ledger: Ledger, id: number) => ledger.notes[id - 1] as Ledger["notes"][number];

describe("the ledger", () => {
  it("agrees to what an honest engine does", () => {
    const broken = brokenBy((ledger) => {
      ledger.receive("a", bytes(1, 1));
      ledger.receive("b", "text");
      ledger.deliver(note(ledger, 1));
      ledger.drop(note(ledger, 2), "cancelled");
      ledger.receive("a", bytes(3, 3));
      note(ledger, 4).hasLeft = true;
      ledger.drop(note(ledger, 4), "unknown");
      expect(ledger.pendingCount).toBe(1);
    });
    expect(broken).toBeUndefined();
  });

  it("agrees to messages that perish or are replaced", () => {
    const broken = brokenBy((ledger) => {
      const perishing = [{ key: "k" }, {}, { key: "k" }, { expiresAt: 100 }];
      const [old, between, newer, late] = perishing.map((perish, i) => ledger.send("c", `${i}`, 1, false, perish));
      ledger.drop(old as Note, "superseded", 50);
      ledger.receive("c", "2");
      ledger.receive("c", "1");
      ledger.drop(late as Note, "expired", 100);
      for (const each of [between, newer]) ledger.deliver(each as Note);
    });
    expect(broken).toBeUndefined();
  });

  it.each<[string, string, (ledger: Ledger) => void]>([
    [
      "a message that comes twice",
      "exactly-once",
      (ledger) => {
        ledger.receive("a", bytes(1, 1));
        ledger.receive("a", bytes(1, 1));
      },
    ],
    ["a message ahead of its turn", "order", (ledger) => ledger.receive("a", bytes(2, 2))],
    ["a message that was never sent", "content", (ledger) => ledger.receive("a", bytes(9, 9))],
    ["a message on another channel", "content", (ledger) => ledger.receive("b", bytes(1, 1))],
    ["a receipt ahead of the message", "fate", (ledger) => ledger.deliver(note(ledger, 1))],
    [
      "a message that comes and was taken back",
      "fate",
      (ledger) => {
        ledger.drop(note(ledger, 1), "cancelled");
        ledger.receive("a", bytes(1, 1));
      },
    ],
    [
      "a message that is never written and has come",
      "fate",
      (ledger) => {
        ledger.receive("a", bytes(1, 1));
        ledger.drop(note(ledger, 1), "never-written");
      },
    ],
    ["an unknown message of which nothing has left", "fate", (ledger) => ledger.drop(note(ledger, 1), "unknown")],
    [
      "two ends of one message",
      "fate",
      (ledger) => {
        ledger.drop(note(ledger, 1), "cancelled");
        ledger.drop(note(ledger, 1), "never-written");
      },
    ],
    [
      "a message that expires before its time",
      "expiry",
      (ledger) => {
        const late = ledger.send("c", "x", 1, false, { expiresAt: 100 });
        ledger.drop(late, "expired", 99);
      },
    ],
    ["a message that expires and has no time", "expiry", (ledger) => ledger.drop(note(ledger, 1), "expired")],
    [
      "a message that expires and has begun to leave",
      "expiry",
      (ledger) => {
        const late = ledger.send("c", "x", 1, false, { expiresAt: 100 });
        late.hasLeft = true;
        ledger.drop(late, "expired", 200);
      },
    ],
    ["a message that is replaced and has no key", "expiry", (ledger) => ledger.drop(note(ledger, 1), "superseded")],
    [
      "a message that does not keep the place of the one that it replaces",
      "order",
      (ledger) => {
        for (const [data, key] of [["old", "k"], ["between"], ["new", "k"]]) {
          ledger.send("c", data as string, 3, false, { key });
        }
        ledger.receive("c", "between");
      },
    ],
  ])("objects to %s", (_, check, history) => {
    expect(brokenBy(history)).toBe(check);
  });
});
