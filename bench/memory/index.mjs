// @ts-check
import { native } from "./native.mjs";
import { sluiceIteration } from "./sluice-iteration.mjs";
import { sluiceReadable } from "./sluice-readable.mjs";

/**
 * Both halves are what an application has that does not want to fill memory: the server sends when it is told that it
 * may, the page takes messages one after the other.
 *
 * @typedef {object} ServerHalf
 * @property {(piece: Buffer) => Promise<void>} send to the client that connected last; resolves when more may follow
 *
 * @typedef {object} PageHalf
 * @property {() => void} goOn from here on it takes everything; before that it takes one message and no more
 * @property {() => { bytes: number, messages: number }} state what it has taken
 *
 * @typedef {object} MemoryContender
 * @property {string} name on the command line
 * @property {string} title in the table
 * @property {string[]} scripts that the page loads before it connects
 * @property {(server: import("node:http").Server) => ServerHalf | Promise<ServerHalf>} serve
 * @property {(host: string) => Promise<PageHalf | undefined>} connect runs in the page, so it sees nothing of its module;
 *   `undefined` where the library cannot do it
 */

/** A new contender is one file and one line here. @type {MemoryContender[]} */
export const CONTENDERS = [native, sluiceIteration, sluiceReadable];
