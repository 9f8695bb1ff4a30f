// @ts-check
import { sluice } from "./sluice.mjs";
import { socketIo } from "./socket-io.mjs";
import { socketIoRecovery } from "./socket-io-recovery.mjs";

/**
 * Both halves are what an ordinary application has: they send, they take what comes, and leave it to the library
 * whether it arrives.
 *
 * @typedef {object} ServerHalf
 * @property {(text: string) => void} send to the client that connected last
 *
 * @typedef {object} PageHalf
 * @property {(text: string) => void} send
 * @property {() => PageState} state
 *
 * @typedef {object} PageState
 * @property {number} connects how often the connection has come up so far
 * @property {boolean} isConnected
 * @property {boolean} isOver whether it will never come up again
 *
 * @typedef {object} CutsContender
 * @property {string} name on the command line
 * @property {string} title in the table
 * @property {string} script that the page loads before it connects
 * @property {(server: import("node:http").Server, received: (text: string) => void) => ServerHalf | Promise<ServerHalf>} serve
 * @property {(host: string, received: (text: string) => void) => PageHalf} connect runs in the page, so it sees nothing
 *   of its module
 */

/** A new contender is one file and one line here. @type {CutsContender[]} */
export const CONTENDERS = [sluice, socketIo, socketIoRecovery];
