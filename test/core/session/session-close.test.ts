import { describe, expect, it } from "vitest";
import { encodeBatch } from "../../../src/core/wire/encode.js";
import { expectBaseline } from "../../support/baseline.js";
import { binary, type End, Pair, source, text } from "../../support/pair.js";

const connected = (options = {}) => new Pair(options).connect().run(100);
const close = (pair: Pair, end: End, code = 4001, reason = "bye") =>
  pair.input(end, (s, now) => s.close(code, reason, now));
const send = (pair: Pair, end: End, value: string) => pair.input(end, (s, now) => s.send(0, text(value), now));
const endsOf = (end: End) =>
  end.of("closed").map(({ code, reason, wasClean, error }) => [code, reason, wasClean, error?.code]);
const CLEAN = [[4001, "bye", true, undefined]];
const LOST = [[1006, "", false, "ERR_CONNECTION_LOST"]];

describe("close", () => {
  it.each(["client", "server"] as const)(
    "CLS-01: from the %s: both ends agree, and the one that asked ends the transport",
    (name) => {
      const pair = connected();
      const [a, b] = [pair[name], pair.other(pair[name])];
      close(pair, a);
      pair.run(59);
      expect([endsOf(a), endsOf(b)]).toEqual([CLEAN, []]);
      expect(b.story.at(-1)).toBe("closing");
      expect(a.of("closed")[0]?.transportCode).toBe(1000);
      pair.run(1);
      expect(endsOf(b)).toEqual(CLEAN);
      expect([pair.host.registry.size, pair.onTheLine]).toEqual([0, 1]);
      pair.run(20);
      expectBaseline(pair);
    },
  );

  it("CLS-10: without a code is 1005 at both ends, and 0 on the line", () => {
    const pair = connected();
    close(pair, pair.client, 1005, "");
    pair.run(100);
    expect(pair.client.framesSentOf("close")).toMatchObject([{ code: 0 }]);
    for (const end of [pair.client, pair.server]) expect(endsOf(end)).toEqual([[1005, "", true, undefined]]);
  });

  it("CLS-01: delivers first what was accepted, of any size, on every channel, and receipts say so", () => {
    const pair = connected({ rateBitsPerSecond: 10e6 });
    const low = pair.input(pair.client, (s, now) => s.openChannel("low", "low", now));
    const ids = [
      pair.input(pair.client, (s, now) => s.send(low, binary(300_000), now)),
      pair.input(pair.client, (s, now) => s.send(0, binary(200_000), now)),
      send(pair, pair.client, "last"),
    ];
    close(pair, pair.client);
    pair.run(2000);
    expect(pair.server.messages.map((message) => message.length).sort((a, b) => a - b)).toEqual([4, 200_000, 300_000]);
    expect(
      pair.client
        .of("delivered")
        .map(({ message }) => message)
        .sort(),
    ).toEqual(ids);
    expect(endsOf(pair.client)).toEqual(CLEAN);
    expect(pair.server.story.indexOf("closing")).toBeGreaterThan(pair.server.story.lastIndexOf("message"));
    pair;
    expectBaseline(pair);
  });

  it("CLS-01: waits for sources to give the rest", () => {
    const pair = connected();
    const id = pair.input(pair.client, (s, now) => s.send(0, source(30_000), now));
    close(pair, pair.client);
    pair.run(200);
    expect(pair.client.framesSentOf("close")).toEqual([]);
    pair.input(pair.client, (s, now) => s.supply(id, binary(30_000).bytes, true, now));
    pair.run(200);
    expect([pair.server.messages.length, endsOf(pair.client)]).toEqual([1, CLEAN]);
  });

  it("CLS-02: the other end delivers what it had accepted, too, and takes no more", () => {
    const pair = connected({ rateBitsPerSecond: 10e6 });
    pair.input(pair.server, (s, now) => s.send(0, binary(300_000), now));
    close(pair, pair.client);
    pair.run(40);
    expect(pair.server.session.isClosing).toBe(true);
    expect(() => pair.server.session.send(0, text("more"), pair.now)).toThrow(
      expect.objectContaining({ code: "ERR_USAGE_CHANNEL_CLOSED" }),
    );
    pair.run(1000);
    expect(pair.client.messages).toHaveLength(1);
    expect(pair.server.of("delivered")).toHaveLength(1);
    pair;
    expect([endsOf(pair.client), endsOf(pair.server)]).toEqual([CLEAN, CLEAN]);
    expectBaseline(pair);
  });

  it("CLS-02: with data queued both ways, both arrive whole", () => {
    const pair = connected({ rateBitsPerSecond: 10e6 });
    for (const end of [pair.client, pair.server]) pair.input(end, (s, now) => s.send(0, binary(400_000), now));
    close(pair, pair.server, 1001, "away");
    pair.run(2000);
    for (const end of [pair.client, pair.server]) {
      expect([end.messages.length, end.of("delivered").length, endsOf(end)]).toEqual([
        1,
        1,
        [[1001, "away", true, undefined]],
      ]);
    }
    expectBaseline(pair);
  });

  it("takes nothing more from its application from the call on", () => {
    const pair = connected();
    close(pair, pair.client);
    expect(() => pair.client.session.send(0, text("x"), pair.now)).toThrow(
      expect.objectContaining({ code: "ERR_USAGE_CHANNEL_CLOSED" }),
    );
    expect(pair.client.session.isSendClosed(0)).toBe(true);
  });

  it("happens once: the first code counts", () => {
    const pair = connected({ rateBitsPerSecond: 10e6 });
    pair.input(pair.client, (s, now) => s.send(0, binary(100_000), now));
    close(pair, pair.client, 4001, "bye");
    close(pair, pair.client, 4002, "no");
    pair.run(1000);
    close(pair, pair.client, 4003, "no");
    expect(pair.client.framesSentOf("close")).toHaveLength(1);
    expect(endsOf(pair.client)).toEqual(CLEAN);
  });

  describe("CLS-03: from both ends at once", () => {
    it("with nothing queued: each takes the other's code", () => {
      const pair = connected();
      close(pair, pair.client, 4001, "c");
      close(pair, pair.server, 4002, "s");
      pair.run(100);
      expect(endsOf(pair.client)).toEqual([[4002, "s", true, undefined]]);
      expect(endsOf(pair.server)).toEqual([[4001, "c", true, undefined]]);
      expectBaseline(pair);
    });

    it("with data queued both ways: everything arrives", () => {
      const pair = connected({ rateBitsPerSecond: 10e6 });
      for (const end of [pair.client, pair.server]) {
        pair.input(end, (s, now) => s.send(0, binary(200_000), now));
        close(pair, end);
      }
      pair.run(1000);
      for (const end of [pair.client, pair.server]) {
        expect([end.messages.length, endsOf(end)]).toEqual([1, CLEAN]);
        // The acks of the last batches cross the other CLOSE: each end waits for its own.
        expect([end.of("delivered").length, end.of("dropped").length]).toEqual([1, 0]);
      }
      expectBaseline(pair);
    });

    it("while one still flushes: it answers with the code that it has got", () => {
      const pair = connected({ rateBitsPerSecond: 10e6 });
      pair.input(pair.client, (s, now) => s.send(0, binary(400_000), now));
      close(pair, pair.client, 4001, "c");
      close(pair, pair.server, 4002, "s");
      pair.run(1000);
      expect(pair.server.messages).toHaveLength(1);
      for (const end of [pair.client, pair.server]) expect(endsOf(end)).toEqual([[4002, "s", true, undefined]]);
      expect(pair.client.of("delivered")).toHaveLength(1);
    });
  });

  describe("CLS-01: nothing numbered leaves behind CLOSE", () => {
    const last = (end: End) =>
      end.sent
        .filter(({ number }) => number > 0)
        .at(-1)
        ?.frames.at(-1)?.type;

    it.each<[string, (pair: Pair) => void]>([
      ["a channel is opened", (pair) => pair.input(pair.client, (s, now) => s.openChannel("new", "normal", now))],
      ["a channel is closed", (pair) => pair.input(pair.client, (s, now) => s.closeChannel(1, now))],
      ["the peer closes a channel", (pair) => pair.input(pair.server, (s, now) => s.closeChannel(1, now))],
      ["the peer sends", (pair) => void send(pair, pair.server, "late")],
    ])("when %s meanwhile", (_, act) => {
      const pair = connected();
      const key = pair.input(pair.client, (s, now) => s.openChannel("x", "normal", now));
      pair.run(30);
      expect([key, pair.server.of("channel")[0]?.channel]).toEqual([1, 1]);
      pair.input(pair.server, (s, now) => s.send(1, binary(10), now));
      pair.run(100);
      close(pair, pair.client);
      act(pair);
      pair.run(200);
      expect(last(pair.client)).toBe("close");
      expect([endsOf(pair.client), endsOf(pair.server)]).toEqual([CLEAN, CLEAN]);
    });
  });

  describe("while connecting", () => {
    it("with nothing to send fails the connection, as on a native WebSocket", () => {
      for (const isOpen of [false, true]) {
        const pair = new Pair();
        if (isOpen) pair.connect();
        close(pair, pair.client);
        expect(endsOf(pair.client)).toEqual([[1006, "", false, "ERR_CONNECT_FAILED"]]);
        pair.run(100);
        expect(pair.client.framesSentOf("abort")).toEqual([]);
        expect(pair.client.of("dial")).toHaveLength(isOpen ? 1 : 0);
      }
    });

    it("with messages queued delivers them first", () => {
      const pair = new Pair();
      send(pair, pair.client, "early");
      close(pair, pair.client);
      pair.connect().run(200);
      expect([pair.server.messages, endsOf(pair.client), endsOf(pair.server)]).toEqual([["early"], CLEAN, CLEAN]);
    });

    it("with messages queued gives up when no connection comes", () => {
      const pair = new Pair();
      send(pair, pair.client, "early");
      close(pair, pair.client);
      pair.run(4999);
      expect(endsOf(pair.client)).toEqual([]);
      pair.run(1);
      expect(endsOf(pair.client)).toEqual([[1006, "", false, "ERR_CONNECT_FAILED"]]);
      expect(pair.client.of("dropped")).toMatchObject([{ fate: "never-written" }]);
      expectBaseline(pair);
    });

    it("between greeting and welcome closes cleanly", () => {
      const pair = new Pair({ accepts: false }).connect().run(100);
      close(pair, pair.client);
      pair.run(100);
      expect(endsOf(pair.client)).toEqual([]);
      pair.accept().run(100);
      expect([endsOf(pair.client), endsOf(pair.server)]).toEqual([CLEAN, CLEAN]);
    });

    it("by a server at once when it has decided", () => {
      const pair = new Pair({ accepts: false }).connect().run(100);
      pair.server.react = ({ type }) => {
        if (type === "established") close(pair, pair.server);
      };
      pair.accept().run(100);
      expect(pair.server.framesSent.map(({ type }) => type)).toEqual(["greeting", "welcome", "close", "ack"]);
      expect([endsOf(pair.client), endsOf(pair.server)]).toEqual([CLEAN, CLEAN]);
    });
  });

  describe("CLS-06: that does not get on", () => {
    it("gives up after the timeout, unclean", () => {
      const pair = connected();
      pair.lose();
      close(pair, pair.client);
      pair.run(4999);
      expect(endsOf(pair.client)).toEqual([]);
      pair.run(1);
      expect(endsOf(pair.client)).toEqual(LOST);
      expect(pair.client.framesSentOf("abort")).toEqual([]);
    });

    it("counts the timeout anew from every acknowledgement and every batch that comes", () => {
      const pair = connected({
        rateBitsPerSecond: 1e6,
        clientLimits: { closeTimeoutMs: 500 },
        serverLimits: { closeTimeoutMs: 500 },
      });
      // 400 KB take more than six times the timeout.
      pair.input(pair.client, (s, now) => s.send(0, binary(400_000), now));
      close(pair, pair.client);
      pair.run(5000);
      expect([pair.server.messages.length, endsOf(pair.client)]).toEqual([1, CLEAN]);
      const other = connected({
        rateBitsPerSecond: 1e6,
        clientLimits: { closeTimeoutMs: 500 },
        serverLimits: { closeTimeoutMs: 500 },
      });
      other.input(other.server, (s, now) => s.send(0, binary(400_000), now));
      close(other, other.client);
      other.run(5000);
      expect([other.client.messages.length, endsOf(other.client)]).toEqual([1, CLEAN]);
    });

    it("is not kept alive by pings, or by acks that say nothing new", () => {
      const pair = connected();
      pair.input(pair.client, (s, now) => s.send(0, source(1000), now));
      close(pair, pair.client);
      for (let i = 0; i < 50; i++) {
        pair.input(pair.server, (s, now) => s.ping(new Uint8Array(0), now));
        pair.inject(
          pair.client,
          encodeBatch(0, [{ type: "ack", number: 0, bytes: 0, receivedTicks: 0, delayTicks: 0 }]),
        );
        pair.run(100);
      }
      expect(endsOf(pair.client)).toEqual(LOST);
    });

    it("counts from when early data is read, not from when it came", () => {
      const pair = new Pair({ accepts: false, serverLimits: { handshakeTimeoutMs: 60_000 } });
      send(pair, pair.client, "early");
      pair.connect().run(9000);
      pair.server.react = ({ type }) => {
        if (type === "established") close(pair, pair.server);
      };
      pair.accept().lose();
      pair.run(4999);
      expect([pair.server.messages, endsOf(pair.server)]).toEqual([["early"], []]);
      pair.run(1);
      expect(endsOf(pair.server)).toEqual(LOST);
    });

    it("CLS-05: is clean all the same once both have said CLOSE", () => {
      const pair = connected();
      close(pair, pair.client);
      pair.run(30);
      pair.lose();
      pair.run(6000);
      expect(endsOf(pair.server)).toEqual(CLEAN);
      expectBaseline(pair);
    });

    it("gives up on a source that gives no more", () => {
      const pair = connected();
      const id = pair.input(pair.client, (s, now) => s.send(0, source(1000), now));
      close(pair, pair.client);
      pair.run(6000);
      expect(endsOf(pair.client)).toEqual(LOST);
      expect(pair.client.of("dropped")).toEqual([{ type: "dropped", message: id, fate: "never-written" }]);
    });
  });

  it.each(["client", "server"] as const)(
    "CLS-08: a transport that closes by itself, however cleanly, ends no session: seen by the %s",
    (name) => {
      const pair = connected();
      const id = send(pair, pair.client, "x");
      pair.die(pair[name], { wasClean: true, code: 1001, reason: "deploy" });
      expect([endsOf(pair.client), endsOf(pair.server)]).toEqual([[], []]);
      expect(pair[name].of("detached")).toHaveLength(1);
      pair.run(20_000);
      expect([pair.server.messages, pair.client.of("delivered")]).toEqual([
        ["x"],
        [{ type: "delivered", message: id }],
      ]);
    },
  );
});
