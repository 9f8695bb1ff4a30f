/**
 * A library with both of its ends, as its documentation shows them: what makes a WebSocket is exchanged, and nothing else.
 *
 * @typedef {object} Library
 * @property {string} name
 * @property {string} [onlyWebSocket] why there is nothing for it over HTTP
 * @property {boolean} [isRefused] whether its sockets may end before the server's application has seen them
 * @property {(world: ServerWorld) => End | Promise<End>} serve starts the server's part
 * @property {(world: ClientWorld) => Promise<Outcome>} use lets a client send or receive `count` items and more
 *
 * @typedef {() => unknown} End ends what was started
 *
 * @typedef {object} ServerWorld
 * @property {(options?: { maxPayload?: number }) => import("../../src/server/index.js").SluiceServer} makeServer a server on
 *   all paths of `http`, typed as ours also where it is that of `ws`
 * @property {import("node:http").Server} http
 * @property {any} Server the class, for those who make it themselves
 * @property {import("./cuts.mjs").Cuts} cuts
 * @property {number} count
 *
 * @typedef {object} ClientWorld
 * @property {string} url of the server, ws, without a path
 * @property {any} WebSocket a `SluiceSocket`, or another WebSocket class
 * @property {() => () => void} install for libraries that take no class: makes it the global one; returns what puts that back
 * @property {import("./cuts.mjs").Cuts} cuts
 * @property {number} count
 *
 * @typedef {object} Outcome what came, and what would have to, in order
 * @property {readonly unknown[]} received
 * @property {readonly unknown[]} expected
 */

export {};
