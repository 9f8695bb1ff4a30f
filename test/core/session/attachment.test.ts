import { describe, expect, it } from "vitest";
import {
  ATTACHMENT_TRANSITIONS,
  Attachment,
  type AttachmentInput,
  type AttachmentState,
} from "../../../src/core/session/attachment.js";
import type { HandshakeFrame } from "../../../src/core/wire/frame.js";
import { describeLegality } from "../../support/legality.js";

const HELLO: HandshakeFrame = { type: "hello", parameters: new Map() };
const WELCOME: HandshakeFrame = { type: "welcome", parameters: new Map() };
const INSTANCE = Uint8Array.of(1, 2);
const internal = expect.objectContaining({ code: "ERR_INTERNAL" });
const STATES = Object.keys(ATTACHMENT_TRANSITIONS) as AttachmentState["name"][];

/** An attachment of line 3 that has come as far as `state`, begun at 100. */
function arrived(state: AttachmentState["name"]): Attachment {
  const attachment = new Attachment({ handshakeTimeoutMs: 5000 });
  const steps: Partial<Record<AttachmentState["name"], number>> = {
    dialling: 1,
    "awaiting-greeting": 2,
    proving: 3,
    "awaiting-auth": 3,
    "awaiting-welcome": 4,
    attached: 5,
    leaving: 6,
  };
  const count = steps[state] ?? 0;
  if (count >= 1) attachment.dial(3, 100);
  if (count >= 2) attachment.handleOpen(true);
  if (count >= 3) attachment.handleGreeting(INSTANCE, state === "proving");
  if (count >= 4) attachment.introduce(9, HELLO, true);
  if (count >= 5) attachment.handleWelcome();
  if (count >= 6) {
    attachment.recall(200);
    attachment.pollLeave(false, 200);
  }
  if (state === "unconfirmed") attachment.admit(3, WELCOME);
  if (state === "ended") attachment.end();
  expect(attachment.state.name).toBe(state);
  return attachment;
}

describe("RES-03: the table of the attachment", () => {
  const inputs: readonly AttachmentInput[] = [
    "dial",
    "opened",
    "greeted",
    "proved",
    "auth",
    "early",
    "welcome",
    "admitted",
    "confirmed",
    "recall",
    "leave",
    "cut",
    "end",
  ];
  describeLegality(ATTACHMENT_TRANSITIONS, inputs, 30);
});

describe("Attachment: a client's", () => {
  it("walks from the dial to the session, and says HELLO on the way, once", () => {
    const attachment = new Attachment({ handshakeTimeoutMs: 5000 });
    expect([attachment.state.name, attachment.pollFrame()]).toEqual(["detached", undefined]);
    attachment.dial(1, 0);
    attachment.handleOpen(true);
    attachment.handleGreeting(INSTANCE, false);
    expect(attachment.state).toEqual({ name: "awaiting-auth", line: 1, instance: INSTANCE });
    expect([attachment.pollFrame(), attachment.hasAsked]).toEqual([undefined, false]);
    attachment.introduce(4, HELLO, true);
    expect([attachment.pollFrame(), attachment.pollFrame(), attachment.hasAsked]).toEqual([HELLO, undefined, true]);
    expect(attachment.state).toEqual({ ...arrived("awaiting-welcome").state, line: 1, epoch: 4 });
    attachment.handleWelcome();
    expect(attachment.state).toEqual({ name: "attached", line: 1, leaveAt: undefined });
  });

  it("HTTP-04: waits for no greeting where nobody greets, and for no early data", () => {
    const attachment = arrived("dialling");
    attachment.handleOpen(false);
    expect(attachment.state).toEqual({ name: "awaiting-auth", line: 3, instance: undefined });
    expect(attachment.isGreeted).toBe(false);
    attachment.introduce(1, HELLO, false);
    expect([attachment.allowanceBytes, attachment.isGreeted, attachment.pollFrame()]).toEqual([0, true, HELLO]);
  });

  it("RES-17: has to prove itself beside another one, as long as that is there", () => {
    const attachment = arrived("proving");
    expect([attachment.state, attachment.nextDeadline]).toEqual([
      { name: "proving", line: 3, instance: INSTANCE },
      5100,
    ]);
    attachment.handleProved();
    expect(attachment.state).toEqual({ name: "awaiting-auth", line: 3, instance: INSTANCE });
  });

  it("goes through its steps in order: what comes at another time changes nothing", () => {
    for (const state of STATES) {
      const attachment = arrived(state);
      if (state !== "dialling") attachment.handleOpen(true);
      if (state !== "awaiting-greeting") attachment.handleGreeting(INSTANCE, true);
      if (state !== "proving") attachment.handleProved();
      if (state !== "awaiting-auth") attachment.introduce(7, HELLO, true);
      if (state !== "awaiting-welcome") attachment.handleWelcome();
      expect(attachment.state.name).toBe(state);
    }
  });

  it("comes back on another line, as often as it is cut", () => {
    const attachment = arrived("attached");
    for (const line of [4, 5, 6]) {
      attachment.cut();
      expect(attachment.line).toBeUndefined();
      attachment.dial(line, 1000);
      expect(attachment.line).toBe(line);
    }
  });

  it("HSK-07: counts what has left behind HELLO, whether new or again", () => {
    const attachment = arrived("awaiting-welcome");
    attachment.handleSent(1000);
    attachment.handleSent(24);
    expect(attachment.state).toMatchObject({ earlyBytes: 1024 });
    expect(attachment.allowanceBytes).toBe(31 * 1024);
    for (const state of ["attached", "unconfirmed", "detached"] as const) {
      const other = arrived(state);
      other.handleSent(1000);
      expect(other.state.name).toBe(state);
    }
  });

  it("HSK-10: takes its time from the dial to the WELCOME", () => {
    for (const state of ["dialling", "awaiting-greeting", "proving", "awaiting-auth", "awaiting-welcome"] as const) {
      expect([arrived(state).handshakeDeadline, arrived(state).nextDeadline]).toEqual([5100, 5100]);
    }
    for (const state of ["detached", "unconfirmed", "attached", "ended"] as const) {
      expect([arrived(state).handshakeDeadline, arrived(state).nextDeadline]).toEqual([undefined, undefined]);
    }
  });
});

