import { ReadableStream } from "node:stream/web";
import { beforeEach, describe, expect, it } from "vitest";
import { SluiceError } from "../../src/core/error.js";
import { Incoming } from "../../src/driver/incoming.js";
import { reactions } from "../support/event-loop.js";

const platform = {
  streamOf: (source: UnderlyingDefaultSource<Uint8Array>) =>
    new ReadableStream<Uint8Array>(source as never, { highWaterMark: 0 }),
  blobOf: (parts: readonly Uint8Array[]) => parts.length,
  decodeText: (bytes: Uint8Array) => new TextDecoder().decode(bytes),
};
const lost = new SluiceError("ERR_SESSION_LOST", "lost");

let incoming: Incoming<ReadableStream<Uint8Array>, number>;
let taken: string[];
let idle: number;

beforeEach(() => {
  taken = [];
  idle = 0;
  incoming = new Incoming(platform as never, () => {
    idle += 1;
  });
});

function begin(totalBytes?: number): void {
  incoming.handleStart({ text: true, totalBytes });
}

function piece(text: string, isLast = false): void {
  incoming.handlePiece({ data: new TextEncoder().encode(text), isLast, taken: () => taken.push(text) });
}

function whole(text: string): void {
  begin(text.length);
  piece(text, true);
}

const iterate = () => incoming[Symbol.asyncIterator]();

async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let pending = true;
  void promise.then(
    () => {
      pending = false;
    },
    () => {
      pending = false;
    },
  );
  await reactions();
  return pending;
}

describe("Incoming", () => {
  it("gives a message as it begins", async () => {
    const next = iterate().next();
    begin(4);
    const { value } = await next;
    expect(value).toMatchObject({ type: "text", size: 4 });
    const text = value?.text();
    piece("ab");
    piece("cd", true);
    expect([await text, taken]).toEqual(["abcd", ["ab", "cd"]]);
  });

  it("gives the next one when the one before has been read", async () => {
    for (const text of ["first", "second"]) whole(text);
    const iterator = iterate();
    const first = (await iterator.next()).value;
    const next = iterator.next();
    expect([await isPending(next), taken, incoming.isBusy]).toEqual([true, [], true]);
    expect(await first?.text()).toBe("first");
    expect(await (await next).value?.text()).toBe("second");
  });

  it("goes on behind a message that is cancelled, when the rest of it has gone by", async () => {
    begin();
    piece("a");
    const iterator = iterate();
    const first = (await iterator.next()).value;
    await first?.body.cancel();
    const next = iterator.next();
    piece("b");
    expect(await isPending(next)).toBe(true);
    piece("c", true);
    whole("second");
    expect(await (await next).value?.text()).toBe("second");
    expect(taken).toEqual(["a", "b", "c", "second"]);
  });

  it("fails what its sender takes back, and goes on", async () => {
    const iterator = iterate();
    begin();
    piece("a");
    const first = (await iterator.next()).value;
    incoming.handleReset();
    await expect(first?.text()).rejects.toMatchObject({ code: "ERR_CANCELLED" });
    whole("second");
    expect(await (await iterator.next()).value?.text()).toBe("second");
    expect(taken).toEqual(["a", "second"]);
  });

  it("does not show what is taken back before anybody has seen it, and keeps nothing of it", async () => {
    whole("first");
    begin();
    piece("a");
    incoming.handleReset();
    expect(taken).toEqual(["a"]);
    whole("third");
    const iterator = iterate();
    expect(await (await iterator.next()).value?.text()).toBe("first");
    expect(await (await iterator.next()).value?.text()).toBe("third");
  });

  it("fails what a lost session has cut behind what is held, and goes on", async () => {
    const iterator = iterate();
    begin();
    piece("a");
    const first = (await iterator.next()).value;
    incoming.interrupt(lost);
    whole("second");
    const reader = first?.body.getReader();
    expect((await reader?.read())?.value).toEqual(Uint8Array.of(0x61));
    await expect(reader?.read()).rejects.toBe(lost);
    expect(await (await iterator.next()).value?.text()).toBe("second");
  });

  it("ends behind the message that is being read", async () => {
    whole("first");
    const iterator = iterate();
    const first = (await iterator.next()).value;
    incoming.end(undefined);
    const next = iterator.next();
    expect(await isPending(next)).toBe(true);
    expect(await first?.text()).toBe("first");
    expect((await next).done).toBe(true);
  });

  it("ends by the error of the session, and so does the message that was coming", async () => {
    begin();
    const iterator = iterate();
    const first = (await iterator.next()).value;
    incoming.end(lost);
    await expect(first?.text()).rejects.toBe(lost);
    await expect(iterator.next()).rejects.toBe(lost);
  });

  it("fails a message that an orderly end has cut", async () => {
    begin();
    const first = (await iterate().next()).value;
    incoming.end(undefined);
    await expect(first?.text()).rejects.toMatchObject({ code: "ERR_CONNECTION_LOST" });
  });

  it("lets everything go by when nobody is there to read", async () => {
    whole("a");
    begin();
    piece("b");
    incoming.discard();
    piece("c", true);
    whole("d");
    incoming.end(undefined);
    expect(taken).toEqual(["a", "b", "c", "d"]);
    expect((await iterate().next()).done).toBe(true);
  });

  it("is busy while somebody iterates or has a message, and tells when it may not be any more", async () => {
    expect(incoming.isBusy).toBe(false);
    whole("a");
    const iterator = iterate();
    const message = (await iterator.next()).value;
    await iterator.return?.();
    expect([incoming.isBusy, idle]).toEqual([true, 1]);
    await message?.text();
    expect([incoming.isBusy, idle]).toEqual([false, 2]);
  });
});
