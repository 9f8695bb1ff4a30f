/**
 * One side of the comparison: a connection, the chat lines sent over it, and an upload. What the two sides do with
 * the same three calls (`dial`, `sendText`, `sendFile`) is at the end; the rest is bookkeeping and the same for both.
 */
import { epochNow } from "./control.js";

const RETRY_MS = 1000;
/** Lines kept: two minutes at ten a second. */
const LINES_MAX = 1200;
/** Throughput is read over the last second of reports. */
const RATE_SPAN_MS = 1000;

/** @typedef {{ number: number, text: string, isShown: boolean, sentAt: number, arrivedAt?: number, isLost: boolean }} Line */

class Side extends EventTarget {
  name;
  title;
  /** @type {"waiting" | "connecting" | "open" | "lost"} */
  state = "waiting";
  /** @type {Line[]} */
  lines = [];
  /** What came out of the line and what waits in it, as the server last reported. */
  line = { bytes: 0, queuedBytes: 0 };
  sent = 0;
  arrived = 0;
  lost = 0;
  /** @type {undefined | { state: "running" | "done" | "cancelled" | "failed", bytes: number, arrivedBytes: number, baseBytes: number, startedAt: number, finishedAt?: number }} */
  upload;
  #url;
  #retry;
  #waiting = new Map();
  #reports = [];

  constructor(name, title) {
    super();
    this.name = name;
    this.title = title;
  }

  connect(url) {
    this.disconnect();
    this.#url = url;
    this.state = "connecting";
    this.dial(url);
  }

