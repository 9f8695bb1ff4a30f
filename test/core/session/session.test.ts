import { describe, expect, it } from "vitest";
import { binary, Pair, text } from "../../support/pair.js";

describe("Session: two engines", () => {
  it("HSK-01: opens on the greeting, one round trip after the transport, and is established by the welcome", () => {
    const pair = new Pair({ protocol: "chat.v2" }).connect().run(200);
    expect(pair.client.of("open")).toEqual([{ type: "open", protocol: "chat.v2" }]);
    expect(pair.client.at("open")).toEqual([20]);
    expect(pair.client.at("established")).toEqual([60]);
    expect(pair.server.at("established")).toEqual([40]);
  });

  it("carries what was sent before the transport was open, in order, and acknowledges it", () => {
    const pair = new Pair();
    const ids = ["a", "b", "c"].map((value) => pair.input(pair.client, (s, now) => s.send(0, text(value), now)));
    pair.connect().run(500);
    expect(pair.server.messages).toEqual(["a", "b", "c"]);
    expect(pair.client.of("delivered").map((event) => event.message)).toEqual(ids);
    expect(pair.client.session.bufferedBytes()).toBe(0);
  });

  it("carries large messages both ways while small ones pass", () => {
    const pair = new Pair({ rateBitsPerSecond: 10e6 }).connect().run(100);
    const channel = pair.input(pair.client, (s, now) => s.openChannel("files", "low", now));
    const file = binary(2_000_000);
    pair.input(pair.client, (s, now) => s.send(channel, file, now));
    for (let i = 0; i < 10; i++) {
      pair.run(100);
      pair.input(pair.client, (s, now) => s.send(0, text(`line ${i}`), now));
    }
    pair.run(5000);
    expect(pair.server.messages.filter((m) => typeof m === "string")).toHaveLength(10);
    const received = pair.server.messages.at(-1) as Uint8Array;
    expect(Buffer.compare(received, file.bytes)).toBe(0);
    const sentAt = Array.from({ length: 10 }, (_, i) => 200 + i * 100);
    const at = pair.server.events.filter(({ event }) => event.type === "message" && event.text).map(({ at }) => at);
    for (const [i, t] of at.entries()) console.log(i, t - (sentAt[i] as number));
  });

  it("CLS-01: closes after everything accepted has arrived, on both ends", () => {
    const pair = new Pair({ rateBitsPerSecond: 10e6 }).connect().run(100);
    pair.input(pair.client, (s, now) => s.send(0, binary(500_000), now));
    pair.input(pair.client, (s, now) => s.close(4001, "bye", now));
    pair.run(2000);
    expect(pair.server.messages).toHaveLength(1);
    expect(pair.client.of("closed")).toMatchObject([{ code: 4001, reason: "bye", wasClean: true }]);
    pair.cut();
    expect(pair.server.of("closed")).toMatchObject([{ code: 4001, reason: "bye", wasClean: true }]);
  });
});
