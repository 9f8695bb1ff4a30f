import { describe, expect, it } from "vitest";
import { DIALER_TRANSITIONS, Dialer, type DialerInput, type DialerState } from "../../../src/core/dial/dialer.js";
import { describeLegality } from "../../support/legality.js";

const OPTIONS = { backoff: { baseMs: 500, maxMs: 15_000 }, connectTimeoutMs: 10_000, retriesFirst: true };

/** A dialer whose chance is `random`, as far as `state`. */
function arrived(state: DialerState["name"], random = 0.5): Dialer {
  const dialer = new Dialer(OPTIONS, () => random);
  if (state === "idle") return dialer;
  dialer.start(0);
  if (state === "attached") dialer.handleWelcome();
  if (state === "waiting") dialer.handleFailure(0);
  if (state === "suspended") dialer.suspend();
  if (state === "stopped") dialer.stop();
  expect(dialer.state.name).toBe(state);
  return dialer;
}

describe("RES-12: the table of dialling", () => {
  const inputs: readonly DialerInput[] = ["dial", "welcome", "fail", "succeed", "suspend", "stop"];
  describeLegality(DIALER_TRANSITIONS, inputs, 16);
});

describe("RES-12: Dialer", () => {
  it("dials at the start, when a wait is over, in a hurry, and when the page wakes", () => {
    const dialer = arrived("idle");
    dialer.start(0);
    expect(dialer.state.name).toBe("dialling");
    dialer.handleFailure(100);
    expect(dialer.poll(350, "deadline")).toBe(true);
    dialer.handleWelcome();
    dialer.handleFailure(1000);
    expect(dialer.poll(1000, "hurry")).toBe(true);
    dialer.suspend();
    expect([dialer.wake(), dialer.state.name]).toEqual([true, "dialling"]);
  });

  it("RES-17: does not wait where another transport is in its handshake already", () => {
    const dialer = arrived("attached");
    dialer.handleSuccession();
    expect([dialer.state.name, dialer.poll(1e9, "hurry")]).toEqual(["dialling", false]);
    dialer.handleWelcome();
    // A transport has taken over from one that lives.
    dialer.handleWelcome();
    expect(dialer.state.name).toBe("attached");
    for (const state of ["idle", "waiting", "suspended", "stopped"] as const) {
      const other = arrived(state);
      other.handleSuccession();
      expect(other.state.name).toBe(state);
    }
  });

  it("waits longer after each failure, with chance in it", () => {
    const dialer = arrived("idle");
    dialer.start(0);
    const waits: (number | undefined)[] = [];
    for (let i = 0; i < 8; i++) {
      dialer.handleWelcome();
      dialer.handleFailure(0);
      waits.push(dialer.nextDeadline);
      dialer.poll(0, "hurry");
    }
    expect(waits).toEqual([250, 500, 1000, 2000, 4000, 7500, 7500, 7500]);
    expect(arrived("waiting", 0).nextDeadline).toBe(0);
  });

  it("is not done waiting before its time, and dials once", () => {
    const dialer = arrived("waiting");
    expect([dialer.poll(249, "deadline"), dialer.poll(250, "deadline"), dialer.poll(251, "deadline")]).toEqual([
      false,
      true,
      false,
    ]);
  });

  it("is done waiting at once when it is told to hurry", () => {
    expect(arrived("waiting").poll(1, "hurry")).toBe(true);
  });

  it.each(["idle", "dialling", "attached", "suspended", "stopped"] as const)("does not hurry while %s", (state) => {
    expect(arrived(state).poll(1e9, "hurry")).toBe(false);
    expect(arrived(state).poll(1e9, "deadline")).toBe(false);
  });

  it("begins with short waits again when something has come through, not when somebody has only greeted", () => {
    const dialer = arrived("attached");
    const failAndHurry = () => {
      dialer.handleFailure(0);
      const until = dialer.nextDeadline;
      dialer.poll(0, "hurry");
      return until;
    };
    expect([failAndHurry(), failAndHurry()]).toEqual([250, 500]);
    dialer.handleWelcome();
    expect(failAndHurry()).toBe(1000);
    dialer.handleWelcome();
    dialer.handleProgress();
    expect(failAndHurry()).toBe(250);
  });

  it("comes back at once when the server has asked for it, and that is no failure", () => {
    const dialer = arrived("attached");
    for (let i = 0; i < 5; i++) {
      dialer.handleFailure(0);
      dialer.poll(0, "hurry");
    }
    dialer.handleWelcome();
    dialer.handleRecall(700);
    expect(dialer.nextDeadline).toBe(700);
    expect(dialer.poll(700, "deadline")).toBe(true);
    dialer.handleWelcome();
    dialer.handleFailure(1000);
    expect(dialer.nextDeadline).toBe(1250);
  });

  it("waits for less where somebody waits who will not do so for long", () => {
    const dialer = arrived("attached");
    for (let i = 0; i < 6; i++) {
      dialer.handleFailure(0);
      dialer.poll(0, "hurry");
    }
    dialer.handleFailure(0, 1000);
    expect(dialer.nextDeadline).toBe(500);
    dialer.poll(0, "hurry");
    dialer.handleOffline(true);
    dialer.handleFailure(0, 1000);
    expect(dialer.nextDeadline).toBe(1000);
  });

  it("waits as long as may be while the network is said to be away", () => {
    const dialer = arrived("attached");
    dialer.handleOffline(true);
    dialer.handleFailure(100);
    expect(dialer.nextDeadline).toBe(15_100);
    dialer.poll(100, "hurry");
    dialer.handleOffline(false);
    dialer.handleFailure(200);
    expect(dialer.nextDeadline).toBe(700);
  });

  describe("sleeps", () => {
    it.each(["dialling", "attached", "waiting"] as const)("from being %s, and dials when it wakes", (state) => {
      const dialer = arrived(state);
      dialer.suspend();
      expect([dialer.state.name, dialer.poll(1e9, "deadline"), dialer.poll(1e9, "hurry")]).toEqual([
        "suspended",
        false,
        false,
      ]);
      expect([dialer.wake(), dialer.wake()]).toEqual([true, false]);
    });

    it.each(["idle", "stopped"] as const)("not while %s", (state) => {
      const dialer = arrived(state);
      dialer.suspend();
      expect([dialer.state.name, dialer.wake()]).toEqual([state, false]);
    });

    it("fails at nothing meanwhile", () => {
      const dialer = arrived("suspended");
      dialer.handleFailure(0);
      expect(dialer.state.name).toBe("suspended");
    });
  });

  describe("gives up", () => {
    it("on the first connection after its time, all attempts together", () => {
      const dialer = arrived("idle");
      dialer.start(100);
      expect([dialer.giveUpAt, dialer.nextDeadline]).toEqual([10_100, 10_100]);
      dialer.handleFailure(5000);
      dialer.poll(5000, "hurry");
      expect(dialer.giveUpAt).toBe(10_100);
      dialer.limit(1e9);
      expect(dialer.giveUpAt).toBe(10_100);
    });

    it("not while it has a session on a line", () => {
      const dialer = arrived("attached");
      expect([dialer.giveUpAt, dialer.nextDeadline]).toEqual([undefined, undefined]);
    });

    it("on a session when the server has surely done so, counted from the first loss", () => {
      const dialer = arrived("attached");
      dialer.limit(155_000);
      dialer.handleFailure(1000);
      dialer.limit(200_000);
      expect(dialer.giveUpAt).toBe(155_000);
      expect(dialer.nextDeadline).toBe(1250);
      dialer.poll(1250, "deadline");
      expect(dialer.nextDeadline).toBe(155_000);
      dialer.handleWelcome();
      expect(dialer.giveUpAt).toBeUndefined();
      dialer.limit(300_000);
      expect(dialer.giveUpAt).toBe(300_000);
    });

    it("and has nothing more to do once it has stopped", () => {
      for (const state of ["idle", "dialling", "attached", "waiting", "suspended", "stopped"] as const) {
        const dialer = arrived(state);
        dialer.stop();
        expect([dialer.state.name, dialer.giveUpAt, dialer.nextDeadline]).toEqual(["stopped", undefined, undefined]);
        dialer.handleFailure(0);
        expect(dialer.state.name).toBe("stopped");
      }
    });
  });

  it("says whether a first failure is followed by another attempt", () => {
    expect(arrived("idle").retriesFirst).toBe(true);
    expect(new Dialer({ ...OPTIONS, retriesFirst: false }, () => 0).retriesFirst).toBe(false);
  });
});
