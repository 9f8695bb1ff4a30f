/**
 * The connection to the demo server that is not slowed down: it says who we are, when things arrived, and what time
 * it is over there. Comes back by itself.
 */

const RETRY_MS = 1000;
/** The first exchanges come quickly, while nobody knows the clocks; later ones follow their drift. */
const PING_FIRST_MS = 40;
const PING_MS = 1000;
const SAMPLES_MIN = 10;
const SAMPLES_MAX = 30;

export function epochNow() {
  return performance.timeOrigin + performance.now();
}

export class Control extends EventTarget {
  #url;
  #socket;
  #pings;
  #samples = [];

  constructor(url) {
    super();
    this.#url = url;
    this.#dial();
  }

  tell(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** A moment of the server's clock on the page's, from the quickest of the recent exchanges. */
  toPageTime(serverMs) {
    const best = this.clock;
    return best === undefined ? serverMs : serverMs - best.offsetMs;
  }

  /** The offset of the server's clock and how far it may be off. */
  get clock() {
    let best;
    for (const sample of this.#samples) if (best === undefined || sample.errorMs < best.errorMs) best = sample;
    return best;
  }

  get isCalibrated() {
    return this.#samples.length >= SAMPLES_MIN;
  }

  #dial() {
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#samples = [];
    socket.onopen = () => this.#ping();
    socket.onmessage = (event) => this.#handle(JSON.parse(event.data));
    socket.onclose = (event) => {
      clearTimeout(this.#pings);
      this.dispatchEvent(new CustomEvent("lost", { detail: { isFull: event.code === 1013 } }));
      setTimeout(() => this.#dial(), RETRY_MS);
    };
  }

  #ping() {
    this.tell({ type: "ping", sent: epochNow() });
  }

  #handle(message) {
    if (message.type !== "pong") {
      this.dispatchEvent(new CustomEvent(message.type, { detail: message }));
      return;
    }
    const roundTripMs = epochNow() - message.sent;
    this.#samples.push({ offsetMs: message.at - message.sent - roundTripMs / 2, errorMs: roundTripMs / 2 });
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift();
    this.#pings = setTimeout(() => this.#ping(), this.isCalibrated ? PING_MS : PING_FIRST_MS);
  }
}
