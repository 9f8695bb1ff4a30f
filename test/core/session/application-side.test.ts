import { describe, expect, it } from "vitest";
import { expectBaseline } from "../../support/baseline.js";
import { binary, Pair, text } from "../../support/pair.js";

const internal = expect.objectContaining({ code: "ERR_INTERNAL" });

describe("ApplicationSide: what it asks of its host", () => {
  it("events are polled before the next input", () => {
    const pair = new Pair().connect().run(100);
    const { session } = pair.client;
    session.send(0, text("x"), pair.now);
    session.pollTransmit(1, pair.now);
    expect(() => session.send(0, text("y"), pair.now)).toThrow(internal);
    expect(session.pollEvent()).toMatchObject({ type: "written" });
    expect(session.pollEvent()).toBeUndefined();
    expect(() => session.send(0, text("y"), pair.now)).not.toThrow();
  });

  it("time does not go back", () => {
    const pair = new Pair().connect().run(100);
    expect(() => pair.client.session.handleDeadline(pair.now - 0.1)).not.toThrow();
    pair.client.session.handleDeadline(pair.now);
    expect(() => pair.client.session.handleDeadline(pair.now - 0.1)).toThrow(internal);
  });
});

describe("ApplicationSide: without a transport", () => {
  it("takes messages, replaces them and takes them back, and all of the rest arrives when there is one", () => {
    const pair = new Pair();
    const { session } = pair.client;
    const send = (value: string, key?: string) =>
      pair.input(pair.client, (s, now) => s.send(0, { ...text(value), key }, now));
    const [kept, old] = [send("kept"), send("old", "k")];
    expect(session.superseded(0, "k")).toBe(old);
    const [newer, dropped] = [send("newer", "k"), send("dropped")];
    expect(pair.input(pair.client, (s, now) => s.cancel(dropped, now))).toBe(true);
    expect([session.bufferedBytes(0), session.heldBytes]).toEqual([9, 9]);
    pair.connect().run(200);
    expect(pair.server.messages).toEqual(["kept", "newer"]);
    expect(pair.client.of("dropped").map(({ message, fate }) => [message, fate])).toEqual([
      [old, "superseded"],
      [dropped, "cancelled"],
    ]);
    expect(pair.client.of("delivered").map(({ message }) => message)).toEqual([kept, newer]);
    expectBaseline(pair);
  });

  it("opens and closes channels, which the peer learns of afterwards", () => {
    const pair = new Pair();
    const channel = pair.input(pair.client, (s, now) => s.openChannel("late", "low", now));
    pair.input(pair.client, (s, now) => s.send(channel, text("x"), now));
    pair.input(pair.client, (s, now) => s.closeChannel(channel, now));
    expect(pair.client.session.isSendClosed(channel)).toBe(true);
    pair.connect().run(200);
    expect(pair.server.of("channel")).toMatchObject([{ name: "late", priority: "low" }]);
    expect(pair.server.of("channel-closing")).toHaveLength(1);
  });

  it("LIM-06: refuses a message over the limit of this end at once, as it does when the end has begun", () => {
    const pair = new Pair({ clientLimits: { messageBytesMax: 1000 } });
    const { session } = pair.client;
    expect(session.messageBytesMax).toBe(1000);
    expect(() => session.send(0, binary(1001), 0)).toThrow(expect.objectContaining({ code: "ERR_MESSAGE_TOO_LARGE" }));
    pair.input(pair.client, (s, now) => s.send(0, binary(1000), now));
    pair.input(pair.client, (s, now) => s.close(1000, "", now));
    expect([session.isClosing, session.isSendClosed(0)]).toEqual([true, true]);
    expect(() => session.send(0, text("x"), 0)).toThrow(expect.objectContaining({ code: "ERR_USAGE_CHANNEL_CLOSED" }));
  });
});
