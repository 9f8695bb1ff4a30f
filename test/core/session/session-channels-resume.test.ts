import { describe, expect, it } from "vitest";
import { Pair, text } from "../../support/pair.js";

describe("CHN-08: a channel that one end closes while the other opens it, without a line", () => {
  it("is one channel for both: no ack is read before the CHANNEL_OPEN that it must not overtake", () => {
    // The server takes its time to decide, so that all of the early data is read in one go.
    const pair = new Pair({ accepts: false }).connect().run(100).accept().run(100);
    const { client, server } = pair;
    pair.lose();
    const key = pair.input(client, (s, now) => s.openChannel("n", "normal", now));
    pair.input(client, (s, now) => s.send(key, text("up"), now));
    pair.input(client, (s, now) => s.closeChannel(key, now));
    pair.die(server).die(client);
    const other = pair.input(server, (s, now) => s.openChannel("n", "normal", now));
    pair.input(server, (s, now) => s.send(other, text("down"), now));
    pair.run(2000).accept().run(1000);
    expect([server.messages, client.messages]).toEqual([["up"], ["down"]]);
    // Neither end has seen a second channel of that name, and both know that the first is gone.
    for (const end of [client, server]) {
      expect(end.of("channel")).toEqual([]);
      expect(end.of("channel-closed")).toHaveLength(1);
      expect(end.of("closed")).toEqual([]);
    }
    const again = pair.input(server, (s, now) => s.openChannel("n", "normal", now));
    pair.input(server, (s, now) => s.send(again, text("again"), now));
    pair.run(500);
    expect(client.messages).toEqual(["down", "again"]);
  });
});
