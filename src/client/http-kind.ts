import type { Host } from "../driver/host.js";
import type { HttpOptions } from "../transport/browser/http.js";
import type { Transport } from "../transport/transport.js";
import type { FetchLike } from "./probe.js";

/** Makes a transport over HTTP. */
export type HttpMaker = (fetch: FetchLike, host: Host, url: string, options: HttpOptions) => Transport;

let maker: HttpMaker | undefined;

/** Called by the entry point that has them. */
export function provideHttp(make: HttpMaker | undefined): void {
  maker = make;
}

/** What makes transports over HTTP; `undefined` in the bundle that goes without them. */
export function httpMaker(): HttpMaker | undefined {
  return maker;
}
