/** On a class that stands in for the page's own WebSocket: that one. By a registered symbol, as there may be two copies of us. */
export const NATIVE: unique symbol = Symbol.for("sluice.native") as never;

/** What to dial with where `given` is the WebSocket of the page: never a class of ours, which would dial with itself. */
export function nativeOf<Class>(given: Class): Class {
  return typeof given === "function" && NATIVE in given ? (given[NATIVE] as Class) : given;
}
