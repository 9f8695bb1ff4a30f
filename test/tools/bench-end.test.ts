import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { createEnd, LINE_TEXT } from "../../bench/lib/end.mjs";

/** Two ends of which one sends what the other gets, at once. */
function pair() {
  const setting = { lineText: LINE_TEXT, fileOf: (bytes: Uint8Array) => bytes };
  const [sender, receiver] = [createEnd(setting), createEnd(setting)];
  sender.use({ sendLine: receiver.receiver.line, sendFile: receiver.receiver.file });
  return { sender, receiver };
}

describe("an end of the benchmarks", () => {
  test("sends a file and a line at once, and writes down what arrives", async () => {
    const { sender, receiver } = pair();
    await sender.start({ fileBytes: 100_000, intervalMs: 0 });
    await receiver.wait({ lines: 1, file: true });
    const { sentAt, digest } = sender.stop();
    const arrived = await receiver.finish();
    expect(sentAt).toHaveLength(1);
    expect(arrived.lines.map(({ text }) => text)).toEqual([`0 ${LINE_TEXT}`]);
    expect(arrived.file).toMatchObject({ bytes: 100_000, digest });
  });

  test.each([
    { title: "a view", contentOf: (bytes: Buffer) => bytes },
    { title: "a Blob", contentOf: (bytes: Buffer) => new Blob([new Uint8Array(bytes)]) },
    { title: "base64", contentOf: (bytes: Buffer) => bytes.toString("base64") },
  ])("takes a file as $title", async ({ contentOf }) => {
    const bytes = Buffer.from([0, 1, 254, 255]);
    const { receiver } = pair();
    receiver.receiver.file(contentOf(bytes));
    const digest = createHash("sha256").update(bytes).digest("hex");
    expect((await receiver.finish()).file).toMatchObject({ bytes: 4, digest });
  });

  test("sends nothing but a line where there is no file", async () => {
    const { sender, receiver } = pair();
    await sender.start({ fileBytes: 0, intervalMs: 0 });
    expect(await receiver.finish()).toMatchObject({ lines: [{ text: `0 ${LINE_TEXT}` }] });
    expect((await receiver.finish()).file).toBeUndefined();
  });

  test("counts a burst, and sees when it is out of order", async () => {
    const { sender, receiver } = pair();
    receiver.count(3);
    sender.burst({ count: 3, bytes: 64 });
    await receiver.wait({ burst: true });
    expect(receiver.counted()).toMatchObject({ count: 3, isInOrder: true });
    receiver.count(3);
    for (const text of ["0 a", "2 a", "1 a"]) receiver.receiver.line(text);
    expect(receiver.counted()).toMatchObject({ count: 3, isInOrder: false });
  });

  test("messages of a burst have the size that is asked for", () => {
    const { sender } = pair();
    const texts: string[] = [];
    sender.use({ sendLine: (text) => texts.push(text), sendFile: () => {} });
    sender.burst({ count: 2, bytes: 64 });
    expect(texts.map((text) => text.length)).toEqual([64, 64]);
  });

  test("forgets what was there before", async () => {
    const { sender, receiver } = pair();
    await sender.start({ fileBytes: 10, intervalMs: 0 });
    receiver.count(3);
    receiver.reset();
    expect(await receiver.finish()).toEqual({ lines: [] });
    expect(receiver.counted()).toBeUndefined();
  });
});
