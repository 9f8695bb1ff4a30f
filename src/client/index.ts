import { httpTransport } from "../transport/browser/http.js";
import { provideHttp } from "./http-kind.js";

export * from "./surface.js";

provideHttp(httpTransport);
