import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { encoded } from "../../src/core/content.js";
import { Backlog } from "../../src/driver/backlog.js";
import { cancelled, PendingMessage } from "../../src/driver/pending-message.js";
import { SendBudget } from "../../src/driver/send-bounds.js";
import { FakeHost } from "../support/fake-host.js";
import { FakeSource } from "../support/fake-source.js";
import { file, say } from "../support/talk.js";

const failure = (code: string) => expect.objectContaining({ code });

let host: FakeHost;
let budget: SendBudget;
let backlog: Backlog;
let turns: number;

beforeEach(() => {
  host = new FakeHost();
  budget = new SendBudget(2000);
  turns = 0;
  const onTurn = () => {
    turns += 1;
  };
  backlog = new Backlog({ host, messageBytesMax: 1000, budget, onTurn });
});

afterEach(() => {
  backlog.fail();
  expect([host.timers, budget.heldBytes, budget.size]).toEqual([[], 0, 0]);
});

/** What it hands on, by channel. */
function released(from = backlog): [string, string][] {
  const seen: [string, string][] = [];
  from.release((channel, message) => {
    const { bytes, text } = message;
    message.handleDelivered();
    if (bytes !== undefined && text) seen.push([channel, new TextDecoder().decode(encoded(bytes))]);
  });
  return seen;
}

describe("Backlog", () => {
  it("keeps the order of all channels together, whoever has sent first", () => {
    backlog.send("files", say("a"), {});
    backlog.add("", new PendingMessage(say("b"), {}, 0));
    backlog.send("files", say("c"), {});
    expect(released()).toEqual([
      ["files", "a"],
      ["", "b"],
      ["files", "c"],
    ]);
    expect(released()).toEqual([]);
  });

  it("gives receipts that wait", () => {
    const receipt = backlog.send("", say("a"), {});
    expect(receipt.state).toBe("queued");
    backlog.release((_channel, message) => message.handleDelivered());
    expect(receipt.state).toBe("delivered");
  });

  it("takes over the message of a session that had begun to write it: its receipt goes on, from the start", () => {
    const message = new PendingMessage(say("a"), {}, 0);
    message.writing();
    backlog.add("", message);
    expect(message.receipt.state).toBe("queued");
    let seen: PendingMessage | undefined;
    backlog.release((_channel, given) => {
      seen = given;
    });
    expect(seen).toBe(message);
  });

  it("takes back what waits, once", async () => {
    const receipts = ["a", "b", "c"].map((value) => backlog.send("", say(value), {}));
    expect([receipts[1]?.cancel(), receipts[1]?.cancel()]).toEqual([true, false]);
    await expect(receipts[1]?.delivered).rejects.toEqual(failure("ERR_CANCELLED"));
    expect(receipts.map(({ state }) => state)).toEqual(["queued", "cancelled", "queued"]);
    expect(backlog.bufferedBytes("")).toBe(2);
    expect(released().map(([, value]) => value)).toEqual(["a", "c"]);
    expect(receipts[0]?.cancel()).toBe(false);
  });

  it("takes back what a session has left to it", () => {
    const message = new PendingMessage(say("a"), {}, 0);
    message.handleAccepted({ takeBack: () => false });
    backlog.add("", message);
    expect(message.receipt.cancel()).toBe(true);
    expect(released()).toEqual([]);
  });

  it("leaves out what is taken back while it hands on", () => {
    const receipts = ["a", "b", "c"].map((value) => backlog.send("", say(value), {}));
    let count = 0;
    backlog.release((_channel, message) => {
      count += 1;
      receipts[1]?.cancel();
      message.handleDelivered();
    });
    expect([count, receipts[1]?.state]).toEqual([2, "cancelled"]);
  });

  it("follows the signal of a message", () => {
    const controller = new AbortController();
    const receipt = backlog.send("", say("a"), { signal: controller.signal });
    controller.abort();
    expect(receipt.state).toBe("cancelled");
    expect(released()).toEqual([]);
  });

  it("takes nothing whose signal is aborted already", async () => {
    const receipt = backlog.send("", say("a"), { signal: AbortSignal.abort() });
    await expect(receipt.delivered).rejects.toEqual(cancelled());
    expect([receipt.state, released()]).toEqual(["cancelled", []]);
  });

  it("refuses what is over the limit of this end, and does not listen to its signal", () => {
    const signal = { aborted: false, addEventListener: vi.fn(), removeEventListener: vi.fn() };
    expect(() => backlog.send("", file(1001), { signal })).toThrow(failure("ERR_MESSAGE_TOO_LARGE"));
    expect(signal.addEventListener).not.toHaveBeenCalled();
    expect(backlog.send("", file(1000), {}).state).toBe("queued");
    expect(backlog.bufferedBytes("")).toBe(1000);
  });

  it("counts what waits, by channel", () => {
    backlog.send("files", file(100), {});
    backlog.send("", say("ä"), {});
    backlog.send("files", file(10), {});
    expect(["", "files", "other"].map((channel) => backlog.bufferedBytes(channel))).toEqual([2, 110, 0]);
    released();
    expect(backlog.bufferedBytes("files")).toBe(0);
  });

  it("ends as never written what no session will send", async () => {
    const receipts = [backlog.send("", say("a"), {}), backlog.send("files", say("b"), {})];
    backlog.fail();
    expect(receipts.map(({ state }) => state)).toEqual(["never-written", "never-written"]);
    await expect(receipts[1]?.delivered).rejects.toEqual(failure("ERR_NEVER_WRITTEN"));
    expect(receipts[0]?.cancel()).toBe(false);
    expect(released()).toEqual([]);
  });
});

