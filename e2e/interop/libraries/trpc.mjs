import { createTRPCClient, createWSClient, wsLink } from "@trpc/client";
import { initTRPC } from "@trpc/server";
import { applyWSSHandler } from "@trpc/server/adapters/ws";
import { item, items } from "../items.mjs";

/** @type {import("../library.mjs").Library} */
export const trpc = {
  name: "tRPC",
  serve({ makeServer, cuts, count }) {
    const t = initTRPC.create();
    const router = t.router({
      items: t.procedure.subscription(async function* () {
        for (let index = 0; index < count; index++) {
          await cuts.next();
          yield item(index);
        }
      }),
      double: t.procedure.input(Number).mutation(({ input }) => input * 2),
    });
    const handler = applyWSSHandler({ wss: makeServer(), router });
    return () => handler.broadcastReconnectNotification();
  },
  async use({ url, WebSocket, cuts, count }) {
    const wsClient = createWSClient({ url, WebSocket });
    const client = createTRPCClient({ links: [wsLink({ client: wsClient })] });
    const received = [];
    const subscription = new Promise((resolve, reject) => {
      client.items.subscribe(undefined, {
        onData(data) {
          received.push(data);
          cuts.received();
        },
        onComplete: resolve,
        onError: reject,
      });
    });
    const doubled = await Promise.all([1, 2, 3].map((input) => client.double.mutate(input)));
    await subscription;
    await wsClient.close();
    return { received: [...received, doubled], expected: [...items(count), [2, 4, 6]] };
  },
};
