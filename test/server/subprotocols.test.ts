import type { IncomingMessage } from "node:http";
import { describe, expect, it } from "vitest";
import { chooseProtocol, offeredProtocols, protocolsIn, setOfferedProtocols } from "../../src/server/subprotocols.js";
import { SUBPROTOCOL } from "../../src/transport/transport.js";

const requestWith = (list?: string) => ({ headers: { "sec-websocket-protocol": list } }) as unknown as IncomingMessage;
const REQUEST = requestWith();

describe("offeredProtocols", () => {
  it("are the names of the header, in order, without the blanks", () => {
    expect(offeredProtocols(requestWith("chat,  mqtt ,sluice.v1"))).toEqual(["chat", "mqtt", "sluice.v1"]);
    expect(protocolsIn("graphql-ws")).toEqual(["graphql-ws"]);
  });

  it("hold nothing that could be chosen where there is no header", () => {
    expect(chooseProtocol(offeredProtocols(REQUEST), REQUEST, undefined)).toBe(false);
  });
});

describe("setOfferedProtocols", () => {
  it("puts the names where those of a WebSocket are, and nothing that is no name", () => {
    const request = requestWith("what a program has put there");
    setOfferedProtocols(request, ["chat", "two words", "mqtt", "evil\r\nHost: other", "é", "", SUBPROTOCOL]);
    expect(request.headers["sec-websocket-protocol"]).toBe("chat, mqtt");
    expect(offeredProtocols(request)).toEqual(["chat", "mqtt"]);
  });

  it("leaves none where nothing is offered", () => {
    const request = requestWith("what a program has put there");
    setOfferedProtocols(request, protocolsIn(""));
    expect("sec-websocket-protocol" in request.headers).toBe(false);
  });
});

describe("chooseProtocol", () => {
  it("takes the first of the application's by default, and never ours", () => {
    expect(chooseProtocol([SUBPROTOCOL, "chat", "mqtt"], REQUEST, undefined)).toBe("chat");
    expect(chooseProtocol([SUBPROTOCOL], REQUEST, undefined)).toBe(false);
  });

  it("leaves it to `handleProtocols`, which sees the request, and ours as little", () => {
    const asked: unknown[] = [];
    const choice = chooseProtocol(["chat", SUBPROTOCOL, "", "mqtt", "chat"], REQUEST, (own, request) => {
      asked.push([...own], request);
      return "mqtt";
    });
    expect(choice).toBe("mqtt");
    expect(asked).toEqual([["chat", "mqtt"], REQUEST]);
    expect(chooseProtocol(["chat"], REQUEST, () => false)).toBe(false);
  });

  it("shows nobody what cannot be a name, nor one that is too long to be told and kept", () => {
    const asked: string[][] = [];
    const offered = ["two words", "evil\r\nHost: other", "é", "a".repeat(3073), "b".repeat(3072), "chat"];
    const choice = chooseProtocol(offered, REQUEST, (own) => {
      asked.push([...own]);
      return "chat";
    });
    expect([choice, asked]).toEqual(["chat", [["b".repeat(3072), "chat"]]]);
    expect(chooseProtocol(offered, REQUEST, undefined)).toBe("b".repeat(3072));
  });

  it.each<[string, unknown]>([
    ["a promise", Promise.resolve("chat")],
    ["true", true],
    ["a number", 1],
  ])("does not take %s for a choice", (_, choice) => {
    expect(() => chooseProtocol(["chat"], REQUEST, () => choice as never)).toThrow(
      expect.objectContaining({ code: "ERR_USAGE_ARGUMENT" }),
    );
  });

  it("does not ask where nothing of the application's is offered", () => {
    const refuse = () => {
      throw new Error("asked");
    };
    expect(chooseProtocol([SUBPROTOCOL], REQUEST, refuse)).toBe(false);
    expect(() => chooseProtocol(["chat"], REQUEST, refuse)).toThrow("asked");
  });
});
