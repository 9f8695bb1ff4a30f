import { WritableStream } from "node:stream/web";
import { beforeEach, describe, expect, it } from "vitest";
import { SluiceError } from "../../src/core/error.js";
import { Gates } from "../../src/driver/gate.js";
import { type MessageSink, Outflow } from "../../src/driver/outflow.js";
import { cancelled } from "../../src/driver/pending-message.js";
import { type Receipt, ReceiptControl } from "../../src/driver/receipt.js";
import { reactions } from "../support/event-loop.js";

const failure = (code: string) => expect.objectContaining({ code });

/** A channel whose messages end as the test says. */
class Target {
  readonly gates = new Gates({ highWaterMark: 10, maxBufferedAmount: 1000 });
  readonly gate = this.gates.add({
    bufferedBytes: () => this.buffered,
    queuedBytes: () => this.buffered,
    onDrain: () => {},
  });
  readonly sent: string[] = [];
  releases: (() => void)[] = [];
  readonly budget = { whenReleased: () => new Promise<void>((resolve) => this.releases.push(resolve)) };
  readonly controls: ReceiptControl[] = [];
  buffered = 0;
  isClosed = false;
  throws: unknown;

  send(data: string): Receipt {
    if (this.throws !== undefined) throw this.throws;
    if (this.isClosed) return ReceiptControl.ended("never-written", new SluiceError("ERR_NEVER_WRITTEN", "closed"));
    const control = new ReceiptControl();
    const takeBack = () => {
      if (control.state !== "queued") return false;
      this.buffered -= data.length;
      control.fail("cancelled", cancelled());
      return true;
    };
    control.handleMoved({ takeBack });
    control.onSettled(() => this.gates.handleTurn());
    this.sent.push(data);
    this.controls.push(control);
    this.buffered += data.length;
    this.gate.handleSent();
    return control.receipt;
  }

  close(): void {
    this.isClosed = true;
  }

  deliver(index: number): void {
    this.buffered -= (this.sent[index] as string).length;
    this.controls[index]?.handleDelivered();
  }

  lose(index: number): void {
    this.controls[index]?.fail("unknown", new SluiceError("ERR_DELIVERY_UNKNOWN", "lost"));
  }
}

let target: Target;
let outflow: Outflow<string, WritableStream<string>>;

beforeEach(() => {
  target = new Target();
  outflow = new Outflow(target, (sink) => new WritableStream(sink));
});

/** How a promise stands, once everything has run that is due. */
async function standing(promise: Promise<unknown>): Promise<string> {
  let state = "pending";
  promise.then(
    () => {
      state = "resolved";
    },
    (error: unknown) => {
      state = `rejected ${(error as SluiceError).code ?? (error as Error).message}`;
    },
  );
  await reactions();
  return state;
}

