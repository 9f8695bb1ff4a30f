import { beforeEach, describe, expect, it, vi } from "vitest";
import { Backlog } from "../../src/driver/backlog.js";
import { cancelled, PendingMessage } from "../../src/driver/pending-message.js";
import { file, say } from "../support/talk.js";

const failure = (code: string) => expect.objectContaining({ code });

let backlog: Backlog;

beforeEach(() => {
  backlog = new Backlog(1000);
});

/** What it hands on, by channel. */
function released(from = backlog): [string, string][] {
  const seen: [string, string][] = [];
  from.release((channel, { payload }) => {
    if (payload.type === "text") seen.push([channel, new TextDecoder().decode(payload.bytes)]);
  });
  return seen;
}

describe("Backlog", () => {
  it("keeps the order of all channels together, whoever has sent first", () => {
    backlog.send("files", say("a"), {});
    backlog.add("", new PendingMessage(say("b"), {}));
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
    backlog.release((_channel, message) => message.control.handleDelivered());
    expect(receipt.state).toBe("delivered");
  });

  it("takes over the message of a session that had begun to write it: its receipt goes on, from the start", () => {
    const message = new PendingMessage(say("a"), {});
    message.control.writing();
    backlog.add("", message);
    expect(message.control.receipt.state).toBe("queued");
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
    const message = new PendingMessage(say("a"), {});
    message.handleAccepted(() => false);
    backlog.add("", message);
    expect(message.control.receipt.cancel()).toBe(true);
    expect(released()).toEqual([]);
  });

  it("leaves out what is taken back while it hands on", () => {
    const receipts = ["a", "b", "c"].map((value) => backlog.send("", say(value), {}));
    let count = 0;
    backlog.release(() => {
      count += 1;
      receipts[1]?.cancel();
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
