import type { HttpOptions } from "../transport/browser/http.js";
import type { HttpPlatform } from "../transport/browser/http-requests.js";
import type { Transport } from "../transport/transport.js";

/** Makes a transport over HTTP. */
export type HttpMaker = (platform: HttpPlatform, url: string, options: HttpOptions) => Transport;

let maker: HttpMaker | undefined;

/** Called by the entry point that has them. */
export function provideHttp(make: HttpMaker | undefined): void {
  maker = make;
}

/** What makes transports over HTTP; `undefined` in the bundle that goes without them. */
export function httpMaker(): HttpMaker | undefined {
  return maker;
}