describe("Outflow: writing", () => {
  it("is one stream, and one message for each write", async () => {
    expect(outflow.stream).toBe(outflow.stream);
    const writer = outflow.stream.getWriter();
    await writer.write("a");
    await writer.write("b");
    expect(target.sent).toEqual(["a", "b"]);
  });

  it("goes on below the mark, and waits above it", async () => {
    const writer = outflow.stream.getWriter();
    await writer.write("012345678");
    const write = writer.write("9");
    expect(await standing(write)).toBe("pending");
    const next = writer.write("next");
    expect(await standing(next)).toBe("pending");
    expect(target.sent).toHaveLength(2);
    target.deliver(0);
    expect([await standing(write), await standing(next)]).toEqual(["resolved", "resolved"]);
    expect(target.sent).toHaveLength(3);
  });

  it("fails with what `send` throws", async () => {
    target.throws = new SluiceError("ERR_MESSAGE_TOO_LARGE", "too large");
    const writer = outflow.stream.getWriter();
    expect(await standing(writer.write("a"))).toBe("rejected ERR_MESSAGE_TOO_LARGE");
    await expect(writer.closed).rejects.toEqual(failure("ERR_MESSAGE_TOO_LARGE"));
  });

  it("waits for room where others have filled the buffer, and looks again when some of them have ended", async () => {
    target.throws = new SluiceError("ERR_BUFFER_FULL", "full", { retryable: true });
    const write = outflow.stream.getWriter().write("a");
    expect([await standing(write), target.releases.length]).toEqual(["pending", 1]);
    for (const release of target.releases.splice(0)) release();
    expect([await standing(write), target.releases.length]).toEqual(["pending", 1]);
    target.throws = undefined;
    for (const release of target.releases.splice(0)) release();
    expect([await standing(write), target.sent]).toEqual(["resolved", ["a"]]);
  });

  it("does not wait for room that will never be there", async () => {
    target.throws = new SluiceError("ERR_BUFFER_FULL", "larger than the bound");
    expect(await standing(outflow.stream.getWriter().write("a"))).toBe("rejected ERR_BUFFER_FULL");
  });

  it("does not wait for room any more when it is aborted", async () => {
    target.throws = new SluiceError("ERR_BUFFER_FULL", "full", { retryable: true });
    const writer = outflow.stream.getWriter();
    const write = writer.write("a");
    expect(await standing(write)).toBe("pending");
    const aborted = writer.abort(new Error("enough"));
    expect([await standing(write), await standing(aborted)]).toEqual(["rejected ERR_CANCELLED", "resolved"]);
    await expect(writer.closed).rejects.toThrow("enough");
  });

  it("fails on a channel that takes nothing any more", async () => {
    target.isClosed = true;
    const writer = outflow.stream.getWriter();
    expect(await standing(writer.write("a"))).toBe("rejected ERR_NEVER_WRITTEN");
    await expect(writer.closed).rejects.toEqual(failure("ERR_NEVER_WRITTEN"));
  });

  it("fails when the message ends while the write waits", async () => {
    const writer = outflow.stream.getWriter();
    const write = writer.write("0123456789");
    expect(await standing(write)).toBe("pending");
    target.gate.end();
    target.controls[0]?.fail("never-written", new SluiceError("ERR_NEVER_WRITTEN", "lost"));
    expect(await standing(write)).toBe("rejected ERR_NEVER_WRITTEN");
    await expect(writer.closed).rejects.toEqual(failure("ERR_NEVER_WRITTEN"));
  });

  it("breaks when a message is lost that was written before", async () => {
    const writer = outflow.stream.getWriter();
    await writer.write("a");
    await writer.write("b");
    target.controls[0]?.handleWritten();
    target.lose(0);
    expect(await standing(writer.closed)).toBe("rejected ERR_DELIVERY_UNKNOWN");
    expect(await standing(writer.write("c"))).toBe("rejected ERR_DELIVERY_UNKNOWN");
    expect(target.sent).toEqual(["a", "b"]);
  });

  it.each<[string, () => void]>([
    ["is lost", () => target.lose(0)],
    [
      "is refused",
      () => {
        target.throws = new TypeError("what is this?");
      },
    ],
    [
      "is not written",
      () => {
        target.isClosed = true;
      },
    ],
  ])("that is broken, as a message %s, gives way to another one", async (_, breakIt) => {
    const broken = outflow.stream;
    const writer = broken.getWriter();
    await writer.write("a");
    breakIt();
    writer.write("b").catch(() => {});
    expect(await standing(writer.closed)).toMatch(/^rejected/);
    target.throws = undefined;
    target.isClosed = false;
    expect(outflow.stream).not.toBe(broken);
    await outflow.stream.getWriter().write("c");
    expect(target.sent.at(-1)).toBe("c");
    expect(outflow.stream).toBe(outflow.stream);
  });

  it("does not break where nobody acknowledges anything", async () => {
    const writer = outflow.stream.getWriter();
    await writer.write("a");
    target.controls[0]?.handleWritten();
    target.controls[0]?.fail("unknown", new SluiceError("ERR_NO_ACK", "plain"));
    await writer.write("b");
    const close = writer.close();
    expect(await standing(close)).toBe("pending");
    target.controls[1]?.fail("unknown", new SluiceError("ERR_NO_ACK", "plain"));
    expect(await standing(close)).toBe("resolved");
  });
});

