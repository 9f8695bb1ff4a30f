import type { IncomingMessage } from "node:http";
import { describe, expect, it } from "vitest";
import { ask, type VerifyClientInfo, verify } from "../../src/server/verify-client.js";

const requestOf = (socket: object): IncomingMessage => ({ headers: { origin: "https://a.example" }, socket }) as never;
const info = { origin: "x", secure: false, req: requestOf({}) };

describe("verifyClient", () => {
  it("is called as `ws` calls it: with a callback where it takes one", () => {
    const told: unknown[] = [];
    const answer = (...args: unknown[]) => told.push(args);
    ask(() => true, info, answer);
    ask(() => false, info, answer);
    ask((_info, callback) => callback(false, 418, "teapot", { "X-A": "b" }), info, answer);
    ask(undefined, info, answer);
    ask(null, info, answer);
    expect(told).toEqual([[true], [false], [false, 418, "teapot", { "X-A": "b" }], [true], [true]]);
  });

  it("counts for a no, 500, where it throws; behind its answer, what throws is not its own", () => {
    const told: unknown[] = [];
    const answer = (...args: unknown[]) => told.push(args);
    const error = new Error("broken");
    const broken = (): never => {
      throw error;
    };
    ask(broken, info, answer);
    ask((_info, _callback) => broken(), info, answer);
    expect(told.splice(0)).toEqual([
      [false, 500],
      [false, 500],
    ]);
    expect(() => ask(() => true, info, broken)).toThrow(error);
    expect(() => ask((_info, callback) => callback(true), info, broken)).toThrow(error);
  });

  it("answers once", () => {
    const told: unknown[] = [];
    const twice = (_info: VerifyClientInfo, callback: (result: boolean) => void) => [callback(false), callback(true)];
    ask(twice as never, info, (...args) => told.push(args));
    expect(told).toEqual([[false]]);
  });

  it("gets origin, request, and whether the line is secret", async () => {
    const infos: VerifyClientInfo[] = [];
    const check = (given: VerifyClientInfo): boolean => infos.push(given) > 0;
    const requests = [{}, { encrypted: true }, { authorized: true }].map(requestOf);
    for (const request of requests) expect(await verify(check, request)).toEqual({ isVerified: true });
    expect(infos).toEqual(requests.map((req, index) => ({ origin: "https://a.example", secure: index > 0, req })));
  });

  it.each([
    ["no", () => false, 401, {}],
    [
      "with a status and headers",
      (_: unknown, answer: (...args: unknown[]) => void) => answer(false, 403, "", { a: "b" }),
      403,
      { a: "b" },
    ],
    [
      "by throwing",
      () => {
        throw new Error("broken");
      },
      500,
      {},
    ],
  ])("says %s", async (_, check, status, headers) => {
    expect(await verify(check as never, requestOf({}))).toEqual({ isVerified: false, status, headers });
  });
});
