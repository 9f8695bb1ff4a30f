import { env } from "node:process";
import { afterAll, describe, expect, it } from "vitest";
import "../../src/client/index.js";
import { RandomStory } from "../support/random-story.js";

const SEED = Number(env["SLUICE_STORY_SEED"] ?? 1);
const RUNS = Number(env["SLUICE_STORY_RUNS"] ?? 2);
const STEPS = Number(env["SLUICE_STORY_STEPS"] ?? 150);

/** Of all stories together: how much there is in one of them depends on the machine, too. */
const told = { stories: 0, messages: 0, faults: 0, resumes: 0 };

describe.each([
  { transports: ["websocket"] },
  { transports: ["sse"] },
  { transports: ["long-poll"] },
  { transports: ["websocket", "sse", "long-poll"] },
] as const)("over $transports, whatever the application does and the line", ({ transports }) => {
  it.each(Array.from({ length: RUNS }, (_, i) => SEED + i))(
    "keeps what is promised of messages: seed %i",
    async (seed) => {
      const { messages, faults, resumes } = await new RandomStory({ seed, transports, steps: STEPS }).play();
      told.stories += 1;
      told.messages += messages;
      told.faults += faults;
      told.resumes += resumes;
    },
    90_000,
  );
});

afterAll(() => {
  console.info(told);
  // Over HTTP a line outlives most faults, so a few alone say little.
  if (told.stories < 8) return;
  expect(told.messages).toBeGreaterThan(told.stories * 20);
  expect(told.faults).toBeGreaterThan(told.stories);
  expect(told.resumes).toBeGreaterThan(told.stories / 4);
});
