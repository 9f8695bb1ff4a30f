// @ts-check
import { gate } from "./gate.mjs";
import { native } from "./native.mjs";
import { sluice } from "./sluice.mjs";
import { sluiceHigh } from "./sluice-high.mjs";
import { sluiceIteration } from "./sluice-iteration.mjs";
import { sockJs } from "./sock-js.mjs";
import { socketIo } from "./socket-io.mjs";

/**
 * @typedef {object} Receiver where a half reports what arrives, at the moment it arrives
 * @property {(text: string) => void} line
 * @property {(content: Content) => void} file
 *
 * @typedef {Blob | ArrayBuffer | Uint8Array | string} Content of a file; a string is base64
 *
 * @typedef {object} ServerHalf sends to the client that connected last
 * @property {(text: string) => void} sendLine
 * @property {(file: Buffer) => void} sendFile
 *
 * @typedef {object} PageHalf
 * @property {(text: string) => void} sendLine
 * @property {(file: Blob) => void} sendFile
 * @property {() => void} close
 *
 * @typedef {object} Contender
 * @property {string} name on the command line
 * @property {string} title in the table
 * @property {string} [note] below the table: what else has to be known
 * @property {URL[]} scripts that the page loads before it connects
 * @property {(server: import("node:http").Server, receiver: Receiver) => ServerHalf | Promise<ServerHalf>} serve
 * @property {(host: string, receiver: Receiver) => Promise<PageHalf>} connect runs in the page, so it sees nothing of
 *   its module
 */

/** A new contender is one file and one line here. @type {Contender[]} */
export const CONTENDERS = [native, gate, socketIo, sockJs, sluice, sluiceHigh, sluiceIteration];

/** Who is measured when nobody is named. @type {Contender[]} */
export const USUAL_CONTENDERS = [native, gate, socketIo, sockJs, sluice];
