import type { Server as HttpServer, IncomingMessage, ServerResponse } from "node:http";
import type { Server as HttpsServer } from "node:https";

/**
 * Takes some of the requests of a server that others listen to as well; they do not see those. Their listeners may come
 * later, as that of a framework does, so the event is taken before any of them.
 * @param take `true` for a request that is ours
 * @returns a function that stops it
 */
export function takeRequests(
  server: HttpServer | HttpsServer,
  take: (request: IncomingMessage, response: ServerResponse) => boolean,
): () => void {
  const { emit } = server;
  let isActive = true;
  const taking = function (this: unknown, event: string, ...args: unknown[]): boolean {
    if (isActive && event === "request" && take(args[0] as IncomingMessage, args[1] as ServerResponse)) return true;
    return Reflect.apply(emit, this, [event, ...args]);
  } as HttpServer["emit"];
  server.emit = taking;
  return () => {
    isActive = false;
    // Who has done the same after us goes on through here.
    if (server.emit === taking) server.emit = emit;
  };
}
