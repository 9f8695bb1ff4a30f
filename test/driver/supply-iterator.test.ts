import { beforeEach, describe, expect, it } from "vitest";
import { SluiceError } from "../../src/core/error.js";
import { Supply } from "../../src/driver/supply.js";
import { SupplyIterator } from "../../src/driver/supply-iterator.js";

let supply: Supply<number>;
let returned: number;

beforeEach(() => {
  supply = new Supply();
  returned = 0;
});

const iterator = () =>
  new SupplyIterator(
    supply,
    (item: number) => `#${item}`,
    () => {
      returned += 1;
    },
  );
const value = (text: string) => ({ done: false, value: text });
const DONE = { done: true, value: undefined };

describe("SupplyIterator", () => {
  it("gives what is there and what comes", async () => {
    const iterated = iterator();
    supply.push(1);
    expect(await iterated.next()).toEqual(value("#1"));
    const next = iterated.next();
    supply.push(2);
    expect(await next).toEqual(value("#2"));
  });

  it("answers several calls in their order", async () => {
    const iterated = iterator();
    const calls = [iterated.next(), iterated.next(), iterated.next()];
    for (const item of [1, 2]) supply.push(item);
    supply.end(undefined);
    expect(await Promise.all(calls)).toEqual([value("#1"), value("#2"), DONE]);
  });

  it("shares what comes with other iterators", async () => {
    const [first, second] = [iterator(), iterator()];
    const calls = [first.next(), second.next(), first.next()];
    for (const item of [1, 2, 3]) supply.push(item);
    expect(await Promise.all(calls)).toEqual([value("#1"), value("#2"), value("#3")]);
  });

  it("leaves the rest to the next one when a loop is left", async () => {
    for (const item of [1, 2, 3]) supply.push(item);
    supply.end(undefined);
    const seen: string[] = [];
    for await (const item of iterator()) {
      seen.push(item);
      break;
    }
    expect(returned).toBe(1);
    for await (const item of iterator()) seen.push(item);
    expect([seen, returned]).toEqual([["#1", "#2", "#3"], 2]);
  });

  it("loses nothing when it is returned while calls wait, and ends these", async () => {
    const left = iterator();
    const waiting = [left.next(), left.next()];
    expect(await left.return()).toEqual(DONE);
    expect(await left.return()).toEqual(DONE);
    expect(returned).toBe(1);
    supply.push(1);
    expect(await Promise.all([...waiting, left.next()])).toEqual([DONE, DONE, DONE]);
    expect(await iterator().next()).toEqual(value("#1"));
  });

  it("fails behind what is held, once, and is over", async () => {
    supply.push(1);
    supply.end(new SluiceError("ERR_SESSION_LOST", "lost"));
    const iterated = iterator();
    const calls = [iterated.next(), iterated.next(), iterated.next()] as const;
    expect(await calls[0]).toEqual(value("#1"));
    await expect(calls[1]).rejects.toMatchObject({ code: "ERR_SESSION_LOST" });
    expect(await Promise.all([calls[2], iterated.next()])).toEqual([DONE, DONE]);
    expect(returned).toBe(1);
  });

  it("fails for the first of those who wait, and is over for the others", async () => {
    const iterated = iterator();
    const calls = [iterated.next(), iterated.next()] as const;
    supply.end(new SluiceError("ERR_SESSION_LOST", "lost"));
    await expect(calls[0]).rejects.toMatchObject({ code: "ERR_SESSION_LOST" });
    expect([await calls[1], returned]).toEqual([DONE, 1]);
  });

  it("tells each iterator of the failure", async () => {
    supply.end(new SluiceError("ERR_SESSION_LOST", "lost"));
    await expect(iterator().next()).rejects.toMatchObject({ code: "ERR_SESSION_LOST" });
    await expect(iterator().next()).rejects.toMatchObject({ code: "ERR_SESSION_LOST" });
  });
});
