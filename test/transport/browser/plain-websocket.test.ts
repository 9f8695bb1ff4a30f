import { describe, expect, it } from "vitest";
import { type FoundSocket, foundLink, plainLink } from "../../../src/transport/browser/plain-websocket.js";
import type { WebSocketLike } from "../../../src/transport/browser/websocket.js";

class Native implements WebSocketLike {
  binaryType = "blob";
  protocol = "chat";
  extensions = "x";
  readyState = 1;
  bufferedAmount = 5;
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  readonly calls: unknown[][] = [];

  send(data: unknown): void {
    this.calls.push(["send", data]);
  }

  close(...args: unknown[]): void {
    this.calls.push(["close", ...args]);
  }
}

function listen() {
  const story: unknown[] = [];
  const handler = {
    handleOpen: ({ subprotocol, extensions }: { subprotocol: string; extensions: string }) =>
      story.push(["open", subprotocol, extensions]),
    handleMessage: (data: unknown) => story.push(data),
    handleClosed: (death: unknown) => story.push(death),
  };
  return { story, handler };
}

const DEATH = { wasClean: true, code: 4000, reason: "bye" };

describe("plainLink", () => {
  it("tells what the socket tells: text as text, everything else as bytes", () => {
    const native = new Native();
    const { story, handler } = listen();
    plainLink(native).start(handler);
    expect(native.binaryType).toBe("arraybuffer");
    native.onopen?.({} as never);
    for (const data of ["a", Uint8Array.of(1, 2).buffer, Uint8Array.of(1, 2, 3).subarray(1)]) {
      native.onmessage?.({ data } as never);
    }
    native.onerror?.({} as never);
    native.onclose?.({ ...DEATH, other: 1 } as never);
    expect(story).toEqual([["open", "chat", "x"], "a", Uint8Array.of(1, 2), Uint8Array.of(2, 3), DEATH]);
    expect([native.onmessage, native.onclose]).toEqual([null, null]);
  });

  it("hands everything over as it is, and closes with the code that it is given", () => {
    const native = new Native();
    const link = plainLink(native);
    const blob = new Blob(["a"]);
    for (const data of ["a", Uint8Array.of(1), blob]) link.send(data);
    link.close(1005, "");
    link.close(4000, "bye");
    expect(native.calls).toEqual([
      ["send", "a"],
      ["send", Uint8Array.of(1)],
      ["send", blob],
      ["close"],
      ["close", 4000, "bye"],
    ]);
    expect([link.isOpen, link.bufferedBytes]).toEqual([true, 5]);
    native.readyState = 2;
    native.bufferedAmount = undefined as never;
    expect([link.isOpen, link.bufferedBytes]).toEqual([false, 0]);
  });

  it("tells nothing any more once it is left", () => {
    for (const [leave, calls] of [
      ["abandon", []],
      ["terminate", [["close"]]],
    ] as const) {
      const native = new Native();
      const { story, handler } = listen();
      const link = plainLink(native);
      link.start(handler);
      link[leave]();
      native.onopen?.({} as never);
      native.onmessage?.({ data: "a" } as never);
      native.onclose?.(DEATH as never);
      expect([story, native.calls]).toEqual([[], calls]);
    }
  });
});

describe("foundLink", () => {
  const found = (native: Native, death?: FoundSocket["death"]): FoundSocket => ({
    socket: native,
    subprotocol: "",
    extensions: "y",
    messages: ["a", Uint8Array.of(1).buffer],
    death,
  });

  it("begins with what was found, and goes on", () => {
    const native = new Native();
    const { story, handler } = listen();
    foundLink(found(native)).start(handler);
    native.onmessage?.({ data: "b" } as never);
    expect(story).toEqual([["open", "", "y"], "a", Uint8Array.of(1), "b"]);
  });

  it("ends with what was found", () => {
    const native = new Native();
    const { story, handler } = listen();
    foundLink(found(native, DEATH)).start(handler);
    expect(story.at(-1)).toEqual(DEATH);
    expect(native.onclose).toBeNull();
  });
});
