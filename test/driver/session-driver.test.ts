import { describe, expect, it } from "vitest";
import { SluiceError } from "../../src/core/error.js";
import type { MessageId, OutgoingInit } from "../../src/core/send/outgoing-message.js";
import type { SessionEvent } from "../../src/core/session/events.js";
import { SessionDriver } from "../../src/driver/session-driver.js";
import { type DrivenEnd, DrivenPair } from "../support/driven-pair.js";
import { LinkedTransport } from "../support/linked-transport.js";
import { binary, text } from "../support/pair.js";

const BUFFERED_BYTES_MAX = 128 * 1024;
const BATCH_BYTES_MAX = 16 * 1024;

function send(end: DrivenEnd, message: OutgoingInit): MessageId {
  return end.driver.command((session, now) => session.send(0, message, now));
}

/** A pair whose window is no bound, so that only the transport's buffer is: it has grown with a message on a line without end. */
function wideOpen(): DrivenPair {
  const pair = new DrivenPair().connect();
  send(pair.client, binary(1 << 20));
  pair.settle();
  pair.server.events.length = 0;
  expect(pair.client.driver.session.stats.windowBytes).toBeGreaterThan(BUFFERED_BYTES_MAX + 2 * BATCH_BYTES_MAX);
  return pair;
}

const LOST = new SluiceError("ERR_CONNECTION_LOST", "given up");

/** The session ends, whatever its lines do. */
const give = (end: DrivenEnd): void => end.driver.input((session, now) => session.abort(1000, "", LOST, now));

const numbered = (end: DrivenEnd) => end.transport.batches.filter(({ number }) => number > 0);

