import { once } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket as NodeWebSocket } from "ws";
import { SluiceSocket } from "../../src/client/index.js";
import { describeInterface } from "../../src/client/interface.js";
import { Loopback } from "../support/loopback.js";

let loopback: Loopback | undefined;

afterEach(async () => {
  await loopback?.stop();
  loopback = undefined;
});

/** Compiles only where our class goes for a native one, as libraries type what they take. */
function isOpenIn(Class: typeof WebSocket, socket: WebSocket): boolean {
  return socket instanceof Class && socket.readyState === Class.OPEN;
}

describe("describeInterface", () => {
  it("makes members enumerable and leaves them what they are", () => {
    class Some {
      get value(): number {
        return 1;
      }
      run(): string {
        return "ran";
      }
    }
    describeInterface(Some);
    const seen: string[] = [];
    for (const name in new Some()) seen.push(name);
    expect(seen).toEqual(["value", "run", "CONNECTING", "OPEN", "CLOSING", "CLOSED"]);
    expect([new Some().value, new Some().run(), `${new Some()}`]).toEqual([1, "ran", "[object WebSocket]"]);
  });
});

describe("SluiceSocket as a WebSocket class", () => {
  it("has constants as those of WebIDL, none on the instance", () => {
    for (const [value, name] of ["CONNECTING", "OPEN", "CLOSING", "CLOSED"].entries()) {
      const descriptor = { value, enumerable: true, writable: false, configurable: false };
      expect(Object.getOwnPropertyDescriptor(SluiceSocket, name)).toEqual(descriptor);
      expect(Object.getOwnPropertyDescriptor(SluiceSocket.prototype, name)).toEqual(descriptor);
    }
    expect(SluiceSocket.name).toBe("SluiceSocket");
    expect(SluiceSocket).toHaveLength(1);
  });

  it("has nothing on the instance", async () => {
    loopback = await Loopback.start();
    const socket = loopback.client();
    expect(Reflect.ownKeys(socket).filter((key) => typeof key === "string")).toEqual([]);
    expect(Object.prototype.toString.call(socket)).toBe("[object WebSocket]");
  });

  it("goes where a native class goes, types included", async () => {
    loopback = await Loopback.start();
    const [client] = await loopback.connect();
    expect(isOpenIn(SluiceSocket, client)).toBe(true);
  });
});

describe("SluiceSocket.with", () => {
  const closing = async (socket: SluiceSocket) => {
    const closed = once(socket, "close");
    socket.close();
    await closed;
  };

  it("is a subclass with those defaults, the constants and the name", async () => {
    loopback = await Loopback.start({ authenticate: ({ auth }) => auth as string });
    const Own = SluiceSocket.with({ WebSocket: NodeWebSocket, auth: "ann" });
    expect([Own.name, Own.OPEN, Own.length, Own.prototype.CLOSED]).toEqual(["SluiceSocket", 1, 1, 3]);
    const socket = new Own(loopback.url);
    expect([socket instanceof Own, socket instanceof SluiceSocket]).toEqual([true, true]);
    expect((await loopback.connections.next()).principal).toBe("ann");
    await closing(socket);
  });

  it("can be told otherwise by the constructor, and by a subclass of the subclass", async () => {
    loopback = await Loopback.start({ authenticate: ({ auth }) => auth as string });
    const Own = SluiceSocket.with({ WebSocket: NodeWebSocket, auth: "ann" });
    const told = new Own(loopback.url, [], { auth: "ben" });
    expect((await loopback.connections.next()).principal).toBe("ben");
    const Other = Own.with({ auth: "cleo" });
    const other = new Other(loopback.url);
    expect(other).toBeInstanceOf(Own);
    expect((await loopback.connections.next()).principal).toBe("cleo");
    await closing(told);
    await closing(other);
  });

  it("throws as the class itself does", () => {
    const Own = SluiceSocket.with({ WebSocket: NodeWebSocket });
    expect(() => new (Own as unknown as new () => SluiceSocket)()).toThrow(TypeError);
    expect(() => new Own("ftp://example.com")).toThrow(expect.objectContaining({ name: "SyntaxError" }));
    expect(() => new Own("ws://example.com", "a b")).toThrow(expect.objectContaining({ name: "SyntaxError" }));
  });
});
