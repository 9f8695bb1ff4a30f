import { describe, expect, it } from "vitest";
import { readHello } from "../../../src/core/wire/handshake.js";
import { UNANNOUNCED_LIMITS } from "../../../src/core/wire/parameters.js";
import { expectBaseline } from "../../support/baseline.js";
import { Pair, text } from "../../support/pair.js";

const hellosOf = (pair: Pair) =>
  pair.client.framesSentOf("hello").map(({ parameters }) => {
    const hello = readHello(parameters, UNANNOUNCED_LIMITS);
    if ("code" in hello) throw new Error(hello.reason);
    return hello;
  });

describe("ClientHandshake", () => {
  it("RES-03: says HELLO once on a line, with an epoch that no line before had, also where it was not welcomed", () => {
    const pair = new Pair({ accepts: false }).connect().run(200);
    pair.cut();
    pair.run(1000);
    pair.accepts = true;
    pair.accept().run(200);
    pair.cut();
    pair.run(2000);
    const hellos = hellosOf(pair);
    expect(hellos).toHaveLength(pair.client.of("dial").length);
    expect(hellos.map(({ epoch }) => epoch)).toEqual(hellos.map((_, i) => i + 1));
    // By its attempt until it has been welcomed, by session and token from then on.
    expect(hellos.map(({ resume }) => resume !== undefined)).toEqual([false, false, true]);
    expectBaseline(pair);
  });

  it("RES-02: knows whether it has been welcomed, and lets the server know first of all", () => {
    const pair = new Pair({ accepts: false }).connect().run(200);
    expect(pair.client.session.isWelcomed).toBe(false);
    const before = pair.client.sent.length;
    pair.accept();
    pair.run(100);
    expect(pair.client.session.isWelcomed).toBe(true);
    expect(pair.client.sent[before]).toMatchObject({ number: 0, frames: [{ type: "ack" }] });
  });

  it("HSK-07: early data leaves behind the HELLO, and counts as sent to whoever has greeted", () => {
    const pair = new Pair({ accepts: false });
    pair.input(pair.client, (s, now) => s.send(0, text("early"), now));
    pair.connect().run(200);
    expect(pair.client.sent.map(({ number, frames }) => [number, frames[0]?.type])).toEqual([
      [0, "hello"],
      [1, "chunk"],
    ]);
    pair.accept().run(200);
    expect(pair.server.messages).toEqual(["early"]);
    expectBaseline(pair);
  });
});