describe("SessionDriver: what leaves", () => {
  it("hands over no more than the transport has room for, and the rest when it has been passed on", () => {
    const { client, host, ...pair } = Object.assign(wideOpen(), {});
    send(client, binary(240_000));
    host.endTask();
    expect(client.transport.bufferedBytes).toBeGreaterThanOrEqual(BUFFERED_BYTES_MAX);
    expect(client.transport.bufferedBytes).toBeLessThanOrEqual(BUFFERED_BYTES_MAX + BATCH_BYTES_MAX);

    let most = 0;
    while (client.transport.deliver(1) || pair.server.transport.deliver())
      most = Math.max(most, client.transport.bufferedBytes);
    expect(most).toBeLessThanOrEqual(BUFFERED_BYTES_MAX + BATCH_BYTES_MAX);
    expect(pair.server.messages).toHaveLength(1);
  });

  it("is not woken by a transport that has had room all the time", () => {
    const pair = new DrivenPair().connect();
    const { client, host } = pair;
    send(client, text("small"));
    host.endTask();
    const turns = client.turns;
    client.transport.deliver();
    expect(client.turns).toBe(turns);
  });

  it("decides late: what becomes urgent while the transport is full goes before what was sent long ago", () => {
    const pair = wideOpen();
    const { client, server } = pair;
    send(client, binary(1 << 20));
    pair.host.endTask();
    const urgent = client.driver.command((session, now) => session.openChannel("urgent", "high", now));
    client.driver.command((session, now) => session.send(urgent, text("now"), now));
    pair.settle();
    expect(server.messages.map((data) => (typeof data === "string" ? data : data.length))).toEqual(["now", 1 << 20]);
  });

  it("lets control frames pass a full transport", () => {
    const { client, host } = wideOpen();
    send(client, binary(1 << 20));
    host.endTask();
    const before = client.transport.sent.length;
    client.driver.command((session, now) => session.ping(Uint8Array.of(1), now));
    host.endTask();
    expect(client.transport.batches.slice(before)).toMatchObject([{ number: 0, frames: [{ type: "ping" }] }]);
  });

  it.each<[string, boolean]>([
    ["a transport whose peer asks and does not read", false],
    ["one that waits for a request of such a peer", true],
  ])("SEC-06: does not fill %s", (_, isBusy) => {
    const { client, server } = new DrivenPair().connect();
    client.transport.isBusy = isBusy;
    const ask = (i: number) =>
      server.driver.command((session, now) => session.ping(new Uint8Array(125).fill(i % 256), now));
    for (let i = 0; i < 5000; i++) {
      ask(i);
      server.driver.input(() => {});
      server.transport.deliver();
    }
    expect(client.transport.bufferedBytes).toBeGreaterThan(BUFFERED_BYTES_MAX);
    expect(client.transport.bufferedBytes).toBeLessThan(2 * BUFFERED_BYTES_MAX + 4096);
    client.transport.isBusy = false;
    client.transport.deliver();
    client.transport.deliver();
    expect(server.events).toContainEqual(
      expect.objectContaining({ type: "pong", payload: new Uint8Array(125).fill(4999 % 256) }),
    );
  });

  it("HTTP-03: keeps what can wait until the next request, and decides then", () => {
    const { client, server, host, ...pair } = Object.assign(wideOpen(), {});
    client.transport.requests = "own";
    client.transport.isBusy = true;
    const before = client.transport.sent.length;
    send(client, text("later"));
    // An ack would be due, and credit.
    send(server, binary(200_000));
    for (let i = 0; i < 3; i++) {
      host.advance(200);
      server.transport.deliver();
    }
    expect([server.transport.sent.length > 3, client.transport.sent.length]).toEqual([true, before]);
    expect(host.timers.filter((at) => at <= host.now())).toEqual([]);
    const urgent = client.driver.command((session, now) => session.openChannel("urgent", "high", now));
    client.driver.command((session, now) => session.send(urgent, text("now"), now));
    host.endTask();
    client.transport.isBusy = false;
    client.transport.deliver();
    const frames = client.transport.batches.slice(before).flatMap((batch) => batch.frames.map(({ type }) => type));
    expect(frames).toContain("ack");
    expect(frames.filter((type) => type === "chunk").length).toBeGreaterThan(1);
    void pair;
  });

  it("HTTP-20: does not keep what a page sends that goes", () => {
    const { client, host } = wideOpen();
    client.transport.requests = "own";
    client.transport.isBusy = true;
    send(client, text("bye"));
    host.endTask();
    const before = client.transport.sent.length;
    client.driver.input((session, now) => session.farewell(now));
    expect(client.transport.sent.length).toBe(before + 1);
  });

  it("sends nothing inside a command, and everything of one tick in as few batches as it fits", () => {
    const pair = new DrivenPair().connect();
    const { client, server } = pair;
    const before = client.transport.sent.length;
    for (let i = 0; i < 100; i++) send(client, text(`line ${i}`));
    expect(client.transport.sent).toHaveLength(before);
    expect(pair.host.deferredCount).toBe(1);
    pair.settle();
    expect(numbered(client)).toHaveLength(1);
    expect(server.messages).toEqual(Array.from({ length: 100 }, (_, i) => `line ${i}`));
  });

  it("lets the commands of the next tick leave as well", () => {
    const pair = new DrivenPair().connect();
    send(pair.client, text("a"));
    pair.settle();
    send(pair.client, text("b"));
    pair.settle();
    expect(pair.server.messages).toEqual(["a", "b"]);
    expect(numbered(pair.client)).toHaveLength(2);
  });

  it("returns what the command gives, and throws what it throws", () => {
    const pair = new DrivenPair().connect();
    expect(send(pair.client, text("a"))).toBe(1);
    expect(() => pair.client.driver.command((session, now) => session.openChannel("", "normal", now))).toThrow(
      expect.objectContaining({ code: "ERR_USAGE_ARGUMENT" }),
    );
    pair.settle();
    expect(pair.server.messages).toEqual(["a"]);
  });

  it("sends what was commanded before the transport was there", () => {
    const pair = new DrivenPair();
    send(pair.client, text("early"));
    pair.host.endTask();
    pair.connect();
    expect(pair.server.messages).toEqual(["early"]);
  });

  it("leaves a transport alone that nobody opens for the session", () => {
    const pair = new DrivenPair();
    const transport = new LinkedTransport();
    const seen: unknown[] = [];
    transport.start(pair.client.driver.attach(1, transport, (opened) => seen.push(opened)));
    transport.open("chat.v1", "permessage-deflate");
    pair.settle();
    expect(seen).toEqual([{ subprotocol: "chat.v1", extensions: "permessage-deflate" }]);
    expect(pair.host.timers).toEqual([]);
    expect(transport.sent).toEqual([]);
  });
});

