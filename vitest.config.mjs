import { defineConfig } from "vitest/config";

const everything = "test/**/*.test.ts";
const suites = {
  property: ["test/property/**/*.test.ts"],
  layers: ["test/layers/**/*.test.ts"],
  package: ["test/package/**/*.test.ts"],
};

/** A file that wants a DOM says so in its first line: `// @vitest-environment jsdom`. */
export default defineConfig({
  test: {
    environment: "node",
    testTimeout: 20_000,
    hookTimeout: 20_000,
    allowOnly: false,
    projects: [
      { extends: true, test: { name: "unit", include: [everything], exclude: Object.values(suites).flat() } },
      { extends: true, test: { name: "property", include: suites.property, testTimeout: 60_000 } },
      // These start compilers, linters, npm and bundlers.
      { extends: true, test: { name: "layers", include: suites.layers, testTimeout: 60_000, hookTimeout: 60_000 } },
      { extends: true, test: { name: "package", include: suites.package, testTimeout: 120_000, hookTimeout: 120_000 } },
    ],
  },
});