describe("Outflow: closing", () => {
  it("closes the channel, and waits until everything has been delivered", async () => {
    const writer = outflow.stream.getWriter();
    for (const data of ["a", "b"]) await writer.write(data);
    const close = writer.close();
    await reactions();
    expect(target.isClosed).toBe(true);
    target.deliver(1);
    expect(await standing(close)).toBe("pending");
    target.deliver(0);
    expect(await standing(close)).toBe("resolved");
    await writer.closed;
  });

  it("is at once where nothing was written", async () => {
    await outflow.stream.close();
    expect(target.isClosed).toBe(true);
  });

  it("fails when something was not delivered", async () => {
    const writer = outflow.stream.getWriter();
    await writer.write("a");
    const close = writer.close();
    await reactions();
    target.lose(0);
    expect(await standing(close)).toBe("rejected ERR_DELIVERY_UNKNOWN");
    await expect(writer.closed).rejects.toEqual(failure("ERR_DELIVERY_UNKNOWN"));
  });

  it("is not disturbed by the end of the channel, which it has asked for", async () => {
    const writer = outflow.stream.getWriter();
    await writer.write("a");
    const close = writer.close();
    await reactions();
    outflow.end();
    target.deliver(0);
    expect(await standing(close)).toBe("resolved");
    await writer.closed;
  });
});

describe("Outflow: the end", () => {
  it("breaks a stream that nobody is writing to", async () => {
    const writer = outflow.stream.getWriter();
    outflow.end();
    expect(await standing(writer.closed)).toBe("rejected ERR_NEVER_WRITTEN");
    expect(await standing(writer.write("a"))).toBe("rejected ERR_NEVER_WRITTEN");
    expect(target.sent).toEqual([]);
  });

  it("makes a stream that is broken from the start of one that is asked for later", async () => {
    outflow.end();
    expect(await standing(outflow.stream.getWriter().closed)).toBe("rejected ERR_NEVER_WRITTEN");
  });

  it("of an abort takes back what has not left, and leaves the channel open to another stream", async () => {
    const { stream } = outflow;
    const writer = stream.getWriter();
    for (const data of ["a", "b", "c"]) await writer.write(data);
    target.controls[0]?.handleWritten();
    target.deliver(1);
    await writer.abort(new Error("enough"));
    expect(target.controls.map(({ state }) => state)).toEqual(["writing", "delivered", "cancelled"]);
    expect(await standing(writer.closed)).toBe("rejected enough");
    expect(target.isClosed).toBe(false);
    expect(outflow.stream).not.toBe(stream);
    await outflow.stream.getWriter().write("d");
    expect(target.sent).toEqual(["a", "b", "c", "d"]);
    await reactions();
  });

  it("of an abort, which is told twice, leaves the stream that was asked for in between", async () => {
    const writer = outflow.stream.getWriter();
    const write = writer.write("0123456789");
    await reactions();
    const aborted = writer.abort(new Error("enough"));
    const next = outflow.stream;
    await expect(write).rejects.toEqual(failure("ERR_CANCELLED"));
    await aborted;
    await expect(writer.closed).rejects.toThrow("enough");
    expect(outflow.stream).toBe(next);
    const nextWriter = next.getWriter();
    outflow.end();
    expect(await standing(nextWriter.closed)).toBe("rejected ERR_NEVER_WRITTEN");
  });

  it("of an abort does not wait for a write that does", async () => {
    const writer = outflow.stream.getWriter();
    const write = writer.write("0123456789");
    // Not the stream's own.
    target.buffered += 1000;
    await reactions();
    const abort = writer.abort(new Error("enough"));
    expect([await standing(write), await standing(abort)]).toEqual(["rejected ERR_CANCELLED", "resolved"]);
    expect(target.controls[0]?.state).toBe("cancelled");
  });

  it("of an abort waits for the write where the platform does not tell at once", async () => {
    let sink: MessageSink<string> | undefined;
    const old = new Outflow<string, WritableStream<string>>(target, (given) => {
      sink = given;
      return new WritableStream();
    });
    const { stream } = old;
    const errors: unknown[] = [];
    sink?.start({ error: (reason) => errors.push(reason) });
    await sink?.write("a");
    sink?.abort();
    expect([target.controls[0]?.state, old.stream === stream]).toEqual(["cancelled", false]);
  });
});