describe("SessionDriver: the timer", () => {
  it("has one, set anew only when it would come too late", () => {
    const pair = new DrivenPair().connect();
    const { client, host } = pair;
    const before = host.timersSet;
    for (let i = 0; i < 50; i++) {
      send(client, text(`line ${i}`));
      pair.settle();
    }
    // One at each end: the acks that are due at the server, and the sleep of the client.
    expect(host.timers).toHaveLength(2);
    expect(host.timersSet - before).toBeLessThanOrEqual(2);
  });

  it("goes off when the session wants it, and is armed again", () => {
    const pair = new DrivenPair().connect();
    const acks = () => pair.server.transport.frames.filter(({ type }) => type === "ack").length;
    send(pair.client, text("a"));
    pair.settle();
    expect(acks()).toBe(0);
    pair.run(19);
    expect(acks()).toBe(0);
    pair.run(1);
    expect(acks()).toBe(1);
    expect(pair.client.of("delivered")).toHaveLength(1);

    pair.run(25_000);
    expect(pair.server.transport.frames.filter(({ type }) => type === "ping")).toHaveLength(1);
    expect(pair.host.timers).toHaveLength(2);
  });

  it("is gone when the session is", () => {
    const pair = new DrivenPair().connect();
    pair.client.driver.command((session, now) => session.close(1000, "", now));
    pair.settle();
    expect(pair.client.of("closed")).toHaveLength(1);
    expect(pair.server.of("closed")).toHaveLength(1);
    expect(pair.host.timers).toEqual([]);
    expect(pair.host.deferredCount).toBe(0);
  });
});

describe("SessionDriver: callbacks", () => {
  it("run after everything has left that follows from the input", () => {
    const pair = new DrivenPair().connect();
    const { server } = pair;
    const sentBefore = server.transport.sent.length;
    let sentAt = -1;
    server.react = ({ type }) => {
      if (type === "ping") sentAt = server.transport.sent.length;
    };
    pair.client.driver.command((session, now) => session.ping(new Uint8Array(0), now));
    pair.settle();
    expect(sentAt).toBe(sentBefore + 1);
  });

  it("ask for what leaves together with what their promises ask for", () => {
    const pair = new DrivenPair().connect();
    const { client, server, host } = pair;
    server.react = (event) => {
      if (event.type !== "message") return;
      send(server, text("at once"));
      host.defer(() => host.defer(() => send(server, text("behind an await"))));
    };
    const before = numbered(server).length;
    send(client, text("a"));
    pair.settle();
    expect(client.messages).toEqual(["at once", "behind an await"]);
    expect(numbered(server)).toHaveLength(before + 1);
  });

  it("may call back in: what they ask for leaves, and its events come behind the others", () => {
    const pair = new DrivenPair().connect();
    const { client, server } = pair;
    server.react = (event) => {
      if (event.type !== "message") return;
      send(server, text(`re: ${event.data}`));
      expect(server.driver.command((session) => session.isClosing)).toBe(false);
    };
    send(client, text("a"));
    send(client, text("b"));
    pair.settle();
    expect(client.messages).toEqual(["re: a", "re: b"]);
    expect(server.events.map(({ type }) => type).slice(-4)).toEqual(["message", "message", "written", "written"]);
    expect(numbered(server)).toHaveLength(1);
    expect(pair.host.deferredCount).toBe(0);
  });

  it("that ask for nothing have nobody look for what may leave, a second time", () => {
    const pair = new DrivenPair().connect();
    const { session } = pair.server.driver;
    let polls = 0;
    const pollTransmit = session.pollTransmit.bind(session);
    session.pollTransmit = (budget, now) => {
      polls += 1;
      return pollTransmit(budget, now);
    };
    send(pair.client, text("a"));
    pair.settle();
    expect(pair.server.messages).toEqual(["a"]);
    expect(polls).toBe(1);
  });

  it("may give further input: it is taken at once, and told of in its turn", () => {
    const pair = new DrivenPair().connect();
    const { client, server } = pair;
    const story: string[] = [];
    server.react = (event) => {
      if (event.type !== "message" && event.type !== "closed") return;
      story.push(`begin ${event.type}`);
      const error = new SluiceError("ERR_INTERNAL", "enough");
      if (event.type === "message") server.driver.input((session, now) => session.abort(1009, "", error, now));
      story.push(`end ${event.type}`);
    };
    send(client, text("a"));
    pair.settle();
    expect(story).toEqual(["begin message", "end message", "begin closed", "end closed"]);
    expect(client.of("closed")).toMatchObject([{ code: 1009, wasClean: true }]);
  });

  it("hands on each event once, in order, and then the turn", () => {
    const pair = new DrivenPair().connect();
    const { server } = pair;
    const seen: string[] = [];
    server.react = (event) => seen.push(event.type === "message" ? String(event.data) : event.type);
    server.reactToTurn = () => seen.push("turn");
    for (const line of ["a", "b", "c"]) send(pair.client, text(line));
    pair.settle();
    expect(seen).toEqual(["a", "b", "c", "turn"]);
  });

  it("that throw are reported, and stop nothing", () => {
    const pair = new DrivenPair().connect();
    const { client, server, host } = pair;
    const [first, second] = [new Error("in an event"), new Error("in a turn")];
    server.react = (event) => {
      if (event.type === "message" && event.data === "a") throw first;
    };
    server.reactToTurn = () => {
      server.reactToTurn = undefined;
      throw second;
    };
    send(client, text("a"));
    send(client, text("b"));
    pair.run(100);
    expect(host.reports).toEqual([first, second]);
    expect(server.messages).toEqual(["a", "b"]);
    expect(client.of("delivered")).toHaveLength(2);
  });

  it("may go on sending from callback to callback as long as the line takes it", () => {
    const pair = new DrivenPair({ client: { windowBytes: 4 << 20 } }).connect();
    const { client, server } = pair;
    let left = 20_000;
    client.react = ({ type }) => {
      if (type !== "written" || left === 0) return;
      left -= 1;
      send(client, text(""));
    };
    send(client, text(""));
    pair.run(5000);
    expect(pair.host.reports).toEqual([]);
    expect(server.messages).toHaveLength(20_001);
  });
});

