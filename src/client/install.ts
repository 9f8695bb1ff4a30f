import { SluiceSocket, type SluiceSocketOptions } from "./index.js";
import { NATIVE, nativeOf } from "./native-web-socket.js";

/**
 * Puts a `SluiceSocket` with these options in the place of the global `WebSocket`, for libraries that take no class. Those
 * that read the global when they are imported have to be imported later. Sockets that exist stay what they are, and still
 * are instances of `WebSocket`.
 * @returns what puts the former one back; it leaves a global alone that somebody else has replaced since
 */
export function install(options: SluiceSocketOptions = {}): () => void {
  const before = Object.getOwnPropertyDescriptor(globalThis, "WebSocket");
  const replaced: unknown = before === undefined ? undefined : globalThis.WebSocket;
  const native = nativeOf(replaced);
  const Installed = SluiceSocket.with({ WebSocket: native, ...options });
  Object.defineProperty(Installed, "name", { value: "WebSocket" });
  Object.defineProperty(Installed, NATIVE, { value: native });
  Object.defineProperty(Installed, Symbol.hasInstance, {
    value(this: unknown, value: unknown): boolean {
      const isOurs = Function.prototype[Symbol.hasInstance].call(this as () => void, value);
      return isOurs || (this === Installed && typeof replaced === "function" && value instanceof replaced);
    },
  });
  Object.defineProperty(globalThis, "WebSocket", { value: Installed, writable: true, configurable: true });
  return () => {
    if ((globalThis.WebSocket as unknown) !== Installed) return;
    if (before === undefined) Reflect.deleteProperty(globalThis, "WebSocket");
    else Object.defineProperty(globalThis, "WebSocket", before);
  };
}