describe("Attachment: a server's", () => {
  it("RES-02: has a WELCOME on its way until something says that it has come, once", () => {
    const attachment = new Attachment({ handshakeTimeoutMs: 5000 });
    attachment.admit(2, WELCOME);
    expect([attachment.state, attachment.isAttached]).toEqual([{ name: "unconfirmed", line: 2 }, true]);
    expect([attachment.pollFrame(), attachment.pollFrame()]).toEqual([WELCOME, undefined]);
    expect([attachment.confirm(), attachment.confirm()]).toEqual([true, false]);
    expect(attachment.state).toEqual({ name: "attached", line: 2, leaveAt: undefined });
  });

  it.each(STATES.filter((state) => state !== "unconfirmed"))("confirms nothing while %s", (state) => {
    const attachment = arrived(state);
    expect([attachment.confirm(), attachment.state.name]).toEqual([false, state]);
  });

  it("takes the next transport only when it has cut the last one", () => {
    for (const state of ["unconfirmed", "attached"] as const) {
      const attachment = arrived(state);
      expect(() => attachment.admit(4, WELCOME)).toThrow(internal);
      attachment.cut();
      attachment.admit(4, WELCOME);
      expect(attachment.line).toBe(4);
    }
  });
});

describe("RES-15: Attachment: leaving", () => {
  it("waits for its moment, then for the line to be quiet", () => {
    const attachment = arrived("attached");
    attachment.recall(1000);
    expect([attachment.nextDeadline, attachment.pollLeave(true, 999)]).toEqual([1000, false]);
    expect([attachment.pollLeave(false, 1000), attachment.state.name, attachment.nextDeadline]).toEqual([
      false,
      "leaving",
      3000,
    ]);
    expect([attachment.pollLeave(false, 2999), attachment.pollLeave(true, 2999)]).toEqual([false, true]);
  });

  it("goes at once where the line is quiet, and after two seconds where it does not get so", () => {
    const quiet = arrived("attached");
    quiet.recall(1000);
    expect(quiet.pollLeave(true, 1000)).toBe(true);
    expect([arrived("leaving").pollLeave(false, 2199), arrived("leaving").pollLeave(false, 2200)]).toEqual([
      false,
      true,
    ]);
  });

  it("goes by what it was told last", () => {
    const attachment = arrived("attached");
    attachment.recall(1000);
    attachment.recall(9000);
    expect([attachment.pollLeave(true, 5000), attachment.nextDeadline]).toEqual([false, 9000]);
  });

  it.each(STATES.filter((state) => state !== "attached" && state !== "leaving"))(
    "is nothing to one that is %s",
    (state) => {
      const attachment = arrived(state);
      attachment.recall(0);
      expect([attachment.pollLeave(true, 1e9), attachment.state.name]).toEqual([false, state]);
    },
  );
});

describe("Attachment: what holds", () => {
  it.each<[AttachmentState["name"], { line: boolean; attached: boolean; greeted: boolean; bytes: number }]>([
    ["detached", { line: false, attached: false, greeted: false, bytes: 0 }],
    ["dialling", { line: true, attached: false, greeted: false, bytes: 0 }],
    ["awaiting-greeting", { line: true, attached: false, greeted: false, bytes: 0 }],
    ["proving", { line: true, attached: false, greeted: true, bytes: 0 }],
    ["awaiting-auth", { line: true, attached: false, greeted: true, bytes: 0 }],
    ["awaiting-welcome", { line: true, attached: false, greeted: true, bytes: 32 * 1024 }],
    ["unconfirmed", { line: true, attached: true, greeted: true, bytes: Number.POSITIVE_INFINITY }],
    ["attached", { line: true, attached: true, greeted: true, bytes: Number.POSITIVE_INFINITY }],
    ["leaving", { line: true, attached: true, greeted: true, bytes: Number.POSITIVE_INFINITY }],
    ["ended", { line: false, attached: false, greeted: false, bytes: 0 }],
  ])("HSK-07, HSK-13: while %s", (state, { line, attached, greeted, bytes }) => {
    const attachment = arrived(state);
    expect(attachment.line).toBe(line ? 3 : undefined);
    expect([attachment.isAttached, attachment.isGreeted, attachment.allowanceBytes]).toEqual([
      attached,
      greeted,
      bytes,
    ]);
  });

  it("has nothing more to say once it is cut or has ended, and no deadline", () => {
    for (const end of ["cut", "end"] as const) {
      const attachment = arrived("awaiting-welcome");
      attachment[end]();
      expect([attachment.pollFrame(), attachment.nextDeadline]).toEqual([undefined, undefined]);
    }
    expect(() => arrived("ended").end()).toThrow(internal);
    expect(() => arrived("ended").dial(4, 0)).toThrow(internal);
  });
});