describe("SessionDriver: the end", () => {
  it("closes the transport once the farewell has been handed to it", () => {
    const pair = new DrivenPair().connect();
    const { client } = pair;
    const error = new SluiceError("ERR_INTERNAL", "enough");
    client.driver.input((session, now) => session.abort(1008, "no", error, now));
    const { sent, ended } = client.transport;
    expect(client.transport.frames.at(-1)).toMatchObject({ type: "abort", code: 1008 });
    expect(ended).toEqual({ how: "closed", code: 1008, afterBatches: sent.length });
    pair.settle();
    expect(pair.server.of("closed")).toMatchObject([{ code: 1008 }]);
  });

  it("closes the transport before the application learns of the end", () => {
    const pair = new DrivenPair().connect();
    let seen: unknown;
    pair.client.react = ({ type }) => {
      if (type === "closed") seen = pair.client.transport.ended;
    };
    pair.client.driver.command((session, now) => session.close(1000, "", now));
    pair.settle();
    expect(seen).toMatchObject({ how: "closed", code: 1000 });
    expect(pair.server.transport.ended).toBeUndefined();
  });

  it("tells what is lost", () => {
    const pair = new DrivenPair().connect();
    const { client } = pair;
    const id = send(client, text("a"));
    pair.host.endTask();
    give(client);
    expect(client.of("dropped")).toEqual([{ type: "dropped", message: id, fate: "unknown" }]);
    expect(client.of("closed")).toMatchObject([
      { code: 1006, wasClean: false, error: { code: "ERR_CONNECTION_LOST" } },
    ]);
  });

  it("takes commands of an application that has not noticed yet, and sends nothing", () => {
    const pair = new DrivenPair().connect();
    const { client } = pair;
    give(client);
    client.driver.command((session, now) => session.ping(new Uint8Array(0), now));
    client.driver.command((session, now) => session.close(1000, "", now));
    const before = client.transport.sent.length;
    pair.run(60_000);
    expect(client.transport.sent).toHaveLength(before);
    expect(client.of("closed")).toHaveLength(1);
    expect(pair.lines.dials).toEqual([1]);
    expect(pair.host.timers).toHaveLength(0);
  });
});

