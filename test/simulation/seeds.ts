import type { Profile } from "./plan.js";

/** Schedules that have shown a defect of the engine. They stay: a defect that was there once may come back. */
export const FOUND_SEEDS: readonly { readonly seed: number; readonly profile: Profile; readonly cause: string }[] = [
  {
    seed: 52,
    profile: "loss",
    cause: "a server that keeps no sessions forgot an attempt at once, and a HELLO repeated made a second session",
  },
  {
    seed: 55,
    profile: "closing",
    cause: "a client that had exchanged CLOSE and came back for the last ack reported the session as lost",
  },
  {
    seed: 260,
    profile: "closing",
    cause: "a session that ended with its early data took the WELCOME along, and the client dialled again",
  },
  {
    seed: 4882,
    profile: "channels",
    cause: "a RECEIVED let a channel go that a batch of the replay was about to open in the other direction",
  },
  {
    seed: 103_874,
    profile: "closing",
    cause:
      "a message one byte too long for any batch kept room for itself, which the message that it waited for needed",
  },
  {
    seed: 1_758_189,
    profile: "all",
    cause: "copies of early data counted against its 32 KiB",
  },
  {
    seed: 1_927_576,
    profile: "channels",
    cause: "an ack stood in the batch of a CHANNEL_OPEN that had waited, was read first, and let the channel go",
  },
];
