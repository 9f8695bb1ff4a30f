import { expect, it } from "vitest";
import { fateOf } from "../../../src/transport/http/statuses.js";

it.each([
  [413, "too-large"],
  [400, "refused"],
  [401, "refused"],
  [403, "refused"],
  [404, "refused"],
  [410, "refused"],
  [415, "refused"],
  [499, "refused"],
  [200, "failed"],
  [204, "failed"],
  [302, "failed"],
  [408, "failed"],
  [409, "failed"],
  [425, "failed"],
  [429, "failed"],
  [500, "failed"],
  [502, "failed"],
  [503, "failed"],
] as const)("HTTP-22: %i: %s", (status, fate) => {
  expect(fateOf(status)).toBe(fate);
});
