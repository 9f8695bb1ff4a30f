import { env } from "node:process";
import { describe, expect, it } from "vitest";
import "../../src/client/index.js";
import { RandomStory } from "../support/random-story.js";

const SEED = Number(env["SLUICE_STORY_SEED"] ?? 1);
const RUNS = Number(env["SLUICE_STORY_RUNS"] ?? 2);
const STEPS = Number(env["SLUICE_STORY_STEPS"] ?? 150);

describe.each([
  { transports: ["websocket"] },
  { transports: ["sse"] },
  { transports: ["long-poll"] },
  { transports: ["websocket", "sse", "long-poll"] },
] as const)("over $transports, whatever the application does and the line", ({ transports }) => {
  it.each(Array.from({ length: RUNS }, (_, i) => SEED + i))(
    "keeps what is promised of messages: seed %i",
    async (seed) => {
      const { messages, faults } = await new RandomStory({ seed, transports, steps: STEPS }).play();
      expect(messages).toBeGreaterThan(10);
      expect(faults).toBeGreaterThan(0);
    },
    90_000,
  );
});
