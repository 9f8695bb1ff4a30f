/** Cases as those of cases.mjs, about messages and events. */

export const events = {
  "events, their order and members, and the state meanwhile": async ({ Socket, url, once }) => {
    const shown = ["type", "bubbles", "cancelable", "composed", "defaultPrevented", "eventPhase", "returnValue"];
    const socket = new Socket(url);
    const seen = [];
    for (const type of ["open", "message", "error", "close"]) {
      socket.addEventListener(type, function (event) {
        const isAtHome = event.target === socket && event.currentTarget === socket && this === socket;
        const path = event.composedPath().length;
        seen.push([event.constructor.name, ...shown.map((name) => event[name]), isAtHome, path, socket.readyState]);
      });
    }
    await once(socket, "open");
    const echoed = once(socket, "message");
    socket.send("a");
    await echoed;
    socket.close();
    await once(socket, "close");
    return seen;
  },

  "a MessageEvent has the rest of its members": async ({ Socket, url, once }) => {
    const socket = new Socket(url);
    await once(socket, "open");
    socket.send("a");
    const { data, origin, lastEventId, source, ports } = await once(socket, "message");
    socket.close();
    return { data, origin, lastEventId, source, ports };
  },

  "handler attributes: what they take, and what they give back": ({ Socket, url, outcome }) => {
    const socket = new Socket(url);
    const seen = [];
    for (const name of ["onopen", "onmessage", "onerror", "onclose"]) {
      for (const value of [
        () => {},
        class {},
        {},
        { handleEvent() {} },
        [],
        null,
        undefined,
        0,
        "",
        "text",
        Symbol("a"),
      ]) {
        const assigned = outcome(() => Reflect.set(socket, name, value));
        seen.push([assigned, socket[name] === value, socket[name] === null]);
      }
    }
    socket.close();
    return seen;
  },

  "handlers keep their place in line, and are called with the socket": async ({ Socket, url, once }) => {
    const socket = new Socket(url);
    const seen = [];
    socket.addEventListener("open", () => seen.push("first"));
    socket.onopen = () => seen.push("never");
    socket.addEventListener("open", () => seen.push("last"));
    socket.onopen = function (...parts) {
      seen.push(["handler", this === socket, parts.length]);
      return false;
    };
    socket.onmessage = () => seen.push("gone");
    socket.onmessage = null;
    socket.onclose = { handleEvent: () => seen.push("not called") };
    await once(socket, "open");
    socket.send("a");
    await once(socket, "message");
    socket.close();
    await once(socket, "close");
    return seen;
  },

  "listeners: once, signal, objects, twice, removed, capturing": async ({ Socket, url, once, outcome }) => {
    const socket = new Socket(url);
    const seen = [];
    const controller = new AbortController();
    const twice = () => seen.push("twice");
    const removed = () => seen.push("removed");
    const object = {
      handleEvent(event) {
        seen.push(["object", this === object, event.data]);
      },
    };
    socket.addEventListener("message", twice);
    socket.addEventListener("message", twice);
    socket.addEventListener("message", () => seen.push("once"), { once: true });
    socket.addEventListener("message", () => seen.push("signal"), { signal: controller.signal });
    socket.addEventListener("message", object);
    socket.addEventListener("message", removed);
    socket.removeEventListener("message", removed);
    socket.addEventListener("message", () => seen.push("capture"), true);
    socket.addEventListener("message", null);
    seen.push(outcome(() => socket.addEventListener("message", "text")));
    seen.push(outcome(() => socket.addEventListener("message")));
    await once(socket, "open");
    for (const data of ["1", "2"]) {
      const echoed = once(socket, "message");
      socket.send(data);
      await echoed;
      controller.abort();
    }
    socket.close();
    return seen;
  },

  "a listener that stops the others": async ({ Socket, url }) => {
    const socket = new Socket(url);
    const seen = [];
    socket.addEventListener("open", (event) => {
      seen.push("first");
      event.stopImmediatePropagation();
    });
    socket.addEventListener("open", () => seen.push("second"));
    socket.onopen = () => seen.push("handler");
    await new Promise((resolve) => setTimeout(resolve, 0));
    while (socket.readyState === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    socket.close();
    return seen;
  },

  "microtasks run before the next message": async ({ Socket, url, once }) => {
    const socket = new Socket(url);
    await once(socket, "open");
    const seen = [];
    const done = new Promise((resolve) => {
      socket.addEventListener("message", async ({ data }) => {
        seen.push(data);
        for (let step = 1; step <= 3; step++) {
          await null;
          seen.push(`${data}, step ${step}`);
        }
        if (data === "3") resolve();
      });
    });
    for (const data of ["1", "2", "3"]) socket.send(data);
    await done;
    socket.close();
    return seen;
  },

  "events that the application dispatches": ({ Socket, url }) => {
    const socket = new Socket(url);
    const seen = [];
    socket.onmessage = ({ data, isTrusted }) => seen.push([data, isTrusted]);
    socket.addEventListener("own", ({ type }) => seen.push(type));
    seen.push(socket.dispatchEvent(new MessageEvent("message", { data: 1 })));
    seen.push(socket.dispatchEvent(new Event("own", { cancelable: true })));
    socket.close();
    return seen;
  },
};

export const messages = {
  "what send() takes, and what comes of it": async ({ Socket, url, once }) => {
    const bytes = Uint8Array.of(0, 1, 2, 253, 254, 255);
    const given = [
      "",
      "text",
      "grüße 👋 \u0000",
      "lone \ud800 surrogate",
      "\ufeffmark",
      12.5,
      -0,
      10n,
      true,
      null,
      undefined,
      [1, [2, 3]],
      {},
      new String("object"),
      { toString: () => "stringified" },
      new URLSearchParams("a=b"),
      new Uint8Array(0),
      bytes,
      bytes.subarray(2, 4),
      bytes.buffer,
      new DataView(bytes.buffer, 1, 2),
      Float64Array.of(1.5),
      new Uint8ClampedArray([1, 300]),
      new Blob([]),
      new Blob(["blob ", "of parts"], { type: "text/plain" }),
      new File(["file"], "name"),
    ];
    const socket = new Socket(url);
    await once(socket, "open");
    const seen = [];
    for (const binaryType of ["blob", "arraybuffer"]) {
      socket.binaryType = binaryType;
      for (const data of given) {
        const echoed = once(socket, "message");
        socket.send(data);
        const { data: back } = await echoed;
        if (typeof back === "string") seen.push(back);
        else
          seen.push([
            Object.prototype.toString.call(back),
            back.type,
            [...new Uint8Array(await new Response(back).arrayBuffer())],
          ]);
      }
    }
    socket.close();
    return seen;
  },

  "what send() refuses": async ({ Socket, url, once, outcome }) => {
    const socket = new Socket(url);
    await once(socket, "open");
    const unstringable = {
      toString() {
        throw new RangeError("mine");
      },
    };
    const outcomes = [
      outcome(() => socket.send()),
      outcome(() => socket.send(Symbol("a"))),
      outcome(() => socket.send(unstringable)),
      outcome(() => socket.send(Object.create(null))),
    ];
    socket.close();
    return outcomes;
  },

  "what is sent is what it was at that moment": async ({ Socket, url, once }) => {
    const socket = new Socket(url);
    socket.binaryType = "arraybuffer";
    await once(socket, "open");
    const bytes = Uint8Array.of(1, 2, 3);
    socket.send(bytes);
    bytes.fill(9);
    const first = await once(socket, "message");
    socket.send(bytes.buffer);
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
    const second = await once(socket, "message");
    socket.close();
    return [[...new Uint8Array(first.data)], [...new Uint8Array(second.data)], bytes.length];
  },

  "`binaryType`: its values, and from when on they count": async ({ Socket, url, once, outcome }) => {
    const socket = new Socket(url);
    const seen = [];
    for (const value of ["arraybuffer", "nonsense", "ARRAYBUFFER", null, 1, "blob", ""]) {
      seen.push([outcome(() => Reflect.set(socket, "binaryType", value)), socket.binaryType]);
    }
    await once(socket, "open");
    const done = new Promise((resolve) => {
      let count = 0;
      socket.onmessage = ({ data }) => {
        seen.push(Object.prototype.toString.call(data));
        socket.binaryType = socket.binaryType === "blob" ? "arraybuffer" : "blob";
        count += 1;
        if (count === 3) resolve();
      };
    });
    for (let i = 0; i < 3; i++) socket.send(new Uint8Array(1));
    await done;
    socket.close();
    return seen;
  },

  "`bufferedAmount` grows in the call, and falls to nothing": async ({ Socket, url, once }) => {
    const socket = new Socket(url);
    await once(socket, "open");
    const before = socket.bufferedAmount;
    socket.send("hello");
    socket.send("ä");
    socket.send(new Uint8Array(100));
    socket.send(new Blob(["four"]));
    const during = socket.bufferedAmount;
    await new Promise((resolve) => {
      let count = 0;
      socket.onmessage = () => {
        count += 1;
        if (count === 4) resolve();
      };
    });
    while (socket.bufferedAmount > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    socket.close();
    return [before, during, socket.bufferedAmount];
  },

  "messages keep their order, of whatever kind and size": async ({ Socket, url, once }) => {
    const socket = new Socket(url);
    socket.binaryType = "arraybuffer";
    await once(socket, "open");
    const seen = [];
    const done = new Promise((resolve) => {
      socket.onmessage = ({ data }) => {
        seen.push(typeof data === "string" ? data.length : data.byteLength);
        if (seen.length === 6) resolve();
      };
    });
    socket.send(new Blob([new Uint8Array(300_000)]));
    socket.send("small");
    socket.send(new Uint8Array(100_000));
    socket.send("x".repeat(70_000));
    socket.send("");
    socket.send(new Blob(["end"]));
    await done;
    socket.close();
    return seen;
  },
};
