import { beforeEach, describe, expect, it } from "vitest";
import { SocketState } from "../../src/client/socket-state.js";

const OPENED = { protocol: "chat", extensions: "", mode: "framed" } as const;

let state: SocketState;
/** What is told, and how it looks at that time. */
let told: unknown[];

beforeEach(() => {
  told = [];
  state = new SocketState((change) => told.push([change, state.transport, state.connectionState]));
});

describe("SocketState", () => {
  it("opens once, with what is known of the server by then", () => {
    expect([state.readyState, state.connectionState, state.transport, state.mode]).toEqual([
      0,
      "connecting",
      null,
      null,
    ]);
    expect(state.handleOpen(OPENED, "websocket")).toBe(true);
    expect([state.readyState, state.protocol, state.mode]).toEqual([1, "chat", "framed"]);
    expect(told).toEqual([
      ["transportchange", "websocket", "connected"],
      ["connectionstatechange", "websocket", "connected"],
    ]);
    expect(state.handleOpen({ ...OPENED, protocol: "other" }, "sse")).toBe(false);
    expect([state.protocol, state.transport, told.length]).toEqual(["chat", "websocket", 2]);
  });

  it("tells nothing of the lines that come and go before it is open", () => {
    state.handleAttached("websocket");
    state.handleDetached();
    state.handleReopen();
    expect([state.connectionState, told]).toEqual(["connecting", []]);
    // What has carried the session may be gone when its turn comes.
    expect(state.handleOpen(OPENED, null)).toBe(true);
    expect([state.readyState, state.connectionState, told]).toEqual([1, "connecting", []]);
    state.handleDetached();
    state.handleAttached("sse");
    expect([state.connectionState, state.transport]).toEqual(["connected", "sse"]);
  });

  it("goes with its line: away, back, and over to another one", () => {
    state.handleOpen(OPENED, "websocket");
    state.handleDetached();
    state.handleDetached();
    state.handleAttached(null);
    state.handleAttached("sse");
    state.handleAttached("sse");
    state.handleAttached("websocket");
    expect(told.slice(2)).toEqual([
      ["transportchange", null, "reconnecting"],
      ["connectionstatechange", null, "reconnecting"],
      ["transportchange", "sse", "connected"],
      ["connectionstatechange", "sse", "connected"],
      ["transportchange", "websocket", "connected"],
    ]);
    expect(state.readyState).toBe(1);
  });

  it("is connecting again when its session is lost, unless the end has begun", () => {
    state.handleOpen(OPENED, "websocket");
    state.handleReopen();
    expect([state.readyState, state.connectionState, state.isClosing]).toEqual([0, "reconnecting", false]);
    expect(state.handleOpen({ ...OPENED, protocol: "next" }, "sse")).toBe(true);
    expect([state.readyState, state.protocol, state.connectionState]).toEqual([1, "next", "connected"]);
    state.handleClosing();
    state.handleReopen();
    expect([state.readyState, state.isClosing]).toEqual([2, true]);
    expect(state.handleOpen(OPENED, "sse")).toBe(false);
  });

  it("stays closed", () => {
    state.handleOpen(OPENED, "websocket");
    state.handleClosed();
    expect(told.slice(2)).toEqual([
      ["transportchange", null, "closed"],
      ["connectionstatechange", null, "closed"],
    ]);
    state.handleClosing();
    state.handleReopen();
    state.handleDetached();
    state.handleAttached("websocket");
    expect([state.readyState, state.connectionState, state.transport, told.length]).toEqual([3, "closed", null, 4]);
  });
});
