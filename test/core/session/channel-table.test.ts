import { describe, expect, it } from "vitest";
import { ChannelTable } from "../../../src/core/session/channel-table.js";

describe("ChannelTable", () => {
  it("finds a channel by name, by key and by the peer's wire id", () => {
    const table = new ChannelTable();
    const entry = table.add("a");
    expect([table.named("a"), table.keyed(entry.key), table.incoming(7)]).toEqual([entry, entry, undefined]);
    table.bind(entry, 7);
    expect(table.incoming(7)).toBe(entry);
    expect(entry).toMatchObject({ name: "a", incoming: "open", incomingId: 7 });
    table.unbind(entry);
    expect(table.incoming(7)).toBeUndefined();
    expect(entry).toMatchObject({ incoming: "ended", incomingId: undefined });
    expect(table.named("a")).toBe(entry);
    table.remove(entry);
    expect([table.named("a"), table.keyed(entry.key), table.size]).toEqual([undefined, undefined, 0]);
  });

  it("never gives a key twice, and never that of the default channel", () => {
    const table = new ChannelTable();
    const keys = ["a", "b", "a", "a"].map((name) => {
      const entry = table.add(name);
      table.remove(entry);
      return entry.key;
    });
    expect(new Set(keys).size).toBe(4);
    expect(keys).not.toContain(0);
  });

  it("counts channels, and those of them that the peer has opened", () => {
    const table = new ChannelTable();
    const [a, b] = [table.add("a"), table.add("b")];
    expect([table.size, table.incomingCount]).toEqual([2, 0]);
    table.bind(a, 1);
    table.bind(b, 2);
    expect([table.size, table.incomingCount]).toEqual([2, 2]);
    table.unbind(a);
    expect([table.size, table.incomingCount]).toEqual([2, 1]);
  });

  it.each(["__proto__", "constructor", "toString", ""])(
    "SEC-06: knows no channel named %j that nobody has added",
    (name) => {
      const table = new ChannelTable();
      expect(table.named(name)).toBeUndefined();
      table.add(name);
      expect(table.named(name)?.name).toBe(name);
    },
  );
});