describe("Backlog: messages that perish", () => {
  const at = (ms: number) => host.now() + ms;

  it("ends them on time, and keeps the rest in order", async () => {
    const receipts = [{ ttl: 300 }, {}, { ttl: 100 }, { ttl: 200 }].map((options, i) =>
      backlog.send("", say(`${i}`), options),
    );
    const states = () => receipts.map(({ state }) => state);
    host.advance(99);
    expect(states()).toEqual(["queued", "queued", "queued", "queued"]);
    host.advance(101);
    expect(states()).toEqual(["queued", "queued", "expired", "expired"]);
    await expect(receipts[2]?.delivered).rejects.toEqual(failure("ERR_EXPIRED"));
    await expect(receipts[3]?.written).rejects.toEqual(failure("ERR_EXPIRED"));
    expect([backlog.bufferedBytes(""), budget.heldBytes, turns]).toEqual([2, 2, 2]);
    expect(receipts[2]?.cancel()).toBe(false);
    expect(released().map(([, value]) => value)).toEqual(["0", "1"]);
    host.advance(1000);
    expect(receipts[0]?.state).toBe("delivered");
  });

  it("counts the time from `send` on, whoever has had them before", () => {
    const message = new PendingMessage(say("a"), { ttl: 500 }, host.now() - 400);
    message.writing();
    backlog.add("", message);
    expect(host.timers).toEqual([at(100)]);
    host.advance(100);
    expect(message.state).toBe("expired");
  });

  it("ends what is over already, at once", () => {
    const message = new PendingMessage(say("a"), { ttl: 500 }, host.now() - 900);
    backlog.add("", message);
    host.advance(0);
    expect(message.state).toBe("expired");
  });

  it("goes on when its timer comes too early, as those of Node may", () => {
    const receipt = backlog.send("", say("a"), { ttl: 100 });
    host.stepBack(5);
    host.advance(100);
    expect([receipt.state, host.timers.length]).toEqual(["queued", 1]);
    host.advance(5);
    expect(receipt.state).toBe("expired");
  });

  it("has no timer for what has been taken back, replaced or handed on", () => {
    const receipt = backlog.send("", say("a"), { ttl: 100 });
    backlog.send("", say("b"), { ttl: 200, key: "k" });
    receipt.cancel();
    backlog.send("", say("c"), { key: "k" });
    expect(host.timers).toEqual([]);
    backlog.send("", say("d"), { ttl: 200 });
    expect(host.timers).toHaveLength(1);
    released();
    expect(host.timers).toEqual([]);
  });

  it("refuses a time that is none, and keys that are none", () => {
    for (const options of [{ ttl: 0 }, { key: "" }]) {
      expect(() => backlog.send("", say("a"), options)).toThrow(failure("ERR_USAGE_ARGUMENT"));
    }
    expect(released()).toEqual([]);
  });
});

