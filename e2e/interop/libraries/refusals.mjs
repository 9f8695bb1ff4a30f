import { GraphQLObjectType, GraphQLSchema, GraphQLString } from "graphql";
import { GRAPHQL_TRANSPORT_WS_PROTOCOL } from "graphql-ws";
import { useServer } from "graphql-ws/use/ws";

/** What the application takes, and the WebSocket server: both are met by nothing else here. */
const APPLICATION_BYTES_MAX = 10_000;
const MAX_PAYLOAD = 20_000;

const INIT = '{"type":"connection_init"}';
const WAIT = '{"type":"subscribe","id":"1","payload":{"query":"{ wait }"}}';
const PING = '{"type":"ping"}';

/**
 * What a client may say, each when there is an answer to the one before, and the close code and reason for it; the last
 * three are not those of the graphql-ws server.
 */
const REFUSALS = [
  { messages: ["no JSON"], end: [4400, "Invalid message received"] },
  { messages: [WAIT], end: [4401, "Unauthorized"] },
  { messages: ['{"type":"connection_init","payload":{"who":"nobody"}}'], end: [4403, "Forbidden"] },
  { messages: [INIT, INIT], end: [4429, "Too many initialisation requests"] },
  { messages: [INIT, WAIT, WAIT], end: [4409, "Subscriber for 1 already exists"] },
  { protocols: [], messages: [], end: [4406, "Subprotocol not acceptable"] },
  { protocols: ["graphql-over-http"], messages: [], end: [1006, ""] },
  { messages: [INIT, "x".repeat(APPLICATION_BYTES_MAX + 1)], end: [1009, "Too large"] },
  { messages: [INIT, "x".repeat(MAX_PAYLOAD + 1)], end: [1009, ""], isOverLimit: true },
];

/**
 * @param {any} socket
 * @param {string} type
 */
const next = (socket, type) => new Promise((resolve) => socket.addEventListener(type, resolve, { once: true }));

/** Says it all, and returns how the socket ends. */
async function refused(socket, messages) {
  const end = next(socket, "close").then(({ code, reason }) => [code, reason]);
  await Promise.race([next(socket, "open"), end]);
  for (const message of messages) {
    // A query that waits has no answer, but that to a ping comes behind it.
    const answer = next(socket, "message");
    try {
      socket.send(message);
    } catch (error) {
      // Where the limit of the other end is known, the library hears of it at once, and its socket stays as it is.
      const pong = next(socket, "message");
      socket.send(PING);
      const { data } = await Promise.race([pong, end]);
      socket.close();
      return [error.code, data];
    }
    if (message === WAIT) socket.send(PING);
    await Promise.race([answer, end]);
  }
  return await end;
}

/** @type {import("../library.mjs").Library} What a server refuses reaches the client with the same code and reason. */
export const refusals = {
  name: "graphql-ws, refusals",
  isRefused: true,
  serve({ makeServer }) {
    const wait = { type: GraphQLString, resolve: () => new Promise(() => {}) };
    const schema = new GraphQLSchema({ query: new GraphQLObjectType({ name: "Query", fields: { wait } }) });
    const onConnect = ({ connectionParams }) => connectionParams?.who !== "nobody";
    const server = makeServer({ maxPayload: MAX_PAYLOAD });
    server.on("connection", (socket) => {
      socket.on("message", (data) => {
        if (data.length > APPLICATION_BYTES_MAX) socket.close(1009, "Too large");
      });
    });
    const served = useServer({ schema, onConnect }, server);
    // graphql-ws has a listener that writes to the console what `ws` finds too large.
    server.on("connection", (socket) => socket.removeAllListeners("error").on("error", () => {}));
    return () => served.dispose();
  },
  async use({ url, WebSocket, cuts, count }) {
    // They end long before their line could be cut: as many as it takes to get there, on sockets that stay.
    const quiet = new WebSocket(url, GRAPHQL_TRANSPORT_WS_PROTOCOL);
    await next(quiet, "open");
    quiet.send(INIT);
    for (let index = 0; index < count; index++) {
      const pong = next(quiet, "message");
      if (index > 0) quiet.send(PING);
      await pong;
      cuts.received();
    }
    const isOurs = quiet.mode === "framed";
    const received = [];
    for (const { protocols = [GRAPHQL_TRANSPORT_WS_PROTOCOL], messages } of REFUSALS) {
      received.push(await refused(new WebSocket(url, protocols), messages));
    }
    quiet.close();
    const ends = REFUSALS.map(({ end, isOverLimit }) =>
      isOurs && isOverLimit ? ["ERR_MESSAGE_TOO_LARGE", '{"type":"pong"}'] : end,
    );
    return { received, expected: ends };
  },
};
