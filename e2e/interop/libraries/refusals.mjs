import { GraphQLObjectType, GraphQLSchema, GraphQLString } from "graphql";
import { GRAPHQL_TRANSPORT_WS_PROTOCOL } from "graphql-ws";
import { useServer } from "graphql-ws/use/ws";

/** What a client may say, and the close code and reason of the graphql-ws server for it. */
const REFUSALS = [
  [["no JSON"], [4400, "Invalid message received"]],
  [['{"type":"subscribe","id":"1","payload":{"query":"{ hello }"}}'], [4401, "Unauthorized"]],
  [['{"type":"connection_init","payload":{"who":"nobody"}}'], [4403, "Forbidden"]],
  [
    ['{"type":"connection_init"}', '{"type":"connection_init"}'],
    [4429, "Too many initialisation requests"],
  ],
];

/** @type {import("../library.mjs").Library} What a server refuses reaches the client with the same code and reason. */
export const refusals = {
  name: "graphql-ws, refusals",
  serve({ makeServer }) {
    const query = new GraphQLObjectType({ name: "Query", fields: { hello: { type: GraphQLString } } });
    const schema = new GraphQLSchema({ query });
    const onConnect = ({ connectionParams }) => connectionParams?.who !== "nobody";
    const served = useServer({ schema, onConnect }, makeServer());
    return () => served.dispose();
  },
  async use({ url, WebSocket, cuts, count }) {
    // They end long before their line could be cut: as many as it takes to get there, on sockets that stay.
    const quiet = new WebSocket(url, GRAPHQL_TRANSPORT_WS_PROTOCOL);
    await new Promise((resolve) => quiet.addEventListener("open", resolve));
    quiet.send('{"type":"connection_init"}');
    for (let index = 0; index < count; index++) {
      const pong = new Promise((resolve) => quiet.addEventListener("message", resolve, { once: true }));
      if (index > 0) quiet.send('{"type":"ping"}');
      await pong;
      cuts.received();
    }
    const received = [];
    for (const [messages] of REFUSALS) {
      const socket = new WebSocket(url, GRAPHQL_TRANSPORT_WS_PROTOCOL);
      socket.addEventListener("open", () => {
        for (const message of messages) socket.send(message);
      });
      const { code, reason } = await new Promise((resolve) => socket.addEventListener("close", resolve));
      received.push([code, reason]);
    }
    quiet.close();
    return { received, expected: REFUSALS.map(([, end]) => end) };
  },
};
