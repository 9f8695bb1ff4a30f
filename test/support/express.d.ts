/** Express brings no types along; this is what is used of it. */
declare module "express" {
  import type { IncomingMessage, ServerResponse } from "node:http";

  type Handler = (request: IncomingMessage, response: ServerResponse, next: () => void) => void;

  interface Express {
    (request: IncomingMessage, response: ServerResponse): void;
    use(handler: Handler): void;
    all(path: string, handler: Handler): void;
  }

  const express: (() => Express) & { json(): Handler; raw(): Handler };
  // biome-ignore lint/style/noDefaultExport: Express has one.
  export default express;
}
