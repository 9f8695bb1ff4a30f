import type { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { ConnectionView, connectionEnds } from "../../src/server/connection-view.js";

const socket = {
  remoteAddress: "192.0.2.1",
  remotePort: 40_000,
  remoteFamily: "IPv4",
  localAddress: "192.0.2.2",
  localPort: 443,
  encrypted: true,
};

describe("ConnectionView", () => {
  it("shows the ends of a connection, which it does not keep", () => {
    const ends = connectionEnds({ ...socket, more: "of it" } as unknown as Socket);
    expect(ends).toEqual(socket);
    expect(new ConnectionView(ends)).toMatchObject(socket);
  });

  it("is not encrypted where the connection does not say so", () => {
    expect(connectionEnds({} as Socket).encrypted).toBe(false);
  });

  it("finishes", () => {
    const view = new ConnectionView(connectionEnds(socket as unknown as Socket));
    const seen: boolean[] = [];
    view.on("finish", () => seen.push(view._writableState.finished));
    expect(view._writableState.finished).toBe(false);
    view.finish();
    expect(seen).toEqual([true]);
  });
});
