import { once } from "node:events";
import type { Socket } from "node:net";
import type { WebSocket } from "ws";
import { encodeBatch } from "../../src/core/wire/encode.js";
import { type Frame, Parameter } from "../../src/core/wire/frame.js";
import { Inbox } from "./inbox.js";
import type { Loopback } from "./loopback.js";
import { naiveDecode } from "./naive-decoder.js";

type FrameOf<T extends Frame["type"]> = Frame & { readonly type: T };

/** A client that offers `sluice.v1` and then does as it likes. */
export class RawClient {
  readonly webSocket: WebSocket;
  readonly frames = new Inbox<Frame>();
  /** The close code and reason of the WebSocket. */
  readonly closed: Promise<[number, string]>;
  #lastNumber = 0;

  constructor(loopback: Loopback, protocols = ["sluice.v1"]) {
    this.webSocket = loopback.webSocket(protocols);
    this.webSocket.on("message", (data: Buffer) => {
      const { frames, isValid } = naiveDecode(new Uint8Array(data));
      if (!isValid) throw new Error("the server sent a batch that breaks the protocol");
      for (const frame of frames) this.frames.push(frame);
    });
    this.closed = once(this.webSocket, "close").then(([code, reason]) => [code, String(reason)]);
  }

  /** Goes as far as the server's greeting. */
  async greeted(): Promise<this> {
    await this.next("greeting");
    return this;
  }

  /** Goes as far as the server's welcome. */
  async established(): Promise<this> {
    await this.greeted();
    this.hello();
    await this.next("welcome");
    return this;
  }

  hello(parameters: [number, Uint8Array][] = [[Parameter.ATTEMPT, new Uint8Array(16).fill(1)]]): void {
    this.unnumbered({ type: "hello", parameters: new Map(parameters) });
  }

  send(data: Uint8Array | string): void {
    this.webSocket.send(data);
  }

  unnumbered(...frames: Frame[]): void {
    this.send(encodeBatch(0, frames));
  }

  /** Sends frames in the next numbered batch. */
  numbered(...frames: Frame[]): void {
    this.#lastNumber += 1;
    this.send(encodeBatch(this.#lastNumber, frames));
  }

  /** The next frame of this type; others that come before are passed over. */
  async next<T extends Frame["type"]>(type: T): Promise<FrameOf<T>> {
    for (;;) {
      const frame = await this.frames.next();
      if (frame.type === type) return frame as never;
    }
  }

  /** The frames of this type that have come. */
  of<T extends Frame["type"]>(type: T): FrameOf<T>[] {
    return this.frames.items.filter((frame) => frame.type === type) as never;
  }

  /** The TCP connection. */
  get line(): Socket {
    return (this.webSocket as unknown as { _socket: Socket })._socket;
  }
}
