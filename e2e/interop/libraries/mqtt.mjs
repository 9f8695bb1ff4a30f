import { Aedes } from "aedes";
import mqttLibrary from "mqtt";
import { createWebSocketStream } from "ws";
import { item, items } from "../items.mjs";

/** @type {import("../library.mjs").Library} One client publishes to another, through a broker. */
export const mqtt = {
  name: "MQTT.js + aedes",
  async serve({ makeServer }) {
    const broker = await Aedes.createBroker();
    makeServer().on("connection", (socket, request) => {
      broker.handle(createWebSocketStream(socket), request);
    });
    return () => new Promise((resolve) => broker.close(() => resolve(undefined)));
  },
  async use({ url, WebSocket, cuts, count }) {
    const connect = (clientId) =>
      mqttLibrary.connectAsync(url, {
        clientId,
        // As in a browser, where mqtt.js takes what looks like a WebSocket of the page.
        forceNativeWebSocket: true,
        createWebsocket: (address, protocols) => new WebSocket(address, protocols),
        reconnectPeriod: 0,
      });
    const [publisher, subscriber] = await Promise.all([connect("publisher"), connect("subscriber")]);
    await subscriber.subscribeAsync("items", { qos: 1 });
    const received = [];
    const isComplete = new Promise((resolve) => {
      subscriber.on("message", (_topic, payload) => {
        received.push(JSON.parse(String(payload)));
        cuts.received();
        if (received.length === count) resolve(undefined);
      });
    });
    for (let index = 0; index < count; index++) {
      await cuts.next();
      publisher.publish("items", JSON.stringify(item(index)), { qos: 1 });
    }
    await isComplete;
    await Promise.all([publisher.endAsync(), subscriber.endAsync()]);
    return { received, expected: items(count) };
  },
};