describe("SessionDriver: one transport after the other", () => {
  it("does not touch a transport that has died, and goes on with the next", () => {
    const pair = new DrivenPair().connect();
    const { client, server } = pair;
    send(client, text("a"));
    pair.host.endTask();
    const [near] = pair.lines.nears;
    pair.lines.cut();
    expect(near?.ended).toBeUndefined();
    expect(client.driver.transport).toBeUndefined();
    expect(client.of("detached")).toEqual([{ type: "detached", line: 1, transportCode: 1000 }]);
    pair.run(500);
    expect(client.of("resumed")).toEqual([{ type: "resumed", line: 2 }]);
    expect(client.driver.transport).toBe(pair.lines.near);
    send(client, text("b"));
    pair.settle();
    expect(server.messages).toEqual(["a", "b"]);
    expect(client.of("closed")).toEqual([]);
  });

  it("sends nothing while there is none, and everything on the next", () => {
    const pair = new DrivenPair().connect();
    const { client, server } = pair;
    pair.lines.cut();
    const before = pair.lines.near.sent.length;
    for (const value of ["a", "b"]) send(client, text(value));
    pair.settle();
    expect(pair.lines.nears).toHaveLength(1);
    expect(pair.lines.near.sent).toHaveLength(before);
    pair.run(500);
    expect(server.messages).toEqual(["a", "b"]);
  });

  it("hears nothing any more of one that the session has given up", () => {
    const pair = new DrivenPair().connect();
    const { driver } = pair.client;
    const [old, next] = [new LinkedTransport(), new LinkedTransport()];
    const opened: number[] = [];
    const oldHandler = driver.attach(7, old, () => opened.push(7));
    const nextHandler = driver.attach(8, next, () => opened.push(8));
    const { session } = driver;
    const given: SessionEvent[] = [{ type: "abandoned", line: 7, transportCode: 1000 }];
    const pollEvent = session.pollEvent.bind(session);
    session.pollEvent = () => given.shift() ?? pollEvent();
    driver.input(() => {});
    expect([old.ended, next.ended]).toEqual([{ how: "closed", code: 1000, afterBatches: 0 }, undefined]);
    const inputs: number[] = [];
    session.handleBatch = (line) => void inputs.push(line);
    session.handleTransportClosed = (line) => void inputs.push(line);
    const turns = pair.client.turns;
    oldHandler.handleOpen({ subprotocol: "", extensions: "" });
    oldHandler.handleBatch(Uint8Array.of(0));
    oldHandler.handleWritable();
    oldHandler.handleClosed({ wasClean: false, code: 1006, reason: "" });
    expect([opened, inputs, pair.client.turns]).toEqual([[], [], turns]);
    nextHandler.handleOpen({ subprotocol: "", extensions: "" });
    nextHandler.handleBatch(Uint8Array.of(0));
    nextHandler.handleClosed({ wasClean: false, code: 1006, reason: "" });
    nextHandler.handleBatch(Uint8Array.of(0));
    expect([opened, inputs, pair.client.turns]).toEqual([[8], [8, 8], turns + 2]);
  });

  it("RES-17: speaks on each of several, what the session has for it", () => {
    const pair = new DrivenPair().connect();
    const { driver } = pair.client;
    const [one, two] = [new LinkedTransport(), new LinkedTransport()];
    driver.attach(7, one);
    driver.attach(8, two);
    const batches = [7, 8, 7, 99].map((line, i) => ({ line, batch: Uint8Array.of(0, 7, 1, i) }));
    driver.session.pollBeside = () => batches.shift();
    const before = pair.lines.near.sent.length;
    driver.input(() => {});
    expect(one.sent).toEqual([Uint8Array.of(0, 7, 1, 0), Uint8Array.of(0, 7, 1, 2)]);
    expect(two.sent).toEqual([Uint8Array.of(0, 7, 1, 1)]);
    expect([pair.lines.near.sent.length, driver.transport]).toEqual([before, pair.lines.near]);
  });

  it("tells of another name, of the one that carries the session only", () => {
    const pair = new DrivenPair();
    const renamed: string[] = [];
    const { session, host } = { session: pair.client.driver.session, host: pair.host };
    const driver = new SessionDriver(session, host, {
      handleEvent: () => {},
      handleTurn: () => {},
      handleRenamed: () => renamed.push("renamed"),
    });
    driver.input((s, now) => s.start(now));
    driver.attach(7, new LinkedTransport()).handleRenamed?.();
    expect(renamed).toEqual([]);
    driver.attach(1, new LinkedTransport()).handleRenamed?.();
    expect(renamed).toEqual(["renamed"]);
  });

  it("ends all of them with the session", () => {
    const pair = new DrivenPair().connect();
    const { driver } = pair.client;
    const beside = new LinkedTransport();
    driver.attach(7, beside);
    driver.input((session, now) => session.abort(4000, "", new SluiceError("ERR_CONNECTION_LOST", "Over"), now));
    expect([beside.ended, pair.lines.near.ended]).toMatchObject([
      { how: "closed", code: 1000 },
      { how: "closed", code: 4000 },
    ]);
  });

  it("keeps the new one when the session says late that it has given up the old one", () => {
    const pair = new DrivenPair().connect();
    const { server, lines } = pair;
    // The client's end of the first line is dead, and the server has not noticed: it takes the second over.
    lines.near.die();
    pair.run(500);
    expect(server.of("detached")).toMatchObject([{ line: 1 }]);
    expect(lines.fars.map(({ ended }) => ended?.how)).toEqual(["closed", undefined]);
    expect(server.driver.transport).toBe(lines.far);
    send(server, text("still here"));
    pair.settle();
    expect(pair.client.messages).toEqual(["still here"]);
  });

  it("closes one that the session has given up, behind what the session still has to say on it", () => {
    const pair = new DrivenPair().connect();
    const { client, server, lines } = pair;
    client.driver.input((session, now) => session.suspend(now));
    expect(lines.near.frames.at(-1)).toMatchObject({ type: "detach" });
    expect(lines.near.ended).toEqual({ how: "closed", code: 1000, afterBatches: lines.near.sent.length });
    pair.settle();
    expect(server.of("detached")).toHaveLength(1);
    expect(client.driver.transport).toBeUndefined();
  });

  it("survives a transport that ends inside of `send`", () => {
    const pair = new DrivenPair().connect();
    const { client, server, lines, host } = pair;
    const { near } = lines;
    near.send = () => void near.die();
    for (const value of ["a", "b"]) send(client, text(value));
    host.endTask();
    expect(host.reports).toEqual([]);
    expect(client.events.map(({ type }) => type).slice(-3)).toEqual(["written", "written", "detached"]);
    lines.far.die();
    pair.run(500);
    expect(server.messages).toEqual(["a", "b"]);
    expect(client.of("delivered")).toHaveLength(2);
  });

  it("cuts: nothing more leaves, and nothing more is heard", () => {
    const pair = new DrivenPair().connect();
    const { client, lines } = pair;
    client.driver.cut();
    const before = lines.near.sent.length;
    send(client, text("a"));
    pair.host.endTask();
    expect(lines.near.sent).toHaveLength(before);
    expect(lines.near.ended).toMatchObject({ how: "terminated" });
    expect(client.driver.transport).toBeUndefined();
    client.driver.cut();
    expect(client.of("detached")).toEqual([]);
  });
});

