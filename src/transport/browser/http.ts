import { HTTP_BATCH_BYTES_MAX } from "../http/headers.js";
import {
  SUBPROTOCOL,
  type Transport,
  type TransportDeath,
  type TransportHandler,
  type TransportName,
} from "../transport.js";
import { Downlink, type DownlinkChoice } from "./http-downlink.js";
import { browserPlaces, type Places } from "./http-places.js";
import { type HttpPlatform, Requests } from "./http-requests.js";
import { Uplink } from "./http-uplink.js";

export interface HttpOptions {
  /**
   * How batches come down: `"auto"` takes an event stream where one gets through, and else polls; `"sse"` and `"long-poll"`
   * one of them only. Default `"auto"`.
   */
  readonly downlink?: DownlinkChoice;
  /** Who else may hold a connection to the server. Default: the other pages of a browser. */
  readonly places?: Places | undefined;
  /** Largest request body, bytes; a smaller limit on the way is found out. Default 256 KiB. */
  readonly bodyBytesMax?: number;
}

/** As much as a server takes (HTTP-12). */
const BODY_BYTES_MAX = 256 * 1024;

/** So much may come down without a request that says so; the server keeps it until then (HTTP-14). */
const UNACKNOWLEDGED_BYTES_MAX = 256 * 1024;

/**
 * A transport over HTTP: an event stream or long polls bring batches down, POSTs take them up (PROTOCOL.md, HTTP).
 * @param url with the scheme `ws:`, `wss:`, `http:` or `https:`
 */
export function httpTransport(platform: HttpPlatform, url: string, options: HttpOptions = {}): Transport {
  return new HttpTransport(platform, url, options);
}

class HttpTransport implements Transport {
  readonly greets = false;
  readonly requests = "own";
  readonly batchBytesMax: number = HTTP_BATCH_BYTES_MAX;
  readonly #requests: Requests;
  readonly #uplink: Uplink;
  readonly #downlink: Downlink;
  #handler: TransportHandler | undefined;
  #name: TransportName;
  /** The position of the last batch that has come down. */
  #received = 0;
  /** Bytes that have come down since the last request. */
  #unacknowledgedBytes = 0;
  #state: "open" | "closing" | "over" = "open";
  /** Whether the server knows the line. */
  #hasAnswer = false;

  constructor(platform: HttpPlatform, url: string, options: HttpOptions) {
    const { downlink = "auto", bodyBytesMax = BODY_BYTES_MAX, places = browserPlaces(url) } = options;
    this.#name = downlink === "long-poll" ? "long-poll" : "sse";
    this.#requests = new Requests(platform, url.replace(/^ws/, "http"), () => {
      this.#unacknowledgedBytes = 0;
      return this.#received;
    });
    const shared = {
      handleBatch: (position: number, batch: Uint8Array): void => this.#take(position, batch),
      handleClose: (code: number): void => this.#die({ wasClean: true, code, reason: "" }),
      handleLost: (httpStatus: number | undefined): void => this.#die(deathBy(httpStatus)),
    };
    this.#downlink = new Downlink(this.#requests, downlink, places, {
      ...shared,
      handleName: (name) => {
        if (name === this.#name) return;
        this.#name = name;
        this.#handler?.handleRenamed?.();
      },
    });
    this.#uplink = new Uplink(this.#requests, bodyBytesMax, () => !this.#downlink.isProven, {
      ...shared,
      handleAsked: () => {
        if (this.#hasAnswer) this.#downlink.start();
      },
      handleAnswer: (sent, tookMs) => {
        if (this.#state !== "open") return false;
        // The line is there now, and a GET finds it.
        this.#hasAnswer = true;
        this.#downlink.handleProgress(sent, this.#received, tookMs);
        return sent > this.#received;
      },
      handleReady: () => {
        this.#handler?.handleWritable();
        // What waits to go up takes the connection that is there, as its answer brings what comes down, too: the first GET
        // opens another one, behind it.
        if (this.#uplink.isEmpty) this.#downlink.start();
      },
      handleDone: () => this.#end(),
    });
  }

  start(handler: TransportHandler): void {
    this.#handler = handler;
    // Nothing has to be open before the first batch may leave: its request makes the line.
    queueMicrotask(() => this.#handler?.handleOpen({ subprotocol: SUBPROTOCOL, extensions: "" }));
  }

  send(batch: Uint8Array): void {
    if (this.#state === "open") this.#uplink.send(batch);
  }

  handleRequestBytes(bytes: number): void {
    this.#uplink.handleRequestBytes(bytes);
  }

  close(code: number, _reason: string): void {
    if (this.#state !== "open") return;
    this.#handler = undefined;
    this.#state = "closing";
    this.#downlink.stop();
    this.#uplink.close(code);
  }

  terminate(): void {
    this.#handler = undefined;
    this.#end();
  }

  get name(): TransportName {
    return this.#name;
  }

  get isBusy(): boolean {
    return this.#uplink.isBusy;
  }

  get bufferedBytes(): number {
    return this.#uplink.bufferedBytes;
  }

  #take(position: number, batch: Uint8Array): void {
    // Answers overlap: what was not confirmed when they were asked for comes again.
    if (this.#state !== "open" || position <= this.#received) return;
    if (position > this.#received + 1) return this.#die(deathBy(undefined));
    this.#received = position;
    this.#uplink.handleReceived(position);
    this.#unacknowledgedBytes += batch.length;
    if (this.#unacknowledgedBytes > UNACKNOWLEDGED_BYTES_MAX) this.#uplink.acknowledge();
    this.#handler?.handleBatch(batch);
  }

  #die(death: TransportDeath): void {
    const handler = this.#handler;
    this.#handler = undefined;
    this.#end();
    handler?.handleClosed(death);
  }

  #end(): void {
    this.#state = "over";
    this.#downlink.stop();
    this.#uplink.stop();
    this.#requests.abort();
  }
}

function deathBy(httpStatus: number | undefined): TransportDeath {
  const death = { wasClean: false, code: 1006, reason: "" };
  return httpStatus === undefined ? death : { ...death, httpStatus };
}
