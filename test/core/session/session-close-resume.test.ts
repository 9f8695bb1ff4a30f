import { describe, expect, it } from "vitest";
import { expectBaseline } from "../../support/baseline.js";
import { binary, type End, type EndEvent, Pair, source, text } from "../../support/pair.js";

const connected = (options = {}) => new Pair(options).connect().run(100);
const send = (pair: Pair, end: End, value: string) => pair.input(end, (s, now) => s.send(0, text(value), now));
const close = (pair: Pair, end: End, reason = "bye") => pair.input(end, (s, now) => s.close(4001, reason, now));
const endsOf = (end: End) => end.of("closed").map(({ code, wasClean }) => [code, wasClean]);
const CLEAN = [[4001, true]];

describe("CLS-05: a close handshake whose line is cut", () => {
  it.each<["client" | "server" | "both", boolean]>([
    ["client", false],
    ["client", true],
    ["server", false],
    ["server", true],
    ["both", false],
    ["both", true],
  ])(
    "by the %s, at any moment: everything is delivered, and both ends end cleanly (data under way: %s)",
    (who, isBusy) => {
      const seen = new Set<string>();
      let unknown = 0;
      let sent = 0;
      for (let ms = 0; ms <= 200; ms += 4) {
        const pair = connected({ rateBitsPerSecond: 10e6 });
        const ids: [End, number][] = [];
        for (const end of [pair.client, pair.server]) {
          ids.push([end, send(pair, end, "first")]);
          if (isBusy) ids.push([end, pair.input(end, (s, now) => s.send(0, binary(60_000), now))]);
        }
        for (const end of who === "both" ? [pair.client, pair.server] : [pair[who]]) close(pair, end);
        pair.run(ms);
        for (const { session } of [pair.client, pair.server]) {
          seen.add(session.isClosed ? "closed" : session.isClosing ? "closing" : "open");
        }
        pair.cut().run(20_000);
        for (const end of [pair.client, pair.server]) {
          expect(endsOf(end)).toEqual(CLEAN);
          expect(end.messages).toHaveLength(isBusy ? 2 : 1);
        }
        sent += ids.length;
        for (const [end, id] of ids) {
          const fates = end.events
            .map(({ event }) => event)
            .filter((event) => "message" in event && event.message === id);
          const last = fates.at(-1) as EndEvent;
          // CLS-09: the last ack of all may be lost with the line, and nobody is left to say it again. It is that of the
          // end which has asked, as that ends first, so of its own messages nothing is in doubt.
          expect(last.type === "delivered" || (last.type === "dropped" && last.fate === "unknown")).toBe(true);
          if (who === end.name) expect(last.type).toBe("delivered");
          if (last.type !== "delivered") unknown += 1;
        }
        expect([pair.host.registry.size, pair.host.registry.parkedCount]).toEqual([0, 0]);
        expectBaseline(pair);
      }
      expect(unknown).toBeLessThan(sent / 5);
      expect([...seen].sort()).toEqual(who === "both" ? ["closed", "closing"] : ["closed", "closing", "open"]);
    },
  );

  it("goes on where it was, with the code that was agreed on", () => {
    const pair = connected();
    close(pair, pair.client, "mine");
    pair.run(10).cut().run(2000);
    for (const end of [pair.client, pair.server]) {
      expect(end.of("closed")).toMatchObject([{ code: 4001, reason: "mine", wasClean: true, error: undefined }]);
    }
    expect(pair.client.framesSentOf("close")).toHaveLength(2);
    expect(pair.server.framesSentOf("close")).toHaveLength(1);
  });

  it("begun while there is no line, by a server: the client finds out when it comes back", () => {
    const pair = connected();
    pair.cut();
    send(pair, pair.server, "last");
    close(pair, pair.server);
    pair.run(2000);
    expect([pair.client.messages, endsOf(pair.client), endsOf(pair.server)]).toEqual([["last"], CLEAN, CLEAN]);
    expectBaseline(pair);
  });

  it("CLS-06: by a server whose client does not come back ends after its timeout, unclean", () => {
    const pair = connected();
    pair.network = "hung";
    pair.cut();
    close(pair, pair.server);
    pair.run(4999);
    expect(endsOf(pair.server)).toEqual([]);
    pair.run(1);
    expect(pair.server.of("closed")).toMatchObject([{ code: 1006, error: { code: "ERR_CONNECTION_LOST" } }]);
    expect(pair.host.registry.size).toBe(0);
  });

  it("CLS-06: by a server whose client comes back just in time has its time anew", () => {
    const pair = new Pair({ delayMs: 200 }).connect().run(2000);
    pair.network = "hung";
    pair.cut();
    send(pair, pair.server, "last");
    close(pair, pair.server);
    pair.run(4300);
    pair.network = "up";
    pair.input(pair.client, (s, now) => s.hurry("changed", now));
    pair.run(5000);
    expect(pair.server.at("resumed")).toHaveLength(1);
    expect([pair.client.messages, endsOf(pair.client), endsOf(pair.server)]).toEqual([["last"], CLEAN, CLEAN]);
  });

  it("CLS-06: by a client dials often enough for its timeout, however often that has failed before", () => {
    const pair = connected();
    pair.cut();
    pair.network = "down";
    pair.run(60_000);
    pair.network = "up";
    send(pair, pair.client, "late");
    close(pair, pair.client);
    // At once, and that line breaks, too.
    pair.run(30).cut().run(1000);
    expect(pair.server.messages).toEqual(["late"]);
    pair.run(1000);
    expect([endsOf(pair.client), endsOf(pair.server)]).toEqual([CLEAN, CLEAN]);
  });

  it("waits on for a source, over a cut", () => {
    const pair = connected();
    const id = pair.input(pair.client, (s, now) => s.send(0, source(30_000), now));
    close(pair, pair.client);
    pair.run(200).cut().run(1000);
    expect([endsOf(pair.client), endsOf(pair.server)]).toEqual([[], []]);
    pair.input(pair.client, (s, now) => s.supply(id, binary(30_000).bytes, true, now));
    pair.run(500);
    expect([pair.server.messages.length, endsOf(pair.client), endsOf(pair.server)]).toEqual([1, CLEAN, CLEAN]);
  });

  it("CLS-05: once both have said CLOSE and know it, the end of the transport is the end, whatever it looks like", () => {
    const pair = connected();
    close(pair, pair.client);
    pair.run(59);
    const [ack] = pair.client.batchesSent.slice(-1);
    // The client has ended; the server, whose CLOSE is acknowledged, waits for the transport.
    pair.lose().inject(pair.server, ack?.batch as Uint8Array);
    expect([endsOf(pair.client), endsOf(pair.server)]).toEqual([CLEAN, []]);
    pair.die(pair.server);
    expect(endsOf(pair.server)).toEqual(CLEAN);
  });

  it("CLS-05: an end whose own CLOSE is not acknowledged keeps the session, so that the other can fetch it", () => {
    const pair = connected();
    close(pair, pair.client);
    pair.run(30);
    // The server has answered, and the answer is lost.
    expect(pair.server.framesSentOf("close")).toHaveLength(1);
    pair.cut();
    expect([endsOf(pair.server), pair.host.registry.parkedCount]).toEqual([[], 1]);
    pair.run(1000);
    expect([endsOf(pair.client), endsOf(pair.server)]).toEqual([CLEAN, CLEAN]);
    expect(pair.server.framesSentOf("close")).toHaveLength(2);
  });

  it("CLS-05: and ends cleanly all the same when nobody comes for it", () => {
    const pair = connected();
    close(pair, pair.client);
    pair.run(30);
    pair.network = "hung";
    pair.cut().run(5100);
    expect(endsOf(pair.server)).toEqual(CLEAN);
    expect(endsOf(pair.client)).toEqual([[1006, false]]);
    expect([pair.host.registry.size, pair.server.session.nextDeadline()]).toEqual([0, undefined]);
  });

  it("CLS-05: where sessions are not kept, ends with the transport, cleanly when both have said CLOSE", () => {
    for (const [ms, expected] of [
      [5, [[1006, false]]],
      [30, CLEAN],
    ] as const) {
      const pair = connected({ serverLimits: { resumeWindowMs: 0 } });
      close(pair, pair.client);
      pair.run(ms).cut().run(10_000);
      expect(endsOf(pair.server)).toEqual(expected);
      expectBaseline(pair);
    }
  });
});

describe("an abort while there is no line", () => {
  it.each(["client", "server"] as const)(
    "CLS-07: by the %s is the end for this end, and the other finds out",
    (name) => {
      const pair = connected();
      pair.network = "hung";
      pair.cut();
      pair.network = "up";
      const error = { code: "ERR_INTERNAL" } as never;
      pair.input(pair[name], (s, now) => s.abort(4000, "", error, now));
      expect(endsOf(pair[name])).toEqual([[1006, false]]);
      pair.run(125_000);
      expect(pair.other(pair[name]).of("closed")).toMatchObject([{ code: 1006, error: { code: "ERR_SESSION_LOST" } }]);
      expect(pair.host.registry.size).toBe(0);
      expectBaseline(pair);
    },
  );
});
