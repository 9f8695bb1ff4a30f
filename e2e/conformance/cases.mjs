/**
 * What can be asked of a WebSocket class in a page: each case runs there with the native class and with ours, and gives
 * something that JSON can carry; the answers have to be the same. `url` is that of a server that echoes, and does what
 * messages like `!close 4001 bye` say. `outcome(run)` is what `run` returns, or the name of what it throws.
 */

export const shape = {
  "members of the prototype are as WebIDL makes them": ({ Socket }) => {
    const { prototype } = Socket;
    const names = Object.getOwnPropertyNames(globalThis.WebSocket.prototype);
    return names.map((name) => {
      const { value, get, set, enumerable, configurable, writable } =
        Object.getOwnPropertyDescriptor(prototype, name) ?? {};
      const kinds = [typeof get, get?.name, get?.length, typeof set, set?.name, set?.length];
      if (typeof value !== "function") return [name, value, ...kinds, enumerable, configurable, writable];
      // The name and the length of the constructor are its own affair.
      const own = name === "constructor" ? [] : [value.name, value.length];
      return [name, "method", ...own, enumerable, configurable, writable];
    });
  },

  "constants of the class": ({ Socket }) =>
    ["CONNECTING", "OPEN", "CLOSING", "CLOSED"].map((name) => Object.getOwnPropertyDescriptor(Socket, name)),

  "the class is a class": ({ Socket, url, outcome }) => [
    typeof Socket,
    Socket.length,
    Object.getPrototypeOf(Socket) === EventTarget,
    Object.getPrototypeOf(Socket.prototype) === EventTarget.prototype,
    outcome(() => Socket(url)),
    outcome(() => new Socket()),
    Object.getOwnPropertyDescriptor(Socket, "prototype").writable,
  ],

  "members need a socket for `this`": ({ Socket, outcome }) =>
    ["url", "readyState", "bufferedAmount", "protocol", "extensions", "binaryType", "onopen", "onmessage"]
      .map((name) => outcome(() => Object.getOwnPropertyDescriptor(Socket.prototype, name).get.call({})))
      .concat(
        outcome(() => Socket.prototype.send.call({}, "a")),
        outcome(() => Socket.prototype.close.call({})),
      ),

  "an instance has nothing of its own, shows what it is, and takes what is put on it": ({ Socket, url }) => {
    const socket = new Socket(url);
    const shown = [Object.keys(socket), Object.prototype.toString.call(socket), `${socket}`, "then" in socket];
    const walked = [];
    for (const name in socket) if (name in globalThis.WebSocket.prototype) walked.push(name);
    socket.expando = 1;
    const taken = [socket.expando, Object.isExtensible(socket), Object.keys(socket)];
    const isInstance = [socket instanceof Socket, socket instanceof EventTarget];
    socket.close();
    return [shown, walked.sort(), taken, isInstance, socket.constructor === Socket];
  },

  "attributes that are read only stay what they are": ({ Socket, url, outcome }) => {
    const socket = new Socket(url);
    const names = ["url", "readyState", "bufferedAmount", "protocol", "extensions", "OPEN"];
    const outcomes = names.map((name) =>
      outcome(() => {
        socket[name] = 7;
      }),
    );
    socket.close();
    return [outcomes, socket.OPEN, socket.url];
  },

  "a socket cannot be cloned": ({ Socket, url, outcome }) => {
    const socket = new Socket(url);
    const cloned = outcome(() => structuredClone(socket));
    socket.close();
    return cloned;
  },

  "a subclass is one": async ({ Socket, url, once }) => {
    class Own extends Socket {
      constructor() {
        super(url, "chat");
        this.seen = [];
        this.addEventListener("message", this);
      }
      handleEvent(event) {
        this.seen.push(event.data);
      }
      get readyState() {
        return super.readyState + 10;
      }
    }
    const socket = new Own();
    await once(socket, "open");
    const echoed = once(socket, "message");
    socket.send("a");
    await echoed;
    socket.close();
    return [socket.seen, socket.readyState, Own.OPEN, socket.OPEN, socket instanceof Socket, Own.name];
  },
};

