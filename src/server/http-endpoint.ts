import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { Header } from "../transport/http/headers.js";
import { answer, refuse } from "../transport/node/http-answers.js";
import { HttpLines, type OpenLine } from "../transport/node/http-lines.js";
import type { Transport } from "../transport/transport.js";
import { isOriginAllowed, type Origins } from "./origins.js";
import { foreignOrigin, NO_ROOM, RETRY_AFTER_SECONDS, TOO_MANY } from "./refusal.js";
import { takeSessionQuery } from "./session-query.js";
import { type VerifyClient, verify } from "./verify-client.js";

/** What the server says of a client that asks for a line, and who takes it in. */
export interface Door {
  readonly origins: () => Origins | undefined;
  readonly verifyClient: () => VerifyClient | null | undefined;
  /** Whether there is room for it. `sessionId`: the one that it comes back for. */
  readonly hasRoom: (sessionId: string | undefined) => boolean;
  /** Is told that a client was sent away, and why. */
  readonly onRefused: (request: IncomingMessage, message: string, cause?: unknown) => void;
  /** It comes to the door. Returns what to call when it has left; `undefined` where too many of its kind are there. */
  readonly enter: (request: IncomingMessage) => (() => void) | undefined;
}

/** Takes in a client that was let to the door. */
export type ReceiveLine = (transport: Transport, request: IncomingMessage, onOver: () => void) => void;

/** Clients of other origins may read of an answer what stands here, and send what the second list names. */
const EXPOSED_HEADERS = [Header.POSITION, Header.RECEIVED, Header.SENT, Header.CLOSE, "retry-after"].join(", ");
const OWN_HEADERS = [Header.LINE, Header.POSITION, Header.RECEIVED, Header.HOLD, Header.CLOSE];
const ALLOWED_HEADERS = ["content-type", ...OWN_HEADERS].join(", ");

/** For how long a browser may keep the answer to its question, s; Chromium takes no more than two hours. */
const PREFLIGHT_SECONDS = 7200;

/** The HTTP transports of a server: knows whose a request is, and who may send it (HTTP-26). */
export class HttpEndpoint {
  readonly #door: Door;
  readonly #lines: HttpLines;

  /** @param onEmpty called when the last line has gone */
  constructor(door: Door, { batchBytesMax }: { readonly batchBytesMax: number }, onEmpty: () => void) {
    this.#door = door;
    this.#lines = new HttpLines({ batchBytesMax }, onEmpty);
  }

  /**
   * Takes a request of ours, whose path is ours, and answers it, now or later.
   * @returns whether it is one; others are left alone
   */
  handle(request: IncomingMessage, response: ServerResponse, receive: ReceiveLine): boolean {
    if (!isOurs(request)) return false;
    const sessionId = takeSessionQuery(request);
    const status = this.#statusFor(request);
    response.setHeader("Vary", "Origin");
    if (status !== undefined) {
      refuse(request, response, status);
    } else {
      allowReading(request, response);
      this.#handleAllowed(request, response, sessionId, receive);
    }
    return true;
  }

  /** How many lines there are. */
  get size(): number {
    return this.#lines.size;
  }

  #handleAllowed(
    request: IncomingMessage,
    response: ServerResponse,
    sessionId: string | undefined,
    receive: ReceiveLine,
  ): void {
    if (request.method === "OPTIONS") return answerPreflight(request, response);
    if (request.readableEnded) {
      // Some parser was faster: nothing is left of what the client has sent.
      return answer(response, 500, { "Content-Type": "text/plain" }, "The request body was read by somebody else");
    }
    this.#lines.handle(request, response, (open) => void this.#admit(request, response, sessionId, open, receive));
  }

  async #admit(
    request: IncomingMessage,
    response: ServerResponse,
    sessionId: string | undefined,
    open: OpenLine,
    receive: ReceiveLine,
  ): Promise<void> {
    if (!this.#door.hasRoom(sessionId)) return this.#refuseForNow(request, response, NO_ROOM);
    let leave: (() => void) | undefined;
    try {
      leave = this.#door.enter(request);
    } catch (cause) {
      this.#door.onRefused(request, "`clientAddress` has failed", cause);
      return refuse(request, response, 500);
    }
    if (leave === undefined) return this.#refuseForNow(request, response, TOO_MANY);
    response.once("close", leave);
    const isWelcome = await this.#isWelcome(request, response, sessionId);
    response.off("close", leave);
    let isNew = false;
    if (isWelcome) {
      open((transport) => {
        isNew = true;
        receive(transport, request, leave);
      });
    }
    // Refused, or gone; or a copy of the request was faster.
    if (!isNew) leave();
  }

  /** Whether `verifyClient` lets it in, who may take its time. One that is not has been answered, or has gone. */
  async #isWelcome(
    request: IncomingMessage,
    response: ServerResponse,
    sessionId: string | undefined,
  ): Promise<boolean> {
    const verifyClient = this.#door.verifyClient();
    if (!verifyClient) return true;
    const verdict = await verify(verifyClient, request, (message, cause) =>
      this.#door.onRefused(request, message, cause),
    );
    if (response.destroyed) return false;
    if (verdict.isVerified && this.#door.hasRoom(sessionId)) return true;
    if (verdict.isVerified) this.#refuseForNow(request, response, NO_ROOM);
    else refuse(request, response, verdict.status, verdict.headers);
    return false;
  }

  /** With what to refuse a request for where it comes from; `undefined` where it may come. */
  #statusFor(request: IncomingMessage): 403 | 500 | undefined {
    try {
      if (isOriginAllowed(this.#door.origins(), request)) return undefined;
    } catch (cause) {
      this.#door.onRefused(request, "`origins` has failed", cause);
      return 500;
    }
    this.#door.onRefused(request, foreignOrigin(request));
    return 403;
  }

  #refuseForNow(request: IncomingMessage, response: ServerResponse, message: string): void {
    this.#door.onRefused(request, message);
    refuse(request, response, 503, { "Retry-After": RETRY_AFTER_SECONDS });
  }
}

/**
 * Lets a page of another origin read the answer. One of this origin may anyway: that is worth 200 bytes in each answer. Only the
 * browser knows for sure which of them it is, as a proxy may have ended TLS, or changed the host.
 */
function allowReading({ method, headers }: IncomingMessage, response: ServerResponse): void {
  const { origin } = headers;
  if (origin === undefined || headers["sec-fetch-site"] === "same-origin") return;
  response.setHeader("Access-Control-Allow-Origin", origin);
  response.setHeader("Access-Control-Allow-Credentials", "true");
  if (method !== "OPTIONS") response.setHeader("Access-Control-Expose-Headers", EXPOSED_HEADERS);
}

/** Everything of a line has our header; what a browser asks before names it. */
function isOurs({ method, headers }: IncomingMessage): boolean {
  if (method !== "OPTIONS") return headers[Header.LINE] !== undefined;
  const asked = headers["access-control-request-headers"] ?? "";
  return asked.split(",").some((name) => name.trim().toLowerCase() === Header.LINE);
}

/** Browsers ask without credentials, so this is answered before anybody is asked for them. */
function answerPreflight(request: IncomingMessage, response: ServerResponse): void {
  const headers: OutgoingHttpHeaders = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": ALLOWED_HEADERS,
    "Access-Control-Max-Age": PREFLIGHT_SECONDS,
  };
  refuse(request, response, 204, headers);
}