  /** Without a retry: the server is gone. */
  disconnect() {
    clearTimeout(this.#retry);
    this.#url = undefined;
    this.hangUp();
    this.#settleLoss();
    this.state = "waiting";
    this.line = { bytes: 0, queuedBytes: 0 };
    this.#reports = [];
  }

  say(text, isShown) {
    if (this.state !== "open") return;
    const line = { number: this.sent, text, isShown, sentAt: epochNow(), arrivedAt: undefined, isLost: false };
    this.sent += 1;
    this.#waiting.set(line.number, line);
    this.lines.push(line);
    if (this.lines.length > LINES_MAX) this.lines.shift();
    this.sendText(`${line.number} ${text}`);
    if (isShown) this.#emit("line", line);
  }

  start(file) {
    if (this.state !== "open") return;
    this.upload = {
      state: "running",
      bytes: file.size,
      arrivedBytes: 0,
      baseBytes: this.line.bytes,
      startedAt: epochNow(),
      finishedAt: undefined,
    };
    this.sendFile(file);
    this.#emit("upload");
  }

  cancel() {
    if (this.upload?.state !== "running") return;
    this.#finishUpload("cancelled", epochNow());
    this.cancelFile();
  }

  handleArrival(number, at) {
    const line = this.#waiting.get(number);
    if (line === undefined) return;
    this.#waiting.delete(number);
    line.arrivedAt = at;
    this.arrived += 1;
  }

  handleFile(at) {
    if (this.upload?.state !== "running") return;
    this.upload.arrivedBytes = this.upload.bytes;
    this.#finishUpload("done", at);
  }

  handleReport(report, at) {
    this.line = report;
    this.#reports.push({ bytes: report.bytes, at });
    while (this.#reports.length > 2 && at - this.#reports[0].at > RATE_SPAN_MS) this.#reports.shift();
    const upload = this.upload;
    if (upload?.state === "running") {
      upload.arrivedBytes = Math.max(0, Math.min(upload.bytes, report.bytes - upload.baseBytes));
    }
  }

  /** Bits per second: now while the upload runs, over all of it afterwards. */
  get rate() {
    const { upload } = this;
    if (upload?.state === "done") return (upload.bytes * 8000) / (upload.finishedAt - upload.startedAt);
    const [first, last] = [this.#reports[0], this.#reports.at(-1)];
    if (first === undefined || last.at === first.at) return 0;
    return ((last.bytes - first.bytes) * 8000) / (last.at - first.at);
  }

  /** The oldest line that has not arrived. */
  get oldestWaiting() {
    return this.#waiting.values().next().value;
  }

  get waitingCount() {
    return this.#waiting.size;
  }

  /** How long the lines sent during the upload took; those under way count with their age so far. */
  summary(now) {
    const { upload } = this;
    if (upload === undefined) return undefined;
    const until = upload.finishedAt ?? now;
    const times = this.lines
      .filter((line) => line.sentAt >= upload.startedAt && line.sentAt <= until && !line.isLost)
      .map((line) => (line.arrivedAt ?? now) - line.sentAt)
      .sort((a, b) => a - b);
    if (times.length === 0) return undefined;
    return { typicalMs: times[Math.floor(times.length / 2)], worstMs: times.at(-1), count: times.length };
  }

  opened() {
    this.state = "open";
    this.#emit("state");
  }

  closed(code) {
    if (this.#url === undefined) return;
    this.state = "lost";
    this.#settleLoss();
    this.#emit("closed", code);
    const url = this.#url;
    this.#retry = setTimeout(() => this.connect(url), RETRY_MS);
  }

  /** The server has forgotten the session: what is not known to have arrived is lost. */
  restarted() {
    this.#settleLoss();
  }

  noted(words) {
    this.#emit("note", words);
  }

  #settleLoss() {
    for (const line of this.#waiting.values()) line.isLost = true;
    this.lost += this.#waiting.size;
    this.#waiting.clear();
    if (this.upload?.state === "running") this.#finishUpload("failed", epochNow());
  }

  #finishUpload(state, at) {
    this.upload.state = state;
    this.upload.finishedAt = at;
    this.#emit("upload");
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** Chat on the socket itself, the file on a low-priority channel beside it. */
export class SluiceSide extends Side {
  #socket;
  #files;
  #receipt;

  dial(url) {
    const socket = new globalThis.Sluice.SluiceSocket(url);
    this.#socket = socket;
    this.#files = socket.channel("files", { priority: "low" });
    socket.onopen = () => this.opened();
    socket.onclose = (event) => this.closed(event.code);
    socket.onsessionlost = () => this.restarted();
    socket.addEventListener("connectionstatechange", () => {
      if (socket.connectionState === "reconnecting") this.noted("The line was cut; nothing is lost by that");
      else if (socket.connectionState === "connected" && socket.stats().resumes > 0) this.noted("Back on a new line");
    });
  }

  hangUp() {
    if (this.#socket === undefined) return;
    this.#socket.onclose = null;
    this.#socket.close();
    this.#socket = undefined;
  }

  sendText(text) {
    this.#socket.send(text);
  }

  sendFile(file) {
    this.#receipt = this.#files.send(file);
  }

  cancelFile() {
    this.#receipt?.cancel();
  }

  get cancelNote() {
    return "Upload cancelled, the chat goes on";
  }

  get transport() {
    return this.#socket?.transport ?? "reconnecting";
  }

  get bufferedBytes() {
    return (this.#socket?.bufferedAmount ?? 0) + (this.#files?.bufferedAmount ?? 0);
  }

  /** Sent and not acknowledged: what the next line has in front of it. */
  get aheadBytes() {
    return this.#socket?.stats().inFlightBytes ?? 0;
  }

  get roundTripMs() {
    return this.#socket?.stats().roundTripTimeMs;
  }
}

/** The same over what the browser has built in: one queue, first come, first served. */
export class NativeSide extends Side {
  #socket;
  #control;

  constructor(name, title, control) {
    super(name, title);
    this.#control = control;
  }

  dial(url) {
    const socket = new WebSocket(url);
    this.#socket = socket;
    socket.onopen = () => this.opened();
    socket.onclose = (event) => this.closed(event.code);
  }

  hangUp() {
    if (this.#socket === undefined) return;
    this.#socket.onclose = null;
    this.#socket.close();
    this.#socket = undefined;
  }

  sendText(text) {
    this.#socket.send(text);
  }

  sendFile(file) {
    this.#socket.send(file);
  }

  /** A message of a WebSocket cannot be taken back: only the whole connection can go, with the lines in it. */
  cancelFile() {
    this.#control.tell({ type: "drop", side: this.name });
  }

  get cancelNote() {
    return "Upload cancelled: the connection has to go, with all that is in it";
  }

  get transport() {
    return this.state === "open" ? "websocket" : undefined;
  }

  get bufferedBytes() {
    return this.#socket?.bufferedAmount ?? 0;
  }

  /** Everything handed over and not yet out of the line's other end. */
  get aheadBytes() {
    const { upload } = this;
    return upload?.state === "running" ? upload.bytes - upload.arrivedBytes : this.line.queuedBytes;
  }

  get roundTripMs() {
    return undefined;
  }
}
