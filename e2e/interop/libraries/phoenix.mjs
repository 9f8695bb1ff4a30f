import { Socket } from "phoenix";
import { item, items } from "../items.mjs";

const TOKEN = "a token?";
/** How the client hands it over in the handshake: beside the subprotocol `phoenix`, which the server selects. */
const TOKEN_PROTOCOL = `base64url.bearer.phx.${btoa(TOKEN).replaceAll("=", "")}`;

/**
 * As much of a Phoenix server as a client needs: version 2 of its protocol, in JSON. To what it is pushed it answers with
 * how many pushes there have been, and pushes an item of its own.
 * @param {ReturnType<import("../library.mjs").ServerWorld["makeServer"]>} server
 */
function serveChannels(server) {
  server.on("connection", (socket, request) => {
    const isVersion2 = request.url === "/socket/websocket?vsn=2.0.0";
    const offered = request.headers["sec-websocket-protocol"] ?? "";
    const isKnown = isVersion2 && offered.includes(TOKEN_PROTOCOL) && socket.protocol === "phoenix";
    const joined = new Map();
    let pushes = 0;
    socket.on("message", (data) => {
      const [joinRef, ref, topic, event, payload] = JSON.parse(data.toString());
      const send = (...message) => socket.send(JSON.stringify(message));
      const reply = (status, response) => send(joinRef, ref, topic, "phx_reply", { status, response });
      if (topic === "phoenix" && event === "heartbeat") return reply("ok", {});
      if (event === "phx_join") {
        if (!isKnown) return reply("error", { reason: `unauthorized for ${request.url} with ${offered}` });
        joined.set(topic, joinRef);
        return reply("ok", {});
      }
      // Of a join that another one has replaced, nothing counts.
      if (joined.get(topic) !== joinRef) return reply("error", { reason: "unmatched topic" });
      if (event === "phx_leave") {
        joined.delete(topic);
        reply("ok", {});
        return send(joinRef, ref, topic, "phx_close", {});
      }
      reply("ok", { pushed: payload, at: pushes });
      send(joinRef, null, topic, "item", item(pushes));
      pushes += 1;
    });
  });
}

/** The promise of an answer. */
const answered = (push) =>
  new Promise((resolve, reject) => {
    push.receive("ok", resolve);
    for (const status of ["error", "timeout"])
      push.receive(status, (response) => reject(new Error(`${status}: ${JSON.stringify(response)}`)));
  });

/** @type {import("../library.mjs").Library} Pushes in both directions on one of its channels. */
export const phoenix = {
  name: "Phoenix channels",
  serve({ makeServer }) {
    serveChannels(makeServer());
    return () => {};
  },
  async use({ url, WebSocket, cuts, count }) {
    const socket = new Socket(`${url}/socket`, { transport: WebSocket, authToken: TOKEN, sessionStorage: new Map() });
    const closes = [];
    socket.onClose(({ code }) => closes.push(code));
    socket.connect();
    const channel = socket.channel("room:items", {});
    await answered(channel.join());
    const received = [];
    const isComplete = new Promise((resolve) => {
      channel.on("item", (payload) => {
        received.push(payload);
        cuts.received();
        if (received.length === count) resolve(undefined);
      });
    });
    const answers = [];
    for (let index = 0; index < count; index++) {
      await cuts.next();
      answers.push(answered(channel.push("item", item(index))));
    }
    received.push(...(await Promise.all([...answers, isComplete])).slice(0, count));
    await new Promise((resolve) => socket.ping(resolve));
    await answered(channel.leave());
    // Nothing that it would have to join its channel again for.
    received.push(`${closes.length} closes`);
    await new Promise((resolve) => socket.disconnect(() => resolve(undefined)));
    const expectedAnswers = items(count).map((pushed, at) => ({ pushed, at }));
    return { received, expected: [...items(count), ...expectedAnswers, "0 closes"] };
  },
};
