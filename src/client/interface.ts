const READY_STATES = ["CONNECTING", "OPEN", "CLOSING", "CLOSED"] as const;

/**
 * Gives `Class` what the interface `WebSocket` has and a class cannot say: constants on both it and its prototype, members
 * that are enumerable, and the name that `Object.prototype.toString` shows, by which some libraries know a WebSocket.
 */
export function describeInterface(Class: { readonly prototype: object }): void {
  const { prototype } = Class;
  for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
    if (name !== "constructor") Object.defineProperty(prototype, name, { ...descriptor, enumerable: true });
  }
  for (const [value, name] of READY_STATES.entries()) {
    for (const owner of [Class, prototype]) Object.defineProperty(owner, name, { value, enumerable: true });
  }
  Object.defineProperty(prototype, Symbol.toStringTag, { value: "WebSocket", configurable: true });
}
