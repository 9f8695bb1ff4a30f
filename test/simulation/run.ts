import { forgetTransitions, transitionCounts } from "./coverage.js";
import { PROFILES, type Profile } from "./plan.js";
import { type Outcome, playSchedule } from "./schedule.js";
import { Violation } from "./world.js";

export interface Failure {
  readonly seed: number;
  readonly profile: Profile;
  /** The rule that does not hold. */
  readonly check: string;
  readonly message: string;
}

/** The sums over many schedules. Plain data: it travels between threads. */
export interface Report {
  schedules: number;
  readonly byProfile: Record<string, number>;
  readonly counts: Record<string, number>;
  readonly faults: Record<string, number>;
  transitions: Record<string, number>;
  steps: number;
  /** The longest that a schedule took, once faults had stopped, until everything had arrived, ms. */
  calmMsMax: number;
  /** The fewest of one schedule. */
  messagesMin: number;
  faultsMin: number;
  readonly failures: Failure[];
}

export interface Range {
  readonly from: number;
  readonly count: number;
  /** For all of them; by default each seed has its own. */
  readonly profile?: Profile;
  readonly failuresMax: number;
}

/** Plays the schedules of consecutive seeds. */
export function runRange({ from, count, profile, failuresMax }: Range): Report {
  const report: Report = {
    schedules: 0,
    byProfile: {},
    counts: {},
    faults: {},
    transitions: {},
    steps: 0,
    calmMsMax: 0,
    messagesMin: Number.POSITIVE_INFINITY,
    faultsMin: Number.POSITIVE_INFINITY,
    failures: [],
  };
  forgetTransitions();
  for (let seed = from; seed < from + count && report.failures.length < failuresMax; seed++) {
    const chosen = profile ?? profileOf(seed);
    report.schedules += 1;
    addTo(report.byProfile, { [chosen]: 1 });
    try {
      add(report, playSchedule(seed, chosen));
    } catch (error) {
      report.failures.push(failureOf(error, seed, chosen));
    }
  }
  report.transitions = transitionCounts();
  return report;
}

/** Tells the story of one seed, line by line. */
export function tellStory(
  seed: number,
  profile: Profile | undefined,
  tell: (line: string) => void,
): Failure | undefined {
  const chosen = profile ?? profileOf(seed);
  try {
    playSchedule(seed, chosen, tell);
    return undefined;
  } catch (error) {
    return failureOf(error, seed, chosen);
  }
}

/** The profile that a seed stands for, where none is asked for. */
export function profileOf(seed: number): Profile {
  return PROFILES[seed % PROFILES.length] as Profile;
}

export function isProfile(name: string): name is Profile {
  return PROFILES.some((known) => known === name);
}

function failureOf(error: unknown, seed: number, profile: Profile): Failure {
  if (error instanceof Violation) return { seed, profile, check: error.check, message: error.message };
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { seed, profile, check: "exception", message };
}

function add(report: Report, outcome: Outcome): void {
  addTo(report.counts, { ...outcome.counts });
  addTo(report.faults, outcome.struck);
  report.steps += outcome.steps;
  report.messagesMin = Math.min(report.messagesMin, outcome.counts.messages);
  report.faultsMin = Math.min(report.faultsMin, sum(outcome.struck));
  report.calmMsMax = Math.max(report.calmMsMax, outcome.calmMs);
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}

function addTo(sums: Record<string, number>, more: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(more)) sums[name] = (sums[name] ?? 0) + count;
}
