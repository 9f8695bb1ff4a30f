import type { SluiceErrorEvent, SluiceSocket } from "../../src/client/websocket.js";

const TYPES = [
  "open",
  "message",
  "error",
  "close",
  "transportchange",
  "connectionstatechange",
  "channel",
  "sessionlost",
];

/** Writes down every event of a socket: messages with their data, errors with their code, states by their name. */
export function clientStory(socket: SluiceSocket): string[] {
  const story: string[] = [];
  for (const type of TYPES) {
    socket.addEventListener(type, (event) => {
      if (type === "message") story.push(`message ${(event as MessageEvent).data}`);
      else if (type === "connectionstatechange") story.push(socket.connectionState);
      else if (type === "error") story.push(`error ${(event as SluiceErrorEvent).error.code}`);
      else if (type === "close") story.push(`close ${(event as CloseEvent).code}`);
      else if (type !== "transportchange") story.push(`${type} ${socket.readyState}`);
    });
  }
  return story;
}

/** Collects rejections that nobody handles; `stop` gives them back to the test runner. */
export function unhandledRejections(): { readonly seen: unknown[]; stop(): void } {
  const seen: unknown[] = [];
  const onUnhandled = (reason: unknown) => seen.push(reason);
  const listeners = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", onUnhandled);
  return {
    seen,
    stop() {
      process.off("unhandledRejection", onUnhandled);
      for (const listener of listeners) process.on("unhandledRejection", listener);
    },
  };
}
