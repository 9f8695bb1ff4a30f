import { describe, expect, it } from "vitest";
import { Credentials } from "../../../src/core/registry/credentials.js";

const hash = (seed: number) => new Uint8Array(32).fill(seed);

/** Which of the tokens 1, 2, 3 are good, and whether the attempt is. */
const good = (credentials: Credentials) => [
  ...[1, 2, 3].filter((seed) => credentials.accepts(hash(seed))),
  ...(credentials.allowsAttempt ? ["attempt"] : []),
];

describe("RES-02: Credentials", () => {
  it("take token and attempt until the first WELCOME has arrived, then the token alone", () => {
    const credentials = new Credentials(hash(1));
    expect(good(credentials)).toEqual([1, "attempt"]);
    credentials.confirm();
    expect(good(credentials)).toEqual([1]);
  });

  it("take the token that was used until the next one has arrived", () => {
    const credentials = new Credentials(hash(1));
    credentials.confirm();
    credentials.rotate(hash(1), hash(2));
    expect(good(credentials)).toEqual([1, 2]);
    credentials.confirm();
    expect(good(credentials)).toEqual([2]);
  });

  it("take whatever was given since the one that is used: of transports that race, any WELCOME may arrive", () => {
    const credentials = new Credentials(hash(1));
    credentials.rotate(undefined, hash(2));
    expect(good(credentials)).toEqual([1, 2, "attempt"]);
    credentials.confirm();
    credentials.rotate(hash(2), hash(1));
    credentials.rotate(hash(2), hash(3));
    expect(good(credentials)).toEqual([1, 2, 3]);
    credentials.confirm();
    expect(good(credentials)).toEqual([3]);
  });

  it("keep eight at the most: what was used, and the newest", () => {
    const credentials = new Credentials(hash(1));
    credentials.confirm();
    for (let seed = 2; seed < 100; seed++) credentials.rotate(hash(1), hash(seed));
    const known = Array.from({ length: 99 }, (_, i) => i + 1).filter((seed) => credentials.accepts(hash(seed)));
    expect(known).toEqual([1, 93, 94, 95, 96, 97, 98, 99]);
  });

  it("forget the token before, as soon as the newest is used, which proves that it has arrived", () => {
    const credentials = new Credentials(hash(1));
    credentials.confirm();
    credentials.rotate(hash(1), hash(2));
    credentials.rotate(hash(2), hash(3));
    expect(good(credentials)).toEqual([2, 3]);
  });

  it("take the attempt again and again while nothing has arrived, and not once a token was used", () => {
    const credentials = new Credentials(hash(1));
    credentials.rotate(undefined, hash(2));
    expect(good(credentials)).toEqual([1, 2, "attempt"]);
    credentials.rotate(hash(2), hash(3));
    expect(good(credentials)).toEqual([2, 3]);
  });

  it.each([
    ["one bit off at the end", Uint8Array.from({ length: 32 }, (_, i) => (i === 31 ? 0 : 1))],
    ["one bit off at the beginning", Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 0 : 1))],
    ["a beginning", new Uint8Array(31).fill(1)],
    ["with something behind it", new Uint8Array(33).fill(1)],
    ["nothing", new Uint8Array(0)],
  ])("refuse a token that is %s", (_, guess) => {
    const credentials = new Credentials(hash(1));
    expect(credentials.accepts(guess)).toBe(false);
    credentials.rotate(hash(1), hash(2));
    expect(credentials.accepts(guess)).toBe(false);
  });
});
