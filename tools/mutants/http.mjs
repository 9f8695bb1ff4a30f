// @ts-check
// Defects in what is decided for lines over HTTP: when a request leaves and what goes along, who holds a connection, when an
// event stream is given up. The simulation models such lines, and not the code that makes requests of them, nor how long a
// decision takes; each of these is for the tests of a file to catch.

/**
 * @typedef {import("./plant.mjs").Change & { name: string, test: string }} HttpMutant
 *   `file` under src, `test` the file under test that has to fail
 */

const UPLINK = "test/transport/browser/http.test.ts";
const FAULTS = "test/conformance/http-faults.test.ts";
const LINES = "test/transport/node/http-lines.test.ts";

/** @type {readonly HttpMutant[]} */
export const HTTP_MUTANTS = [
  {
    name: "HTTP-03: a second POST does not wait for its time",
    file: "transport/http/pairing.ts",
    find: "return askedAt + this.#tookMs * PAIR_SHARE;",
    replace: "return askedAt;",
    test: UPLINK,
  },
  {
    name: "HTTP-03: small POSTs are two at a time as well",
    file: "transport/http/pairing.ts",
    find: "if (bytes >= PAIR_BYTES) return",
    replace: "if (bytes >= 0) return",
    test: UPLINK,
  },
  {
    name: "HTTP-03: POSTs are as many as there is something for",
    file: "transport/browser/http-uplink.ts",
    find: "if (post === undefined || this.#posts.length > 1 || this.#closeCode !== undefined) return undefined;",
    replace: "if (post === undefined || this.#closeCode !== undefined) return undefined;",
    test: UPLINK,
  },
  {
    name: "HTTP-03: POSTs are two at a time over HTTP/1.1 as well",
    file: "transport/http/pairing.ts",
    find: "if (this.#tookMs === undefined || !this.#isPaired) return undefined;",
    replace: "if (this.#tookMs === undefined) return undefined;",
    test: UPLINK,
  },
  {
    name: "HTTP-03: what can wait is decided on before there is a request",
    file: "driver/session-driver.ts",
    find: "const isBusy = transport.isBusy && !this.#session.isLeaving;",
    replace: "const isBusy = false;",
    test: "test/driver/session-driver.test.ts",
  },
  {
    name: "HTTP-03: an ack that would wait for a request is made all the same",
    file: "core/session/session.ts",
    find: 'const waits = budgetBytes <= 0 && (requests === "own" || requests === "both");',
    replace: "const waits = false;",
    test: "test/driver/session-driver.test.ts",
  },
  {
    name: "HTTP-09: what is behind a gap is taken",
    file: "transport/node/http-line.ts",
    find: "if (position !== this.#received + 1) return;",
    replace: "",
    test: LINES,
  },
  {
    name: "HTTP-10: what has overtaken the POST before is read at once",
    file: "transport/node/http-line.ts",
    find: "if (this.#isEarly(said)) return this.#keepEarly(said);",
    replace: "",
    test: LINES,
  },
  {
    name: "HTTP-10: what waits behind a gap waits for ever",
    file: "transport/node/http-line.ts",
    find: "const timer = setTimeout(refuseIt, this.#limits.earlyHoldMs);",
    replace: "const timer = setTimeout(() => {}, 0); void refuseIt;",
    test: LINES,
  },
  {
    name: "HTTP-12: bodies stay as large as they were",
    file: "transport/http/body-size.ts",
    find: "this.#max = Math.max(1, Math.floor(bytes / 2));",
    replace: "void bytes;",
    test: FAULTS,
  },
  {
    name: "HTTP-13: answers bring nothing",
    file: "transport/node/http-line.ts",
    find: "const { headers, body } = this.#take(received, carries ? ANSWER_BYTES_MAX : 0);",
    replace: "const { headers, body } = this.#take(received, carries ? 0 : 0);",
    test: LINES,
  },
  {
    name: "HTTP-14: nobody says what has come down",
    file: "transport/browser/http.ts",
    find: "if (this.#unacknowledgedBytes > UNACKNOWLEDGED_BYTES_MAX) this.#uplink.acknowledge();",
    replace: "",
    test: UPLINK,
  },
  {
    name: "HTTP-19: a stream that brings nothing is waited for",
    file: "transport/browser/http-downlink.ts",
    find: "this.#request?.expectWithin(HELD_BACK_MS);",
    replace: "",
    test: FAULTS,
  },
  {
    name: "HTTP-19: an outage ends event streams for good",
    file: "transport/browser/http-downlink.ts",
    find: 'if (this.#doubt === "open") {',
    replace: "if (false) {",
    test: FAULTS,
  },
  {
    name: "HTTP-12: bodies that fail again and again stay as large as they are",
    file: "transport/http/body-size.ts",
    find: "else if (this.#failures > 1)",
    replace: "else if (false)",
    test: FAULTS,
  },
  {
    name: "HTTP-19: a stream that is late again and again stays",
    file: "transport/browser/http-downlink.ts",
    find: "return this.#mayPoll && this.#sluggishTimes >= SLUGGISH_TIMES;",
    replace: "return false;",
    test: UPLINK,
  },
  {
    name: "HTTP-27: who has no place holds a connection all the same",
    file: "transport/browser/http-downlink.ts",
    find: "if (!this.#place.isHeld) await this.#pollInTurn();\n      else if",
    replace: "if",
    test: UPLINK,
  },
  {
    name: "HTTP-27: polls in turn are held like others",
    file: "transport/browser/http-downlink.ts",
    find: "await this.#poll({ ...POLL_HEADERS, [Header.HOLD]: String(TURN_MS) }, endTurn);",
    replace: "await this.#poll(POLL_HEADERS, endTurn);",
    test: UPLINK,
  },
  {
    name: "ACK-06: acks that cost a request are as many as others",
    file: "core/receive/ack-policy.ts",
    find: "this.#isCostly = isCostly;",
    replace: "this.#isCostly = false;",
    test: "test/core/receive/ack-policy.test.ts",
  },
  {
    name: "the window forgets what waits for a request",
    file: "core/send/request-wait.ts",
    find: 'if (this.#requests === "none") return 0;',
    replace: "if (this.#requests !== undefined) return 0;",
    test: "test/core/send/window.test.ts",
  },
  {
    name: "a request takes the whole window",
    file: "core/send/window.ts",
    find: "Math.ceil(this.windowBytes / 2)",
    replace: "this.windowBytes",
    test: "test/core/send/window.test.ts",
  },
];