export const construction = {
  "URLs: what they become, or what they throw": ({ Socket, url, outcome }) =>
    [
      url,
      `${url}a/../b?c=d&e`,
      `${url}ä?ö=ü`,
      `${url} b`,
      url.toUpperCase(),
      url.replace("ws:", "http:"),
      "live",
      "/live?x=1",
      "?x=1",
      "",
      new URL(`${url}object`),
      { toString: () => `${url}stringified` },
      null,
      undefined,
      12,
      "//127.0.0.1:1/",
      "ws://user:password@127.0.0.1:1/",
      "ws://127.0.0.1:80/",
      "ws://[::1]:1/",
      `${url}#`,
      `${url}#fragment`,
      "#fragment",
      "ftp://127.0.0.1/",
      "mailto:somebody",
      "about:blank",
      "ws://",
      "ws://:1/",
      "ws://127.0.0.1:65536/",
      "ws://a b/",
      "http://[::1",
      "wss:// ",
    ].map((given) =>
      outcome(() => {
        const socket = new Socket(given);
        socket.close();
        return [socket.url, socket.readyState];
      }),
    ),

  "protocols: what is taken, and what throws": ({ Socket, url, outcome }) =>
    [
      undefined,
      [],
      "chat",
      ["chat", "other"],
      new Set(["chat", "other"]),
      "",
      [""],
      "a b",
      "a,b",
      "a/b",
      "(a)",
      "ä",
      "a\n",
      ["a", "a"],
      ["a", "A"],
      null,
      [null],
      12,
      true,
      {},
      { toString: () => "chat" },
      "!#$%&'*+-.^_`|~",
    ].map((given) =>
      outcome(() => {
        const socket = new Socket(url, given);
        socket.close();
        return [socket.protocol, socket.readyState];
      }),
    ),

  "what is thrown first": ({ Socket, outcome }) => [
    outcome(() => new Socket("ftp://a/", "")),
    outcome(() => new Socket(Symbol("a"))),
    outcome(
      () =>
        new Socket({
          toString() {
            throw new RangeError("mine");
          },
        }),
    ),
    outcome(
      () =>
        new Socket("ws://127.0.0.1:1/", {
          [Symbol.iterator]() {
            throw new RangeError("mine");
          },
        }),
    ),
  ],

  "the state of a new socket": ({ Socket, url }) => {
    const socket = new Socket(url, ["chat"]);
    const { readyState, protocol, extensions, binaryType, bufferedAmount, onopen, onmessage, onerror, onclose } =
      socket;
    socket.close();
    return { readyState, protocol, extensions, binaryType, bufferedAmount, onopen, onmessage, onerror, onclose };
  },

  "the protocol that the server chooses": async ({ Socket, url, once }) => {
    const seen = [];
    for (const protocols of ["chat", ["other", "chat"], []]) {
      const socket = new Socket(url, protocols);
      await once(socket, "open");
      seen.push([socket.protocol, socket.extensions]);
      socket.close();
    }
    return seen;
  },

  "protocols of which the server wants none": async ({ Socket, url, once }) => {
    const socket = new Socket(`${url}?protocol=none`, ["chat", "other"]);
    const seen = [];
    for (const type of ["open", "error"]) socket.addEventListener(type, () => seen.push(type));
    socket.addEventListener("open", () => socket.close());
    const { code, reason, wasClean } = await once(socket, "close");
    return [seen, code, reason, wasClean, socket.protocol];
  },
};

