import { beforeEach, describe, expect, it } from "vitest";
import { Mailbox } from "../../src/driver/mailbox.js";

let delivered: string[];
let exceeded: number;
let box: Mailbox<string>;

beforeEach(() => {
  delivered = [];
  exceeded = 0;
  const onExceeded = () => {
    exceeded += 1;
  };
  box = new Mailbox({ itemsMax: 3, deliver: (item) => delivered.push(item), onExceeded });
});

describe("Mailbox", () => {
  it("keeps what comes until somebody listens, then hands it on in order", () => {
    for (const item of ["a", "b", "c"]) box.handle(item);
    expect([delivered, box.length]).toEqual([[], 3]);
    box.open();
    expect([delivered, box.length]).toEqual([["a", "b", "c"], 0]);
    box.handle("d");
    expect([delivered, box.length]).toEqual([["a", "b", "c", "d"], 0]);
  });

  it("delivers nothing twice, however often it is opened", () => {
    box.handle("a");
    box.open();
    box.open();
    expect(delivered).toEqual(["a"]);
  });

  it("keeps the order when something comes while the old is handed on", () => {
    box = new Mailbox({
      itemsMax: 3,
      deliver: (item) => {
        delivered.push(item);
        if (item === "a") box.handle("c");
      },
      onExceeded: () => {},
    });
    box.handle("a");
    box.handle("b");
    box.open();
    expect(delivered).toEqual(["a", "b", "c"]);
  });

  it("forgets what nobody needs to hear of", () => {
    for (const item of ["a", "b"]) box.handle(item);
    box.remove("a");
    expect(box.length).toBe(1);
    box.open();
    box.remove("b");
    expect(delivered).toEqual(["b"]);
  });

  it("says when more has come than it keeps, and only of what waits", () => {
    for (const item of ["a", "b", "c"]) box.handle(item);
    box.remove("a");
    box.handle("d");
    expect(exceeded).toBe(0);
    box.handle("e");
    expect(exceeded).toBe(1);
    box.open();
    for (const item of ["f", "g", "h", "i"]) box.handle(item);
    expect(exceeded).toBe(1);
  });
});