describe("Backlog: messages that take the place of others", () => {
  it("keep the position, on their channel only, and end the older one at once", async () => {
    const options = { key: "k" };
    const receipts = [
      backlog.send("", say("a"), {}),
      backlog.send("", say("old"), options),
      backlog.send("files", say("there"), options),
      backlog.send("", say("b"), {}),
      backlog.send("", say("newer"), options),
      backlog.send("", say("newest"), options),
    ];
    expect(receipts.map(({ state }) => state)).toEqual([
      "queued",
      "cancelled",
      "queued",
      "queued",
      "cancelled",
      "queued",
    ]);
    await expect(receipts[1]?.delivered).rejects.toEqual(failure("ERR_SUPERSEDED"));
    expect([receipts[1]?.cancel(), receipts[4]?.cancel()]).toEqual([false, false]);
    expect([backlog.bufferedBytes(""), budget.heldBytes, budget.size]).toEqual([8, 13, 4]);
    expect([backlog.hasKey("", "k"), backlog.hasKey("", "other"), backlog.hasKey("", undefined)]).toEqual([
      true,
      false,
      false,
    ]);
    expect(released()).toEqual([
      ["", "a"],
      ["", "newest"],
      ["files", "there"],
      ["", "b"],
    ]);
    expect(backlog.hasKey("", "k")).toBe(false);
  });

  it("replace what a session has left, and are taken back themselves", () => {
    const left = new PendingMessage(say("left"), { key: "k" }, 0);
    backlog.add("", left);
    const receipt = backlog.send("", say("new"), { key: "k" });
    expect([left.state, receipt.cancel(), backlog.hasKey("", "k")]).toEqual(["cancelled", true, false]);
    backlog.send("", say("again"), { key: "k" });
    expect(released()).toEqual([["", "again"]]);
  });

  it("of two that a session has left, the newer stays", () => {
    const [older, newer] = [say("older"), say("newer")].map((payload) => new PendingMessage(payload, { key: "k" }, 0));
    backlog.add("", older as PendingMessage);
    backlog.add("", newer as PendingMessage);
    expect(released()).toEqual([["", "newer"]]);
  });
});

describe("Backlog: what it may hold", () => {
  it("is bounded together with everything else of the socket, and refuses without a change", () => {
    backlog.send("", file(1000), { key: "k" });
    backlog.send("files", file(900), {});
    expect(() => backlog.send("", file(101), {})).toThrow(failure("ERR_BUFFER_FULL"));
    expect(() => backlog.send("files", file(101), { key: "k" })).toThrow(failure("ERR_BUFFER_FULL"));
    expect([budget.heldBytes, backlog.bufferedBytes(""), backlog.bufferedBytes("files")]).toEqual([1900, 1000, 900]);
    // It takes the place of as many bytes.
    expect(backlog.send("", file(1000), { key: "k" }).state).toBe("queued");
    expect(backlog.send("", file(100), {}).state).toBe("queued");
  });

  it("does not count Blobs and Files, which are not in memory", () => {
    const source = new FakeSource(1000);
    for (let i = 0; i < 5; i++) backlog.send("", { type: "source", source }, {});
    expect([budget.heldBytes, backlog.bufferedBytes("")]).toEqual([0, 5000]);
  });

  it("says first what never can be sent", () => {
    backlog.send("", file(1000), {});
    expect(() => backlog.send("", file(1001), {})).toThrow(failure("ERR_MESSAGE_TOO_LARGE"));
  });

  it("tells when something is taken back", () => {
    backlog.send("", say("a"), {}).cancel();
    expect(turns).toBe(1);
  });
});
