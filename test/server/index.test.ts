import { describe, expect, it } from "vitest";
import * as server from "../../src/server/index.js";

describe("sluice/server", () => {
  it("exports what the README names, and nothing else", () => {
    expect(Object.keys(server).sort()).toEqual([
      "Receipt",
      "ServerChannel",
      "ServerSocket",
      "SluiceError",
      "SluiceServer",
    ]);
  });
});
