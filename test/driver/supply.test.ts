import { beforeEach, describe, expect, it } from "vitest";
import { SluiceError } from "../../src/core/error.js";
import { Supply, type Taker } from "../../src/driver/supply.js";

let supply: Supply<string>;
let story: string[];

beforeEach(() => {
  supply = new Supply();
  story = [];
});

function taker(name: string): Taker<string> {
  return {
    handleItem: (item) => story.push(`${name} has ${item}`),
    handleEnd: (error) => story.push(`${name} is told ${error?.code ?? "the end"}`),
  };
}

describe("Supply", () => {
  it("keeps what nobody asks for, in order", () => {
    for (const item of ["a", "b"]) supply.push(item);
    expect(supply.length).toBe(2);
    for (const name of ["first", "second"]) supply.ask(taker(name));
    expect([story, supply.length]).toEqual([["first has a", "second has b"], 0]);
  });

  it("hands over at once what somebody waits for, to who has asked first", () => {
    for (const name of ["first", "second"]) supply.ask(taker(name));
    supply.push("a");
    expect(story).toEqual(["first has a"]);
    supply.push("b");
    expect(story).toEqual(["first has a", "second has b"]);
  });

  it("gives nothing to who has withdrawn", () => {
    const first = taker("first");
    supply.ask(first);
    supply.ask(taker("second"));
    supply.withdraw(first);
    supply.push("a");
    expect(story).toEqual(["second has a"]);
  });

  it("tells the end behind what it holds, to everybody", () => {
    supply.push("a");
    supply.end(new SluiceError("ERR_CONNECTION_LOST", "cut"));
    supply.end(undefined);
    expect(supply.exhausted).toBeUndefined();
    for (const name of ["first", "second", "third"]) supply.ask(taker(name));
    const told = ["second is told ERR_CONNECTION_LOST", "third is told ERR_CONNECTION_LOST"];
    expect(story).toEqual(["first has a", ...told]);
    expect(supply.exhausted?.error).toMatchObject({ code: "ERR_CONNECTION_LOST" });
  });

  it("tells who waits that the end has come", () => {
    supply.ask(taker("first"));
    supply.end(undefined);
    expect(story).toEqual(["first is told the end"]);
  });

  it("hands over nothing while it is shut, not even the end", () => {
    for (const name of ["first", "second"]) supply.ask(taker(name));
    supply.shut();
    supply.push("a");
    supply.end(undefined);
    expect([story, supply.shift(), supply.length]).toEqual([[], undefined, 1]);
    supply.open();
    expect(story).toEqual(["first has a", "second is told the end"]);
  });

  it("says whether it hands over at once what comes next", () => {
    expect(supply.isAwaited).toBe(false);
    supply.ask(taker("first"));
    expect(supply.isAwaited).toBe(true);
    supply.shut();
    expect(supply.isAwaited).toBe(false);
  });

  it("can be shut by who takes", () => {
    const closing: Taker<string> = { ...taker("first"), handleItem: () => supply.shut() };
    supply.ask(closing);
    supply.ask(taker("second"));
    for (const item of ["a", "b"]) supply.push(item);
    expect(story).toEqual([]);
    supply.open();
    expect(story).toEqual(["second has b"]);
  });

  it("takes back what was pushed last, while it is there", () => {
    for (const item of ["a", "b"]) supply.push(item);
    expect([supply.retract("a"), supply.retract("b"), supply.retract("b"), supply.length]).toEqual([
      false,
      true,
      false,
      1,
    ]);
  });
});
