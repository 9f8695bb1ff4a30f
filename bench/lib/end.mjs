// @ts-check
/**
 * One end of what is measured: sends as it is told, and writes down what arrives and when. Pages and the server process
 * run the same code; it travels into pages as text, so it uses nothing from outside but what both have.
 */

/** About what people write: "123 I am still here, are you?" is 30 bytes. */
export const LINE_TEXT = "I am still here, are you?";

/**
 * @typedef {object} Plan
 * @property {number} fileBytes 0: no file, only lines
 * @property {number} intervalMs between lines; 0: only one, at the start
 *
 * @typedef {object} Sent times are of this end's clock, in ms
 * @property {number} startedAt
 * @property {number[]} sentAt of each line
 * @property {string} digest of the file
 *
 * @typedef {object} Arrived
 * @property {{ text: string, at: number }[]} lines
 * @property {{ at: number, bytes: number, digest: string }} [file]
 *
 * @typedef {ReturnType<typeof createEnd>} End
 * @typedef {{ sendLine: (text: string) => void, sendFile: (file: any) => void }} Half
 */

/**
 * @param {{ lineText: string, fileOf: (bytes: Uint8Array<ArrayBuffer>) => any }} setting what a file is, at this end
 */
export function createEnd({ lineText, fileOf }) {
  const now = () => performance.timeOrigin + performance.now();
  const hex = async (/** @type {BufferSource} */ bytes) =>
    [...new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))]
      .map((byte) => byte.toString(16).padStart(2, "0"))
      .join("");

  /** @type {Half} */
  let half;
  /** @type {{ text: string, at: number }[]} */
  let lines = [];
  /** @type {{ at: number, content: any } | undefined} */
  let file;
  /**
   * Small messages that are only counted; `at` is when the last of those that were expected came.
   * @type {{ count: number, expected: number, isInOrder: boolean, at: number } | undefined}
   */
  let burst;
  /** The question that is not answered yet: "tell me when this much is there". @type {(() => void) | undefined} */
  let answer;
  /** @type {Sent} */
  let sent = { startedAt: 0, sentAt: [], digest: "" };
  /** @type {any} */
  let timer;

  function sendLine() {
    sent.sentAt.push(now());
    half.sendLine(`${sent.sentAt.length - 1} ${lineText}`);
  }

  async function randomFile(/** @type {number} */ bytes) {
    const content = new Uint8Array(bytes);
    // As much as one call gives.
    for (let at = 0; at < bytes; at += 65_536) crypto.getRandomValues(content.subarray(at, at + 65_536));
    return { content, digest: await hex(content) };
  }

  /** @param {any} content */
  function bytesOf(content) {
    if (typeof content === "string") return Uint8Array.from(atob(content), (character) => character.charCodeAt(0));
    return content instanceof Blob ? content.arrayBuffer() : content;
  }

  return {
    receiver: {
      line: (/** @type {string} */ text) => {
        if (burst === undefined) {
          lines.push({ text, at: now() });
          answer?.();
          return;
        }
        if (Number.parseInt(text, 10) !== burst.count) burst.isInOrder = false;
        burst.count += 1;
        if (burst.count !== burst.expected) return;
        burst.at = now();
        answer?.();
      },
      file: (/** @type {any} */ content) => {
        file = { at: now(), content };
        answer?.();
      },
    },
    /** @param {Half} connected */
    use(connected) {
      half = connected;
    },
    reset() {
      lines = [];
      file = undefined;
      burst = undefined;
    },
    /** Sends the file and a line, and more lines until it is stopped. @param {Plan} plan */
    async start({ fileBytes, intervalMs }) {
      const { content, digest } = await randomFile(fileBytes);
      const given = fileOf(content);
      sent = { startedAt: now(), sentAt: [], digest };
      if (fileBytes > 0) half.sendFile(given);
      sendLine();
      if (intervalMs > 0) timer = setInterval(sendLine, intervalMs);
    },
    stop() {
      clearInterval(timer);
      return sent;
    },
    /** Sends so many small messages at once. @param {{ count: number, bytes: number }} plan */
    burst({ count, bytes }) {
      const texts = Array.from({ length: count }, (_, index) => `${index} `.padEnd(bytes, "."));
      const startedAt = now();
      for (const text of texts) half.sendLine(text);
      return { startedAt, handedOverAt: now() };
    },
    /** What arrives from now on are small messages to count. @param {number} expected */
    count(expected) {
      burst = { count: 0, expected, isInOrder: true, at: 0 };
    },
    counted: () => burst,
    /** @param {{ lines?: number, file?: boolean, burst?: boolean }} wanted @returns {Promise<void>} when it is there */
    wait(wanted) {
      return new Promise((resolve) => {
        answer = () => {
          if (lines.length < (wanted.lines ?? 0) || (wanted.file && file === undefined)) return;
          if (wanted.burst && (burst === undefined || burst.count < burst.expected)) return;
          answer = undefined;
          resolve();
        };
        answer();
      });
    },
    /** Hashing takes its time: this comes when nothing is measured any more. @returns {Promise<Arrived>} */
    async finish() {
      if (file === undefined) return { lines };
      const bytes = await bytesOf(file.content);
      return { lines, file: { at: file.at, bytes: bytes.byteLength, digest: await hex(bytes) } };
    },
  };
}
