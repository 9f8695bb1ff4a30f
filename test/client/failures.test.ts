import { expect, it } from "vitest";
import { noAnswer, notSluice, noWebSocket } from "../../src/client/failures.js";

it("tells what no other attempt can change from what one may", () => {
  expect([noWebSocket(), notSluice(), noAnswer()].map(({ code, retryable }) => [code, retryable])).toEqual([
    ["ERR_CONNECT_FAILED", false],
    ["ERR_NOT_SLUICE", false],
    ["ERR_CONNECT_FAILED", true],
  ]);
});
