import { describe, expect, it } from "vitest";
import { BatchReader } from "../../../src/core/wire/decode.js";
import type { Frame } from "../../../src/core/wire/frame.js";
import { FRAME_TABLE } from "../../support/frame-table.js";
import { unhex } from "../../support/hex.js";
import { naiveDecode } from "../../support/naive-decoder.js";

function readAll(batch: Uint8Array): { number: number; frames: Frame[]; reader: BatchReader } {
  const reader = new BatchReader(batch);
  const frames: Frame[] = [];
  for (let frame = reader.next(); frame !== undefined; frame = reader.next()) frames.push(frame);
  return { number: reader.number, frames, reader };
}

describe("BatchReader", () => {
  it.each(FRAME_TABLE)("$title", ({ hex, carriage, frame }) => {
    const number = carriage === "numbered" ? 1 : 0;
    const batch = unhex(`0${number} ${hex}`);
    const { frames, reader } = readAll(batch);
    expect(reader.violation).toBeUndefined();
    expect(reader.number).toBe(number);
    expect(frames).toEqual([frame]);
    expect(naiveDecode(batch)).toEqual({ number, frames: [frame], isValid: true });
  });

  it.each(FRAME_TABLE)("FRM-06: $title, cut anywhere, is a violation and gives nothing", ({ hex, carriage }) => {
    const whole = unhex(`${carriage === "numbered" ? "01" : "00"} ${hex}`);
    for (let cut = 0; cut < whole.length; cut++) {
      const { frames, reader } = readAll(whole.subarray(0, cut));
      expect(frames).toEqual([]);
      expect(reader.violation?.code).toBe(1002);
    }
  });

  it.each(FRAME_TABLE.filter(({ carriage }) => carriage !== "either"))(
    "BAT-03: $title in the other kind of batch is a violation",
    ({ hex, carriage }) => {
      const { frames, reader } = readAll(unhex(`${carriage === "numbered" ? "00" : "01"} ${hex}`));
      expect(frames).toEqual([]);
      expect(reader.violation?.code).toBe(1002);
    },
  );

  it.each(FRAME_TABLE.filter(({ carriage }) => carriage === "either"))(
    "BAT-03: $title travels in both",
    ({ hex, frame }) => {
      for (const number of ["00", "01", "4040"]) expect(readAll(unhex(`${number} ${hex}`)).frames).toEqual([frame]);
    },
  );

  const kib = "07".repeat(1024);
  const bad: [string, string][] = [
    ["BAT-02: an empty batch", ""],
    ["BAT-02: a number and nothing else", "05"],
    ["BAT-02: no number and nothing else", "00"],
    ["WIRE-02: a number of 2^53", "c020000000000000 0a"],
    ["FRM-03: an unknown frame, 0x00", "00 00"],
    ["FRM-03: an unknown frame, 0x0c", "00 0c"],
    ["FRM-03: an unknown frame, 0x15", "01 15"],
    ["FRM-03: an unknown frame, 0x3f", "01 3f"],
    ["FRM-03: an unknown frame, 0x50", "01 50"],
    ["FRM-03: an unknown frame, 0xff", "01 ff"],
    ["KAL-02: PING of 126 bytes", `00 07 407e ${"07".repeat(126)}`],
    ["KAL-02: PONG of 126 bytes", `00 08 407e ${"07".repeat(126)}`],
    ["FRM-06: a PING longer than its batch", "00 07 05 0707"],
    ["CLS-10: CLOSE with a code under 1000", "01 10 43e7 00"],
    ["CLS-10: CLOSE with a code of 1", "01 10 01 00"],
    ["CLS-10: CLOSE with 1004", "01 10 43ec 00"],
    ["CLS-10: CLOSE with 1005", "01 10 43ed 00"],
    ["CLS-10: CLOSE with 1006", "01 10 43ee 00"],
    ["CLS-10: ABORT with 1015", "00 09 43f7 00"],
    ["CLS-10: CLOSE with a code of 5000", "01 10 5388 00"],
    ["CLS-10: CLOSE with a reason of 124 bytes", `01 10 43e8 407c ${"07".repeat(124)}`],
    ["CLS-10: ABORT with a code out of range", "00 09 5388 00"],
    ["CLS-10: ABORT with a reason of 124 bytes", `00 09 43e8 407c ${"07".repeat(124)}`],
    ["CHN-02: a fourth priority", "01 11 01 03 01 61"],
    ["CHN-03: a name of 257 bytes", `01 11 01 00 4101 ${"07".repeat(257)}`],
    ["MSG-02: TEXT on a chunk in the middle", `01 44 00 4400 ${kib}`],
    ["MSG-02: TEXT on a last chunk", "01 46 00 01 61"],
    ["MSG-02: TOTAL on a whole message", "01 4b 00 01 01 61"],
    ["MSG-02: TOTAL on a chunk in the middle", `01 48 00 5000 4400 ${kib}`],
    ["MSG-02: TOTAL on a last chunk", "01 4a 00 01 01 61"],
    ["MSG-06: a first chunk of 1,023 bytes", `01 41 00 43ff ${"07".repeat(1023)}`],
    ["MSG-06: a chunk in the middle of 1,023 bytes", `01 40 00 43ff ${"07".repeat(1023)}`],
    ["MSG-06: a first chunk of nothing", "01 41 00 00"],
    ["WIRE-02: a payload of 2^53", "01 43 00 c020000000000000"],
    ["FRM-06: a payload longer than memory", "01 43 00 c01fffffffffffff"],
    ["FRM-05: parameters beyond the batch", "00 01 05 0100"],
    ["FRM-05: a parameter beyond its frame", "00 01 03 01 02 aa bb"],
    ["FRM-05: a parameter's number beyond its frame", "00 01 01 4001 00"],
    ["FRM-05: a parameter's length beyond its frame", "00 01 02 01 40 00 0a"],
    ["FRM-05: half a parameter at the end of its frame", "00 01 01 01 0a"],
    ["HSK-03: the same parameter twice", "00 01 04 0100 0100"],
    ["HSK-03: the same parameter twice, in two spellings", "00 01 05 0100 400100"],
    [
      "HSK-03: 65 parameters",
      `00 01 4083 ${Array.from({ length: 65 }, (_, i) => `${i < 64 ? `0${i.toString(16)}`.slice(-2) : "4040"}00`).join("")}`,
    ],
    ["WIRE-02: an ACK of 2^53", "00 04 c020000000000000 00 00 00"],
  ];

  it.each(bad)("%s", (_, text) => {
    const batch = unhex(text);
    const { frames, reader } = readAll(batch);
    expect(frames).toEqual([]);
    expect(reader.violation).toMatchObject({ code: 1002, reason: expect.stringMatching(/./) });
    expect(naiveDecode(batch).isValid).toBe(false);
  });

  it("HSK-03: takes 64 parameters", () => {
    const pairs = Array.from({ length: 64 }, (_, i) => `${`0${i.toString(16)}`.slice(-2)}00`).join("");
    const [frame] = readAll(unhex(`00 01 4080 ${pairs}`)).frames;
    expect(frame?.type === "greeting" && frame.parameters.size).toBe(64);
  });

  it("ERR-03: gives the good frames in front of a bad one, and stays at the violation", () => {
    const reader = new BatchReader(unhex("00 07 01 61 0a ff 0a"));
    expect(reader.next()).toMatchObject({ type: "ping" });
    expect(reader.next()).toEqual({ type: "detach" });
    expect(reader.violation).toBeUndefined();
    expect([reader.next(), reader.next(), reader.next()]).toEqual([undefined, undefined, undefined]);
    expect(reader.violation?.reason).toBe("unknown frame 0xff");
  });

  it("gives payloads as views: nothing is copied out of the batch", () => {
    const batch = unhex("01 43 00 04 01020304");
    const frame = new BatchReader(batch).next();
    expect(frame?.type === "chunk" && frame.payload.buffer).toBe(batch.buffer);
  });

  it("reads a batch that is itself a view into something larger", () => {
    const buffer = unhex("ffff 01 47 00 02 6869 ffff");
    const { frames, reader } = readAll(buffer.subarray(2, 8));
    expect(frames).toMatchObject([{ type: "chunk", payload: unhex("6869") }]);
    expect(reader.violation).toBeUndefined();
  });
});
