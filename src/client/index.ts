import { httpTransport } from "../transport/browser/http.js";
import { provideHttp } from "./http-kind.js";
import { httpPlatform } from "./http-platform.js";

export * from "./surface.js";

provideHttp((fetch, host, url, options) => httpTransport(httpPlatform(fetch, host), url, options));
