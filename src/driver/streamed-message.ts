import type { MessageBody } from "./message-body.js";
import type { ReadSource } from "./supply-stream.js";

/** The part of `ReadableStream` that is used: the type itself belongs to the platforms. */
export interface ByteStream {
  readonly locked: boolean;
  getReader(): { read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }> };
}

/** What bodies of messages become on the platform. */
export interface BodyPlatform<Stream, Binary> {
  readonly streamOf: (source: ReadSource<Uint8Array>) => Stream;
  readonly blobOf: (parts: readonly Uint8Array[]) => Binary;
  /** UTF-8, with U+FFFD for what is none. */
  readonly decodeText: (bytes: Uint8Array) => string;
}

/**
 * A message as it comes, like the body of a response (WHATWG Fetch, `Body`): it can be read once, as a stream or as a whole.
 * The next message of its channel waits until this one has been read or cancelled. When its sender takes it back, or the
 * session is lost in its middle, reading it fails with a SluiceError.
 */
export class StreamedMessage<Stream extends ByteStream = ByteStream, Binary = unknown> {
  readonly #body: MessageBody;
  readonly #platform: BodyPlatform<Stream, Binary>;
  #stream: Stream | undefined;

  /** @internal */
  constructor(body: MessageBody, platform: BodyPlatform<Stream, Binary>) {
    this.#body = body;
    this.#platform = platform;
  }

  get type(): "text" | "binary" {
    return this.#body.text ? "text" : "binary";
  }

  /** Bytes of the whole message; `undefined` when its sender did not know them, as of a stream. */
  get size(): number | undefined {
    return this.#body.totalBytes;
  }

  /** Its bytes, UTF-8 if it is text. Cancelling lets the rest go by, and the channel go on. */
  get body(): Stream {
    this.#stream ??= this.#platform.streamOf(this.#body);
    return this.#stream;
  }

  /** Whether something has been read of it, or it was cancelled. */
  get bodyUsed(): boolean {
    return this.#body.isDisturbed;
  }

  /** All of it as text. Rejects with a TypeError when it has been used or is being read. */
  async text(): Promise<string> {
    return this.#platform.decodeText(await this.#bytes());
  }

  /** All of it. Rejects with a TypeError when it has been used or is being read. */
  async arrayBuffer(): Promise<ArrayBuffer> {
    return (await this.#bytes()).buffer as ArrayBuffer;
  }

  /** All of it as a Blob without a type. Rejects with a TypeError when it has been used or is being read. */
  async blob(): Promise<Binary> {
    return this.#platform.blobOf(await this.#parts());
  }

  /** What its text is in JSON. Rejects with a SyntaxError for other text, a TypeError when it has been used or is being read. */
  async json(): Promise<unknown> {
    return JSON.parse(await this.text());
  }

  async #bytes(): Promise<Uint8Array> {
    const parts = await this.#parts();
    const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let offset = 0;
    for (const part of parts) {
      bytes.set(part, offset);
      offset += part.length;
    }
    return bytes;
  }

  async #parts(): Promise<Uint8Array[]> {
    if (this.bodyUsed || this.body.locked) throw new TypeError("The message has been used already");
    const reader = this.body.getReader();
    const parts: Uint8Array[] = [];
    for (let read = await reader.read(); !read.done; read = await reader.read()) parts.push(read.value as Uint8Array);
    return parts;
  }
}
