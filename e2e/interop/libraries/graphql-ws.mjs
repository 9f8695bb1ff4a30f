import { GraphQLInt, GraphQLObjectType, GraphQLSchema, GraphQLString } from "graphql";
import { createClient } from "graphql-ws";
import { useServer } from "graphql-ws/use/ws";
import { item, items } from "../items.mjs";

const Item = new GraphQLObjectType({
  name: "Item",
  fields: { index: { type: GraphQLInt }, body: { type: GraphQLString } },
});

/** @type {import("../library.mjs").Library} */
export const graphqlWs = {
  name: "graphql-ws",
  serve({ makeServer, cuts, count }) {
    async function* produce(total) {
      for (let index = 0; index < total; index++) {
        await cuts.next();
        yield { items: item(index) };
      }
    }
    const schema = new GraphQLSchema({
      query: new GraphQLObjectType({
        name: "Query",
        fields: { hello: { type: GraphQLString, resolve: () => "world" } },
      }),
      subscription: new GraphQLObjectType({
        name: "Subscription",
        fields: { items: { type: Item, subscribe: () => produce(count) } },
      }),
    });
    const served = useServer({ schema }, makeServer());
    return () => served.dispose();
  },
  async use({ url, WebSocket, cuts, count }) {
    const client = createClient({ url, webSocketImpl: WebSocket, retryAttempts: 0 });
    const received = [];
    for await (const { data } of client.iterate({ query: "subscription { items { index body } }" })) {
      received.push({ ...data.items });
      cuts.received();
    }
    const query = client.iterate({ query: "{ hello }" });
    const answer = (await query.next()).value;
    await client.dispose();
    return { received: [...received, answer?.data.hello], expected: [...items(count), "world"] };
  },
};
