// @ts-check
import { once } from "node:events";

/**
 * One break of the line, decided beforehand so that all contenders meet the same.
 * @typedef {object} Fault
 * @property {string} kind
 * @property {number} throughMessages that have to come through in each direction before it
 * @property {number} bytes that still pass, where it matters
 * @property {"up" | "down"} direction
 */

/** What passes before a cut in the middle of a transfer: some of the larger messages, or a part of one. Arbitrary. */
const TRANSFER_BYTES_MAX = 64 * 1024;
/** About the HTTP upgrade and what follows it at once. */
const HANDSHAKE_BYTES_MAX = 600;
/** How long to wait for a transfer that reaches the byte; without one the line is cut all the same. */
const HIT_MS = 500;
const REFUSAL_MS = 1500;
const THROUGH_MESSAGES_MAX = 8;

/**
 * Each breaks the line and resolves to what belongs to it and comes later: when the connection is back.
 * @type {Record<string, (proxy: FaultProxy, fault: Fault) => Promise<() => void>>}
 * @typedef {import("../../e2e/support/fault-proxy.mjs").FaultProxy} FaultProxy
 */
const KINDS = {
  /** At a byte in the middle of what is on its way. */
  async cut(proxy, { bytes, direction }) {
    const broken = proxy.connections.map((connection) => once(connection, "close"));
    proxy.cutAfter(1 + (bytes % TRANSFER_BYTES_MAX), direction);
    await Promise.race([...broken, sleep(HIT_MS)]);
    proxy.cut();
    return nothing;
  },

  async reset(proxy) {
    proxy.reset();
    return nothing;
  },

  /** Half-open: nobody is told. What was held comes back when there is a new connection. */
  async freeze(proxy) {
    return freeze(proxy);
  },
  async "freeze-up"(proxy) {
    return freeze(proxy, "up");
  },
  async "freeze-down"(proxy) {
    return freeze(proxy, "down");
  },

  /** A cut, and another one in the middle of coming back. */
  async handshake(proxy, { bytes, direction }) {
    proxy.once("connection", (connection) => connection.cutAfter(1 + (bytes % HANDSHAKE_BYTES_MAX), direction));
    proxy.cut();
    return nothing;
  },

  /** A cut, and nobody there for a while. */
  async refuse(proxy) {
    proxy.refuse(true);
    proxy.cut();
    await sleep(REFUSAL_MS);
    proxy.refuse(false);
    return nothing;
  },
};

export const KIND_NAMES = Object.keys(KINDS);

/**
 * @param {FaultProxy} proxy
 * @param {Fault} fault
 */
export function breakLine(proxy, fault) {
  const kind = KINDS[fault.kind];
  if (kind === undefined) throw new Error(`no kind of cut "${fault.kind}"`);
  return kind(proxy, fault);
}

/**
 * @param {{ count: number, kinds: { name: string, weight: number }[], seed: number }} plan
 * @returns {Fault[]}
 */
export function planFaults({ count, kinds, seed }) {
  const random = xorshift(seed);
  const drawn = kinds.flatMap(({ name, weight }) => Array.from({ length: weight }, () => name));
  return Array.from({ length: count }, () => ({
    kind: /** @type {string} */ (drawn[random() % drawn.length]),
    throughMessages: 1 + (random() % THROUGH_MESSAGES_MAX),
    bytes: random() % 2 ** 24,
    direction: random() % 2 === 0 ? "up" : "down",
  }));
}

/**
 * @param {FaultProxy} proxy
 * @param {"up" | "down"} [direction]
 */
function freeze(proxy, direction) {
  const frozen = proxy.connections;
  for (const connection of frozen) connection.freeze(direction);
  return () => {
    for (const connection of frozen) connection.thaw(direction);
  };
}

function nothing() {}

/** @param {number} ms */
function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** @param {number} seed */
function xorshift(seed) {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    // The lower bits of neighbouring states are alike.
    return state >>> 4;
  };
}
