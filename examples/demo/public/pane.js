/** One side on the page: the figure, the upload, the facts, the chat log. */
import { bytes, duration, megabit, text } from "./format.js";

const LOG_MAX = 40;
/** A line older than this and still waiting is the news; below, it is just on its way. */
const NEWS_MS = 400;

const FACTS = [
  ["typical", "Typical", "half of the lines of this upload took less"],
  ["worst", "Worst", "the slowest line of this upload"],
  ["waiting", "On the way", "chat lines sent and not arrived"],
  ["ahead", "Ahead of you", "bytes that the next chat line has to wait for"],
  ["queue", "Line queue", "bytes waiting in the emulated line"],
  ["roundTrip", "Round trip", "as the connection itself knows it"],
];

export class Pane {
  #side;
  #parts;
  #facts = new Map();
  /** @type {{ line: import("./side.js").Line, status: HTMLElement, row: HTMLElement }[]} */
  #open = [];

  constructor(side, template) {
    this.#side = side;
    const fragment = template.content.cloneNode(true);
    const find = (selector) => fragment.querySelector(selector);
    const root = find(".pane");
    const chat = find(".side-log");
    root.dataset.side = side.name;
    chat.dataset.side = side.name;
    const title = find("h2");
    title.id = `${side.name}-title`;
    title.textContent = side.title;
    root.setAttribute("aria-labelledby", title.id);
    find("progress").setAttribute("aria-label", `Upload through ${side.title}`);
    find("h3").textContent = side.title;
    find(".log").setAttribute("aria-label", `Chat through ${side.title}, newest line first`);
    // It scrolls, so the keyboard has to get there.
    find(".log").tabIndex = 0;
    this.#parts = {
      root,
      chat,
      transport: find(".transport"),
      value: find(".figure .value"),
      unit: find(".figure .unit"),
      caption: find(".caption"),
      rate: find(".upload-rate"),
      progress: find("progress"),
      uploadText: find(".upload-text"),
      log: find(".log"),
    };
    for (const [key, label, help] of FACTS) {
      const group = document.createElement("div");
      group.title = help;
      const term = document.createElement("dt");
      term.textContent = label;
      const value = document.createElement("dd");
      value.textContent = "–";
      group.append(term, value);
      find(".facts").append(group);
      this.#facts.set(key, value);
    }
    this.#note("Nothing said yet.", "empty");
    side.addEventListener("line", (event) => this.#addLine(event.detail));
    side.addEventListener("upload", () => this.#noteUpload());
    side.addEventListener("note", (event) => this.#note(event.detail, "note"));
    side.addEventListener("closed", (event) => this.#note(`Connection lost (${event.detail}), dialling again`, "bad"));
  }

  get element() {
    return this.#parts.root;
  }

  get chatElement() {
    return this.#parts.chat;
  }

  update(now) {
    const side = this.#side;
    const { root, transport } = this.#parts;
    root.dataset.state = side.state;
    transport.textContent =
      side.state === "open"
        ? (side.transport ?? "–")
        : { waiting: "no server", connecting: "connecting", lost: "lost" }[side.state];
    this.#updateFigure(now);
    this.#updateUpload();
    this.#updateFacts(now);
    this.#updateLog(now);
  }

  #updateFigure(now) {
    const { value, unit, caption } = this.#parts;
    const side = this.#side;
    const recent = side.lines.filter((line) => line.arrivedAt !== undefined).slice(-5);
    const last = recent.map((line) => line.arrivedAt - line.sentAt).sort((a, b) => a - b)[recent.length >> 1];
    const age = side.oldestWaiting === undefined ? 0 : now - side.oldestWaiting.sentAt;
    const isStuck = age > NEWS_MS && age > (last ?? 0);
    const shown = duration(isStuck ? age : (last ?? Number.NaN));
    value.textContent = shown.value;
    unit.textContent = shown.unit;
    if (isStuck) caption.textContent = "and the oldest line has still not arrived";
    else if (last === undefined) caption.textContent = "no chat line yet";
    else
      caption.textContent =
        side.state === "open" ? "is what a chat line takes now" : "it took, before the connection went";
  }

  #updateUpload() {
    const { progress, uploadText, rate, root } = this.#parts;
    const { upload } = this.#side;
    root.dataset.upload = upload?.state ?? "none";
    const hasRate = upload?.state === "running" || upload?.state === "done";
    rate.textContent = hasRate ? megabit(this.#side.rate) : "";
    if (upload === undefined) return;
    const share = upload.bytes === 0 ? 1 : upload.arrivedBytes / upload.bytes;
    progress.value = share;
    const seconds = (((upload.finishedAt ?? 0) - upload.startedAt) / 1000).toFixed(1);
    uploadText.textContent = {
      running: `${Math.floor(share * 100)} %, ${bytes(upload.arrivedBytes)} of ${bytes(upload.bytes)}`,
      done: `${bytes(upload.bytes)} arrived in ${seconds} s`,
      cancelled: `cancelled after ${bytes(upload.arrivedBytes)}`,
      failed: `lost with the connection after ${bytes(upload.arrivedBytes)}`,
    }[upload.state];
  }

  #updateFacts(now) {
    const side = this.#side;
    const summary = side.summary(now);
    this.#fact("typical", summary === undefined ? "–" : text(duration(summary.typicalMs)));
    this.#fact("worst", summary === undefined ? "–" : text(duration(summary.worstMs)));
    this.#fact("waiting", side.lost > 0 ? `${side.waitingCount} (${side.lost} lost)` : String(side.waitingCount));
    const isOpen = side.state === "open";
    this.#fact("ahead", isOpen ? bytes(side.aheadBytes) : "–");
    this.#fact("queue", isOpen ? bytes(side.line.queuedBytes) : "–");
    this.#fact("roundTrip", side.roundTripMs === undefined ? "not known" : text(duration(side.roundTripMs)));
  }

  #fact(key, value) {
    const element = this.#facts.get(key);
    if (element.textContent !== value) element.textContent = value;
  }