export const closing = {
  "the arguments of close()": ({ Socket, url, outcome }) => {
    // No fractions, and no reason without a code: Chromium cuts the one off, and takes the other's code for 0.
    const codes = [999, 1000, 1001, 1005, 1006, 2999, 3000, 4999, 5000, 65_536, -1, "1000", "3000x", null, undefined];
    codes.push(true, Number.NaN, Number.POSITIVE_INFINITY, {}, { valueOf: () => 3000 }, [3000]);
    const reasons = [
      "",
      "x".repeat(123),
      "x".repeat(124),
      "ä".repeat(61),
      "ä".repeat(62),
      "\ud800".repeat(41),
      null,
      12,
    ];
    const attempt = (...args) =>
      outcome(() => {
        const socket = new Socket(url);
        try {
          return [socket.close(...args), socket.readyState];
        } finally {
          socket.close();
        }
      });
    return [
      codes.map((code) => attempt(code)),
      reasons.map((reason) => attempt(3000, reason)),
      attempt(999, "x".repeat(124)),
      attempt(1000n),
      attempt(Symbol("a")),
      attempt(3000, Symbol("a")),
    ];
  },

  "close() with a code that is none throws in every state": async ({ Socket, url, once, outcome }) => {
    const socket = new Socket(url);
    const outcomes = [outcome(() => socket.close(1))];
    await once(socket, "open");
    outcomes.push(outcome(() => socket.close(1)));
    socket.close();
    outcomes.push(outcome(() => socket.close(1)));
    await once(socket, "close");
    outcomes.push(
      outcome(() => socket.close(1)),
      outcome(() => socket.close(4000)),
    );
    return [outcomes, socket.readyState];
  },

  "close() of a socket that is connecting": async ({ Socket, url, once }) => {
    const socket = new Socket(url);
    const seen = [];
    for (const type of ["open", "error", "close"]) {
      socket.addEventListener(type, ({ code, reason, wasClean }) =>
        seen.push([type, socket.readyState, code, reason, wasClean]),
      );
    }
    socket.close(4000, "early");
    seen.push(["after close()", socket.readyState]);
    await once(socket, "close");
    return seen;
  },

  "closes of the page": async ({ Socket, url, once }) => {
    const seen = [];
    for (const args of [[], [1000], [3000, ""], [4999, "grüße"], [4000, "\ud800"]]) {
      const socket = new Socket(url);
      await once(socket, "open");
      socket.close(...args);
      socket.close(4444, "too late");
      const { code, reason, wasClean } = await once(socket, "close");
      seen.push([code, reason, wasClean, socket.readyState]);
    }
    return seen;
  },

  "closes of the server": async ({ Socket, url, once }) => {
    const seen = [];
    for (const end of ["!close", "!close 1000", "!close 1001 going", "!close 1011", "!close 4400 grüße"]) {
      const socket = new Socket(url);
      await once(socket, "open");
      const errors = [];
      socket.addEventListener("error", (event) => errors.push(event.type));
      socket.send(end);
      const { code, reason, wasClean } = await once(socket, "close");
      seen.push([end, code, reason, wasClean, socket.readyState, errors]);
    }
    return seen;
  },

  "what comes after close() is not shown": async ({ Socket, url, once }) => {
    const socket = new Socket(url);
    await once(socket, "open");
    const seen = [];
    socket.addEventListener("message", ({ data }) => {
      seen.push(data);
      if (data === "2") socket.close();
    });
    for (const text of ["1", "2", "3", "4"]) socket.send(text);
    await once(socket, "close");
    return seen;
  },

  "close() in `open`": async ({ Socket, url, once }) => {
    const socket = new Socket(url);
    const seen = [];
    socket.onopen = () => {
      seen.push(["open", socket.readyState]);
      socket.close();
      seen.push(["closed", socket.readyState]);
    };
    const { code, wasClean } = await once(socket, "close");
    return [seen, code, wasClean];
  },

  "`bufferedAmount` counts what is discarded, and is kept": async ({ Socket, url, once }) => {
    const socket = new Socket(url);
    await once(socket, "open");
    socket.close();
    socket.send("hello");
    const amounts = [socket.bufferedAmount];
    socket.send("ä");
    socket.send(new Uint8Array(3));
    socket.send(new Blob(["four"]));
    amounts.push(socket.bufferedAmount);
    await once(socket, "close");
    amounts.push(socket.bufferedAmount);
    socket.send("more");
    amounts.push(socket.bufferedAmount);
    return amounts;
  },
};
