// @ts-check
// The unit tests, on a source with the defect in it whose name is in SLUICE_MUTANT; without one where that is empty.
import { defineConfig } from "vitest/config";
import { HTTP_MUTANTS } from "./http.mjs";
import { planting } from "./plant.mjs";

const mutant = HTTP_MUTANTS.find(({ name }) => name === process.env["SLUICE_MUTANT"]);

export default defineConfig({
  root: new URL("../..", import.meta.url).pathname,
  plugins: [planting("src", mutant === undefined ? [] : [mutant])],
  test: {
    environment: "node",
    include: ["test/**/*.test.ts"],
    // A test that waits for what does not come has found it.
    testTimeout: 5_000,
    hookTimeout: 5_000,
    bail: 1,
  },
});
