// @ts-check
import { native } from "./native.mjs";
import { sluice } from "./sluice.mjs";
import { sluiceHigh } from "./sluice-high.mjs";

/**
 * @typedef {object} Receiver where the serving half reports what arrives, at the moment it arrives
 * @property {(text: string) => void} line
 * @property {(content: Uint8Array) => void} file
 *
 * @typedef {object} Connection the sending half, in the page
 * @property {(text: string) => void} sendLine
 * @property {(file: Blob) => void} sendFile
 * @property {() => void} close
 *
 * @typedef {object} Contender
 * @property {string} name on the command line
 * @property {string} title in the table
 * @property {URL[]} scripts that the page loads before it connects
 * @property {(server: import("node:http").Server, receiver: Receiver) => void | Promise<void>} serve
 * @property {(host: string) => Promise<Connection>} connect runs in the page, so it sees nothing of its module
 */

/** A new contender is one file and one line here. @type {Contender[]} */
export const CONTENDERS = [native, sluice, sluiceHigh];
