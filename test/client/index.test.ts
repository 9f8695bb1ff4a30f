import { afterEach, describe, expect, it, vi } from "vitest";

/** Globals that some platform or version of Node lacks: none of them may be needed to import the client. */
const BROWSER_GLOBALS = [
  "window",
  "self",
  "document",
  "navigator",
  "location",
  "localStorage",
  "sessionStorage",
  "indexedDB",
  "WebSocket",
  "WebSocketStream",
  "EventSource",
  "XMLHttpRequest",
  "CloseEvent",
  "MessageEvent",
  "MessageChannel",
  "ErrorEvent",
  "ProgressEvent",
  "Blob",
  "File",
  "FileReader",
  "Worker",
  "crypto",
  "performance",
  "reportError",
  "requestAnimationFrame",
  "addEventListener",
  "fetch",
  "CompressionStream",
];

afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetModules();
});

describe("importing the client on a server", () => {
  it("touches no global of a browser", async () => {
    const touched: string[] = [];
    vi.resetModules();
    const known = new Map(BROWSER_GLOBALS.map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)]));
    for (const [name, descriptor] of known) {
      Object.defineProperty(globalThis, name, {
        configurable: true,
        get() {
          // The runner may read what it likes; what matters is code of ours.
          if (new Error().stack?.includes("/src/")) touched.push(name);
          return descriptor?.get === undefined ? descriptor?.value : descriptor.get.call(globalThis);
        },
        set(value) {
          Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
        },
      });
    }
    try {
      const client = await import("../../src/client/index.js");
      expect(client.SluiceSocket).toBeTypeOf("function");
      // The trap works: what a socket is made of does touch some.
      expect(touched).toEqual([]);
      expect(() => new client.SluiceSocket("ftp://example.com")).toThrow(DOMException);
      expect(touched).toContain("document");
    } finally {
      for (const [name, descriptor] of known) {
        if (descriptor === undefined) Reflect.deleteProperty(globalThis, name);
        else Object.defineProperty(globalThis, name, descriptor);
      }
    }
  });

  it("exports what the README names, and nothing else", async () => {
    const client = await import("../../src/client/index.js");
    expect(Object.keys(client).sort()).toEqual(["Channel", "Receipt", "SluiceError", "SluiceSocket"]);
  });
});