  #updateLog(now) {
    this.#open = this.#open.filter(({ line, status, row }) => {
      if (line.arrivedAt !== undefined) {
        status.textContent = text(duration(line.arrivedAt - line.sentAt));
        row.dataset.state = "arrived";
        return false;
      }
      if (line.isLost) {
        status.textContent = "lost";
        row.dataset.state = "lost";
        return false;
      }
      const age = now - line.sentAt;
      status.textContent = age < NEWS_MS ? "sending" : `waiting ${text(duration(age))}`;
      return true;
    });
  }

  #addLine(line) {
    const status = document.createElement("span");
    status.className = "status";
    status.textContent = "sending";
    const said = document.createElement("span");
    said.className = "said";
    said.textContent = line.text;
    const row = this.#append([said, status]);
    row.dataset.state = "waiting";
    this.#open.push({ line, status, row });
  }

  #noteUpload() {
    const { upload } = this.#side;
    const seconds = (((upload.finishedAt ?? 0) - upload.startedAt) / 1000).toFixed(1);
    const notes = {
      running: `Upload of ${bytes(upload.bytes)} begins`,
      done: `Upload finished after ${seconds} s`,
      cancelled: this.#side.cancelNote,
      failed: "Upload lost",
    };
    this.#note(notes[upload.state], upload.state === "failed" ? "bad" : "note");
  }

  #note(words, kind) {
    const note = document.createElement("span");
    note.textContent = words;
    this.#append([note]).classList.add(kind);
  }

  #append(children) {
    const { log } = this.#parts;
    log.querySelector(".empty")?.remove();
    const row = document.createElement("li");
    row.append(...children);
    log.prepend(row);
    if (log.childElementCount > LOG_MAX) log.lastElementChild.remove();
    return row;
  }
}
