import { describe, expect, it } from "vitest";
import { Mailbox, MailboxBudget } from "../../src/driver/mailbox.js";

function mailbox(bytesMax = 100) {
  const delivered: string[] = [];
  let exceeded = 0;
  const budget = new MailboxBudget(bytesMax, () => {
    exceeded += 1;
  });
  const box = new Mailbox<string>(budget, (item) => delivered.push(item));
  return { box, budget, delivered, exceeded: () => exceeded };
}

describe("Mailbox", () => {
  it("keeps what comes until somebody listens, then hands it on in order", () => {
    const { box, delivered } = mailbox();
    for (const item of ["a", "b", "c"]) box.handle(item, 1);
    expect(delivered).toEqual([]);
    box.open();
    expect(delivered).toEqual(["a", "b", "c"]);
    box.handle("d", 1);
    expect(delivered).toEqual(["a", "b", "c", "d"]);
  });

  it("delivers nothing twice, however often it is opened", () => {
    const { box, delivered } = mailbox();
    box.handle("a", 1);
    box.open();
    box.open();
    expect(delivered).toEqual(["a"]);
  });

  it("keeps the order when something comes while the old is handed on", () => {
    const delivered: string[] = [];
    const box: Mailbox<string> = new Mailbox(new MailboxBudget(10, () => {}), (item) => {
      delivered.push(item);
      if (item === "a") box.handle("c", 1);
    });
    box.handle("a", 1);
    box.handle("b", 1);
    box.open();
    expect(delivered).toEqual(["a", "b", "c"]);
  });

  it("lets the end wait behind what nobody has read", () => {
    const { box, delivered } = mailbox();
    box.handle("a", 1);
    box.handle("b", 1);
    box.finish(() => delivered.push("end"));
    expect(delivered).toEqual([]);
    box.open();
    expect(delivered).toEqual(["a", "b", "end"]);
    box.open();
    expect(delivered).toEqual(["a", "b", "end"]);
  });

  it.each(["opened", "unopened"])("lets the end pass when nothing waits (%s)", (state) => {
    const { box, delivered } = mailbox();
    if (state === "opened") box.open();
    box.finish(() => delivered.push("end"));
    expect(delivered).toEqual(["end"]);
  });
});

describe("MailboxBudget", () => {
  it("is one for all channels, and says when it is exceeded", () => {
    const { box, budget, exceeded } = mailbox(100);
    const other = new Mailbox<string>(budget, () => {});
    box.handle("a", 60);
    other.handle("b", 40);
    expect(exceeded()).toBe(0);
    other.handle("c", 1);
    expect(exceeded()).toBe(1);
  });

  it("takes back what has been handed on", () => {
    const { box, budget, exceeded } = mailbox(100);
    box.handle("a", 100);
    box.open();
    const other = new Mailbox<string>(budget, () => {});
    other.handle("b", 100);
    expect(exceeded()).toBe(0);
  });

  it("is not used by what is handed on at once", () => {
    const { box, exceeded } = mailbox(100);
    box.open();
    for (let i = 0; i < 10; i++) box.handle("a", 99);
    expect(exceeded()).toBe(0);
  });
});
