// @ts-check
/** What goes wrong between a browser and a server, each as something that is done to a `HttpFaultProxy`. */

/**
 * @typedef {import("../support/http-fault-proxy.mjs").HttpFaultProxy} HttpFaultProxy
 * @typedef {import("../support/http-fault-proxy.mjs").Upgrade} Upgrade
 * @typedef {import("../support/http-fault-proxy.mjs").Exchange} Exchange
 * @typedef {import("../support/http-fault-proxy.mjs").UpgradedLine} UpgradedLine
 * @typedef {(proxy: HttpFaultProxy) => void | ((round: number) => unknown)} Fault returns what it does before each round of
 *   messages but the first, if anything
 */

/** WebSockets are refused with a status. @param {Upgrade} upgrade */
function refuse({ client }) {
  client.end("HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
}

/** @type {Fault} */
export const refused = (proxy) => {
  proxy.onUpgrade = refuse;
};

/** No answer, for ever. @type {Fault} */
export const hanging = (proxy) => {
  proxy.onUpgrade = () => {};
};

/** @type {Fault} */
export const reset = (proxy) => {
  proxy.onUpgrade = ({ client }) => client.resetAndDestroy();
};

/** The handshake succeeds, as far as anybody can see; then nothing comes through, either way. @type {Fault} */
export const silent = (proxy) => {
  proxy.onUpgrade = ({ pass }) => {
    pass().filter = { up: () => undefined, down: () => undefined };
  };
};

/** The reserved bits of the first frame are not 0, which no browser takes. @type {Fault} */
export const corrupting = (proxy) => {
  proxy.onUpgrade = ({ pass }) => {
    pass().filter.down = (piece) => {
      const wrong = Buffer.from(piece);
      wrong[0] = /** @type {number} */ (wrong[0]) | 0x70;
      return wrong;
    };
  };
};

/** @param {number} ageMs @returns {Fault} */
export function killedAfter(ageMs) {
  return (proxy) => {
    proxy.onUpgrade = async ({ pass }) => {
      const line = pass();
      await line.opened;
      setTimeout(() => line.cut(), ageMs);
    };
  };
}

/** @param {number} idleMs @returns {Fault} */
export const killedWhenIdle = (idleMs) => whenIdle(idleMs, (line) => line.cut());

/** @param {number} idleMs @returns {Fault} */
export const resetWhenIdle = (idleMs) => whenIdle(idleMs, (line) => line.reset());

/** What has been forgotten is not carried any more, and nobody is told. @param {number} idleMs @returns {Fault} */
export const silentWhenIdle = (idleMs) =>
  whenIdle(idleMs, (line) => {
    line.filter = { up: () => undefined, down: () => undefined };
  });

/**
 * @param {number} idleMs
 * @param {(line: UpgradedLine) => void} end
 * @returns {Fault}
 */
function whenIdle(idleMs, end) {
  return (proxy) => {
    proxy.onUpgrade = ({ pass }) => {
      const line = pass();
      const timer = setTimeout(() => end(line), idleMs);
      const carry = (/** @type {Buffer} */ piece) => {
        timer.refresh();
        return piece;
      };
      line.filter = { up: carry, down: carry };
    };
  };
}

/**
 * What comes behind so many bytes of one direction does not arrive, and nobody is told.
 * @param {"up" | "down"} direction
 * @param {number} bytes
 * @returns {Fault}
 */
export function stalled(direction, bytes) {
  return (proxy) => {
    proxy.onUpgrade = ({ pass }) => {
      let left = bytes;
      pass().filter[direction] = (piece) => {
        const carried = piece.subarray(0, left);
        left -= carried.length;
        return carried;
      };
    };
  };
}

/** An answer is handed on when it is complete, and event streams never are. @type {Fault} */
export const bufferedStreams = (proxy) => {
  refused(proxy);
  proxy.onRequest = async ({ response, ask, pass }) => {
    const answer = await ask();
    if (answer.headers["content-type"] !== "text/event-stream") return pass(answer);
    const pieces = [];
    for await (const piece of answer) pieces.push(piece);
    response.writeHead(/** @type {number} */ (answer.statusCode), answer.rawHeaders).end(Buffer.concat(pieces));
  };
};

/** Answers over HTTP get no older, whatever they carry. @param {number} ageMs @returns {Fault} */
export function streamsEndedAfter(ageMs) {
  return (proxy) => {
    refused(proxy);
    proxy.onRequest = async ({ response, ask, pass }) => {
      const answer = await ask();
      setTimeout(() => response.destroy(), ageMs).unref();
      pass(answer);
    };
  };
}

/**
 * Event streams are held back, and for some rounds of messages a gateway answers by itself, as nobody answers it.
 * @param {number} from
 * @param {number} until
 * @returns {Fault}
 */
export function gatewayTimeouts(from, until) {
  return (proxy) => {
    bufferedStreams(proxy);
    const pass = proxy.onRequest;
    const answer = async (/** @type {Exchange} */ { response }) => void response.writeHead(504).end();
    return (round) => {
      proxy.onRequest = round >= from && round < until ? answer : pass;
    };
  };
}

/** @param {number} bytes @returns {Fault} */
export function bodiesUpTo(bytes) {
  return (proxy) => {
    refused(proxy);
    proxy.onRequest = async ({ request, response, ask, pass }) => {
      if (Number(request.headers["content-length"] ?? 0) <= bytes) return pass(await ask());
      response.writeHead(413, { Connection: "close" }).end();
    };
  };
}

/** The server has read the request and answered; browsers repeat such requests by themselves. @type {Fault} */
export const lostResponses = (proxy) => {
  refused(proxy);
  let requests = 0;
  proxy.onRequest = async ({ request, response, ask, pass }) => {
    const answer = await ask();
    requests += 1;
    // The page itself is no part of it. What is left of the rest is not a pattern that requests could fall in with.
    const isOurs = request.headers["sluice-line"] !== undefined;
    if (!isOurs || ((requests * 7) % 11) % 3 !== 0) return pass(answer);
    answer.destroy();
    response.destroy();
  };
};