describe("SessionDriver: a defect of ours", () => {
  const internal = expect.objectContaining({ code: "ERR_INTERNAL" });

  it("ends the session, is reported, and goes no further", () => {
    const pair = new DrivenPair().connect();
    const { client, host } = pair;
    host.stepBack(500);
    client.driver.input(() => {});
    client.driver.input((session, now) => session.handleDeadline(now));
    client.driver.input((session, now) => session.handleDeadline(now));
    // The server's.
    expect(host.timers).toHaveLength(1);
    expect(host.reports).toEqual([internal]);
    expect(client.of("closed")).toMatchObject([{ code: 1006, wasClean: false, error: { code: "ERR_INTERNAL" } }]);
    expect(client.transport.ended).toMatchObject({ how: "terminated" });
    host.advance(500);
    pair.run(60_000);
    expect(client.of("closed")).toHaveLength(1);
    expect(host.reports).toHaveLength(1);
    expect(host.timers).toEqual([]);
  });

  it("ends the session also from inside a callback", () => {
    const pair = new DrivenPair().connect();
    const { client, server, host } = pair;
    server.react = (event) => {
      if (event.type !== "message") return;
      host.stepBack(500);
      server.driver.input((session, now) => session.handleDeadline(now));
      host.advance(500);
    };
    send(client, text("a"));
    pair.settle();
    give(client);
    pair.run(60_000);
    expect(host.reports).toEqual([internal]);
    expect(server.of("closed")).toHaveLength(1);
    expect(host.timers).toEqual([]);
    let inputs = 0;
    server.driver.input(() => {
      inputs += 1;
    });
    expect(inputs).toBe(0);
  });
});
