import { describe, expect, it } from "vitest";
import { DEFAULT_LIMITS } from "../../../src/core/limits.js";
import { Identity } from "../../../src/core/session/identity.js";
import { type Hello, readHello, type Welcome } from "../../../src/core/wire/handshake.js";
import { UNANNOUNCED_LIMITS } from "../../../src/core/wire/parameters.js";

const ATTEMPT = new Uint8Array(16).fill(1);
const SESSION = new Uint8Array(16).fill(2);
const TOKEN = new Uint8Array(32).fill(3);
const WELCOME: Welcome = {
  limits: UNANNOUNCED_LIMITS,
  sessionId: SESSION,
  token: TOKEN,
  resumeWindowMs: 120_000,
  received: 0,
  opening: 0,
};

const OFFERED = Uint8Array.of(0x78);
const DETAILS = {
  limits: DEFAULT_LIMITS,
  epoch: 1,
  auth: undefined,
  received: 5,
  opening: 0,
  protocolsOffered: OFFERED,
};
const named = (name: string) => Uint8Array.from(name, (char) => char.charCodeAt(0));

/** @param greeter who has greeted; `undefined` where nobody does */
function said(
  identity: Identity,
  greeter: string | undefined = "a",
  details: Partial<{ epoch: number; received: number }> = {},
): Hello {
  const frame = identity.hello({ ...DETAILS, ...details }, greeter === undefined ? undefined : named(greeter));
  return readHello(frame.parameters, UNANNOUNCED_LIMITS) as Hello;
}

describe("Identity: before the first WELCOME", () => {
  it("HSK-04: is the attempt, every time", () => {
    const identity = new Identity(ATTEMPT);
    for (const epoch of [1, 2, 3]) {
      expect(said(identity, "a", { epoch })).toMatchObject({
        attemptId: ATTEMPT,
        epoch,
        resume: undefined,
        received: undefined,
      });
    }
    expect([identity.isWelcomed, identity.isBound, identity.canResume, identity.sessionId]).toEqual([
      false,
      false,
      true,
      undefined,
    ]);
  });

  it("CHN-10: says in every HELLO what it has yet to open", () => {
    const identity = new Identity(ATTEMPT);
    const frame = identity.hello({ ...DETAILS, opening: 7 }, named("a"));
    expect(readHello(frame.parameters, UNANNOUNCED_LIMITS)).toMatchObject({ opening: 7, received: undefined });
  });

  it("RES-04: may begin anew with whom it has only greeted", () => {
    const identity = new Identity(ATTEMPT);
    said(identity, "a");
    expect(said(identity, "b").received).toBeUndefined();
    expect(identity.isBound).toBe(false);
  });

  it.each<[string, string, string, number | undefined]>([
    ["the same server", "a", "a", undefined],
    ["another server", "a", "b", 5],
    ["a server without a name", "a", "", 5],
    ["a server without a name, twice", "", "", 5],
  ])("RES-04: once batches have left, may begin anew with %s or not", (_, first, second, received) => {
    const identity = new Identity(ATTEMPT);
    said(identity, first);
    identity.handleSent(named(first));
    expect(identity.isBound).toBe(true);
    expect(said(identity, second)).toMatchObject({ resume: undefined, received });
  });

  it("RES-04: the first server that may have read something counts, whoever comes later", () => {
    const identity = new Identity(ATTEMPT);
    said(identity, "a");
    identity.handleSent(named("a"));
    said(identity, "b");
    identity.handleSent(named("b"));
    expect(said(identity, "b").received).toBe(5);
    expect(said(identity, "a").received).toBeUndefined();
  });
});

describe("HTTP-04: Identity: where nobody greets", () => {
  const spoken = (identity: Identity) =>
    readHello(identity.hello(DETAILS, undefined).parameters, UNANNOUNCED_LIMITS) as Hello;

  it("offers the protocols, which elsewhere a request has offered", () => {
    const identity = new Identity(ATTEMPT);
    expect(spoken(identity)).toMatchObject({ protocolsOffered: OFFERED, received: undefined, reader: undefined });
    expect(said(identity).protocolsOffered).toBeUndefined();
    identity.handleWelcome(WELCOME);
    expect(spoken(identity)).toMatchObject({ protocolsOffered: OFFERED, resume: { token: TOKEN } });
  });

  it("RES-04: tells whoever it is which server may have read batches of the attempt", () => {
    const identity = new Identity(ATTEMPT);
    identity.handleSent(named("a"));
    expect(spoken(identity)).toMatchObject({ received: 5, reader: named("a") });
    expect(said(identity, "a")).toMatchObject({ received: undefined, reader: undefined });
    expect(said(identity, "b")).toMatchObject({ received: 5, reader: undefined });
    // Once there is a session, that alone will do.
    identity.handleWelcome(WELCOME);
    expect(spoken(identity).reader).toBeUndefined();
  });
});

describe("Identity: once welcomed", () => {
  it("RES-02, RES-05: is session and token, with the counter, and the attempt still", () => {
    const identity = new Identity(ATTEMPT);
    said(identity);
    identity.handleWelcome(WELCOME);
    expect(said(identity, "b", { epoch: 2, received: 0 })).toMatchObject({
      attemptId: ATTEMPT,
      epoch: 2,
      resume: { sessionId: SESSION, token: TOKEN },
      received: 0,
    });
    expect([identity.isWelcomed, identity.isBound, identity.canResume, identity.sessionId]).toEqual([
      true,
      true,
      true,
      SESSION,
    ]);
    expect(identity.resumeWindowMs).toBe(120_000);
  });

  it("RES-02: uses the newest token", () => {
    const identity = new Identity(ATTEMPT);
    identity.handleWelcome(WELCOME);
    const token = new Uint8Array(32).fill(9);
    identity.handleWelcome({ ...WELCOME, token });
    expect(said(identity).resume?.token).toEqual(token);
  });

  it.each<[string, Partial<Welcome>]>([
    ["without a token", { token: undefined }],
    ["without a window", { resumeWindowMs: 0 }],
  ])("RES-01: cannot resume %s", (_, change) => {
    const identity = new Identity(ATTEMPT);
    identity.handleWelcome({ ...WELCOME, ...change });
    expect([identity.canResume, identity.isBound]).toEqual([false, true]);
  });
});
