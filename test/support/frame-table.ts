import type { ChunkFrame, Frame, Parameters } from "../../src/core/wire/frame.js";

const ascii = (text: string) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const sevens = (count: number) => new Uint8Array(count).fill(7);
const parameters = (...pairs: [number, Uint8Array][]): Parameters => new Map(pairs);

export const chunk = (fields: Partial<ChunkFrame>): ChunkFrame => ({
  type: "chunk",
  channel: 0,
  first: true,
  last: true,
  text: false,
  totalBytes: undefined,
  payload: new Uint8Array(0),
  ...fields,
});

/** Every kind of frame at its smallest and with something in it, as bytes and as the engine sees it. */
export const FRAME_TABLE: {
  title: string;
  carriage: "numbered" | "unnumbered" | "either";
  hex: string;
  frame: Frame;
}[] = [
  {
    title: "an empty GREETING",
    carriage: "unnumbered",
    hex: "01 00",
    frame: { type: "greeting", parameters: parameters() },
  },
  {
    title: "a GREETING of three parameters, one of them not assigned",
    carriage: "unnumbered",
    hex: "01 0c 0000 02 02 6869 7fff 03 010203",
    frame: {
      type: "greeting",
      parameters: parameters([0, ascii("")], [2, ascii("hi")], [0x3fff, Uint8Array.of(1, 2, 3)]),
    },
  },
  {
    title: "HELLO",
    carriage: "unnumbered",
    hex: "02 03 01 01 01",
    frame: { type: "hello", parameters: parameters([1, Uint8Array.of(1)]) },
  },
  {
    title: "WELCOME",
    carriage: "unnumbered",
    hex: "03 03 05 01 ff",
    frame: { type: "welcome", parameters: parameters([5, Uint8Array.of(255)]) },
  },
  {
    title: "ACK of nothing",
    carriage: "either",
    hex: "04 00 00 00 00",
    frame: { type: "ack", number: 0, bytes: 0, receivedTicks: 0, delayTicks: 0 },
  },
  {
    title: "ACK of much",
    carriage: "either",
    hex: "04 4040 80004000 c01fffffffffffff 3f",
    frame: { type: "ack", number: 64, bytes: 16_384, receivedTicks: 2 ** 53 - 1, delayTicks: 63 },
  },
  {
    title: "CHANNEL_CREDIT",
    carriage: "either",
    hex: "05 ff 4100",
    frame: { type: "channel-credit", channel: 255, bytes: 256 },
  },
  { title: "an empty PING", carriage: "unnumbered", hex: "07 00", frame: { type: "ping", payload: sevens(0) } },
  {
    title: "the longest PING",
    carriage: "unnumbered",
    hex: `07 407d ${"07".repeat(125)}`,
    frame: { type: "ping", payload: sevens(125) },
  },
  { title: "PONG", carriage: "unnumbered", hex: "08 02 0707", frame: { type: "pong", payload: sevens(2) } },
  {
    title: "ABORT",
    carriage: "unnumbered",
    hex: "09 43ea 00",
    frame: { type: "abort", code: 1002, reason: ascii("") },
  },
  { title: "DETACH", carriage: "unnumbered", hex: "0a", frame: { type: "detach" } },
  { title: "GOAWAY", carriage: "unnumbered", hex: "0b 5388", frame: { type: "goaway", delayMs: 5000 } },
  {
    title: "CLOSE without a code",
    carriage: "numbered",
    hex: "10 00 00",
    frame: { type: "close", code: 0, reason: ascii("") },
  },
  {
    title: "CLOSE with the highest code",
    carriage: "numbered",
    hex: "10 5387 03 627965",
    frame: { type: "close", code: 4999, reason: ascii("bye") },
  },
  {
    title: "CLOSE with the longest reason",
    carriage: "numbered",
    hex: `10 43e8 407b ${"07".repeat(123)}`,
    frame: { type: "close", code: 1000, reason: sevens(123) },
  },
  {
    title: "CHANNEL_OPEN, high",
    carriage: "numbered",
    hex: "11 01 00 01 61",
    frame: { type: "channel-open", channel: 1, priority: "high", name: ascii("a") },
  },
  {
    title: "CHANNEL_OPEN, normal",
    carriage: "numbered",
    hex: "11 02 01 01 62",
    frame: { type: "channel-open", channel: 2, priority: "normal", name: ascii("b") },
  },
  {
    title: "CHANNEL_OPEN, low, the longest name",
    carriage: "numbered",
    hex: `11 ff 02 4100 ${"07".repeat(256)}`,
    frame: { type: "channel-open", channel: 255, priority: "low", name: sevens(256) },
  },
  { title: "CHANNEL_CLOSE", carriage: "numbered", hex: "12 01", frame: { type: "channel-close", channel: 1 } },
  { title: "RESET", carriage: "numbered", hex: "13 00", frame: { type: "reset", channel: 0 } },
  {
    title: "REJECT",
    carriage: "numbered",
    hex: "14 09 40c8 43f1",
    frame: { type: "reject", channel: 9, message: 200, code: 1009 },
  },
  { title: "ADMIT", carriage: "numbered", hex: "15 ff 4100", frame: { type: "admit", channel: 255, message: 256 } },
  { title: "an empty message", carriage: "numbered", hex: "43 00 00", frame: chunk({}) },
  {
    title: "a text message",
    carriage: "numbered",
    hex: "47 05 02 6869",
    frame: chunk({ channel: 5, text: true, payload: ascii("hi") }),
  },
  {
    title: "a first chunk, total unknown",
    carriage: "numbered",
    hex: `41 00 4400 ${"07".repeat(1024)}`,
    frame: chunk({ last: false, payload: sevens(1024) }),
  },
  {
    title: "a first chunk of text, total known",
    carriage: "numbered",
    hex: `4d 01 80004000 4400 ${"07".repeat(1024)}`,
    frame: chunk({ channel: 1, last: false, text: true, totalBytes: 16_384, payload: sevens(1024) }),
  },
  {
    title: "a chunk in the middle",
    carriage: "numbered",
    hex: `40 01 4400 ${"07".repeat(1024)}`,
    frame: chunk({ channel: 1, first: false, last: false, payload: sevens(1024) }),
  },
  {
    title: "a last chunk",
    carriage: "numbered",
    hex: "42 01 01 07",
    frame: chunk({ channel: 1, first: false, payload: sevens(1) }),
  },
  { title: "a last chunk of nothing", carriage: "numbered", hex: "42 00 00", frame: chunk({ first: false }) },
];
