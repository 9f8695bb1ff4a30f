import { webSocket } from "rxjs/webSocket";
import { item, items } from "../items.mjs";
import { echo } from "./echo.mjs";

/** @type {import("../library.mjs").Library} */
export const rxjs = {
  name: "RxJS webSocket",
  serve: echo,
  async use({ url, WebSocket, cuts, count }) {
    const subject = webSocket({ url, WebSocketCtor: WebSocket });
    const received = [];
    const isComplete = new Promise((resolve, reject) => {
      subject.subscribe({
        next(value) {
          received.push(value);
          cuts.received();
          if (received.length === count) resolve(undefined);
        },
        error: reject,
        complete: () => reject(new Error("completed early")),
      });
    });
    for (let index = 0; index < count; index++) {
      await cuts.next();
      subject.next(item(index));
    }
    await isComplete;
    subject.complete();
    return { received, expected: items(count) };
  },
};
