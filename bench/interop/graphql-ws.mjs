// @ts-check
import { GraphQLInt, GraphQLNonNull, GraphQLObjectType, GraphQLSchema, GraphQLString } from "graphql";
import { useServer } from "graphql-ws/use/ws";

/**
 * Subscriptions that yield as fast as they are read, and a query.
 * @param {any} server `WebSocketServer` of `ws`, or what takes its place
 */
export function serveGraphql(server) {
  const schema = new GraphQLSchema({
    query: new GraphQLObjectType({ name: "Query", fields: { hello: { type: GraphQLString, resolve: () => "world" } } }),
    subscription: new GraphQLObjectType({
      name: "Subscription",
      fields: {
        items: {
          type: GraphQLString,
          args: { count: { type: new GraphQLNonNull(GraphQLInt) }, size: { type: new GraphQLNonNull(GraphQLInt) } },
          async *subscribe(_source, { count, size }) {
            const items = "x".repeat(size);
            for (let sent = 0; sent < count; sent += 1) yield { items };
          },
        },
      },
    }),
  });
  useServer({ schema }, server);
}
