import { describe, expect, it } from "vitest";
import { type FetchLike, probe } from "../../src/client/probe.js";
import { reactions } from "../support/event-loop.js";
import { FakeHost } from "../support/fake-host.js";

type Reply = { status?: number; type?: string } | "fails" | "hangs";

/** A `fetch` that answers as it is told, the plain request and then the one that nobody can read. */
function fetching(...replies: Reply[]) {
  const calls: { url: string; init: Parameters<FetchLike>[1] }[] = [];
  let cancelled = 0;
  const fetch: FetchLike = (url, init) => {
    const reply = replies[calls.length] ?? "fails";
    calls.push({ url, init });
    if (reply === "fails") return Promise.reject(new TypeError("Failed to fetch"));
    if (reply === "hangs") {
      return new Promise((_, reject) => {
        if (init.signal.aborted) reject(init.signal.reason);
        init.signal.addEventListener("abort", () => reject(init.signal.reason));
      });
    }
    const get = (name: string) => (name === "content-type" ? (reply.type ?? null) : null);
    const cancel = async () => {
      cancelled += 1;
    };
    return Promise.resolve({ status: reply.status ?? 0, headers: { get }, body: { cancel } });
  };
  return { fetch, calls, cancelled: () => cancelled };
}

describe("probe", () => {
  it.each<[string, Reply[], string]>([
    ["its own answer", [{ status: 200, type: "application/vnd.sluice" }], "sluice"],
    ["another type", [{ status: 200, type: "text/html" }], "other"],
    ["no type", [{ status: 426 }], "other"],
    ["an error of the server", [{ status: 500 }], "other"],
    ["a redirect that nobody follows", [{ status: 0 }], "other"],
    ["a proxy that reaches nobody", [{ status: 502 }], "unknown"],
    ["a server that is too busy", [{ status: 503 }], "unknown"],
    ["a captive portal", [{ status: 511 }], "unknown"],
    ["an answer that may not be read", ["fails", { status: 0 }], "other"],
    ["no answer at all", ["fails", "fails"], "unknown"],
  ])("takes %s for what it is", async (_, replies, answer) => {
    const { fetch, calls, cancelled } = fetching(...replies);
    const host = new FakeHost();
    expect(await probe(fetch, "wss://example.com/live?room=1", host)).toBe(answer);
    expect(calls).toHaveLength(replies.length);
    expect(cancelled()).toBe(replies.filter((reply) => typeof reply === "object").length);
    expect(host.timers).toEqual([]);
  });

  it("takes the answer of a `fetch` with bodies of its own", async () => {
    const get = () => "application/vnd.sluice";
    const fetch = async () => ({ status: 200, headers: { get }, body: { pipe: () => {} } as never });
    expect(await probe(fetch, "wss://example.com/", new FakeHost())).toBe("sluice");
  });

  it("asks the same server, as the WebSocket would, without a preflight", async () => {
    const { fetch, calls } = fetching();
    await probe(fetch, "wss://example.com/live?room=1", new FakeHost());
    await probe(fetch, "ws://localhost:1234/ws", new FakeHost());
    expect(calls.map(({ url }) => url)).toEqual([
      "https://example.com/live?room=1",
      "https://example.com/live?room=1",
      "http://localhost:1234/ws",
      "http://localhost:1234/ws",
    ]);
    const [first, second] = calls;
    // A header that CORS does not ask about (Fetch, "CORS-safelisted request-header").
    expect(first?.init).toMatchObject({ headers: { Accept: "application/vnd.sluice" }, credentials: "include" });
    expect(second?.init).toMatchObject({ mode: "no-cors", credentials: "include", redirect: "follow" });
  });

  it("has an end", async () => {
    const { fetch } = fetching("hangs", "hangs");
    const host = new FakeHost();
    let answer: string | undefined;
    void probe(fetch, "ws://localhost/", host).then((given) => {
      answer = given;
    });
    host.advance(2999);
    await reactions();
    expect(answer).toBeUndefined();
    host.advance(1);
    await reactions();
    expect(answer).toBe("unknown");
  });

  it("knows nothing where it cannot ask", async () => {
    expect(await probe(undefined, "ws://localhost/", new FakeHost())).toBe("unknown");
    const throwing = () => {
      throw new Error("not now");
    };
    expect(await probe(throwing, "ws://localhost/", new FakeHost())).toBe("unknown");
  });
});
