import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { carriage, type Frame, FrameType, Parameter } from "../../src/core/wire/frame.js";
import type { Exchange } from "./exchange.js";
import { bytesOf, notationOf, vectors } from "./notation.js";

const root = new URL("../../", import.meta.url);
const protocol = readFileSync(new URL("PROTOCOL.md", root), "utf8");

const CLAUSE = /\b(?:NEG|WIRE|BAT|FRM|HSK|LIM|MSG|CHN|ACK|KAL|CLS|ERR|SEC|RES|CRD|HTTP)-\d\d\b/g;

const defined = [...protocol.matchAll(/^- \*\*([A-Z]+-\d\d)\*\* /gm)].map((match) => match[1] as string);

describe("PROTOCOL.md", () => {
  it("gives no id twice", () => {
    expect(defined.length).toBeGreaterThan(90);
    expect(new Set(defined).size).toBe(defined.length);
  });

  it("has every clause that is cited anywhere", () => {
    const cited: string[] = [...(protocol.match(CLAUSE) ?? [])].map((id) => `${id} in PROTOCOL.md`);
    const files = ["src", "test"].flatMap((folder) => filesIn(folder));
    for (const file of files) {
      const text = readFileSync(new URL(file, root), "utf8");
      cited.push(...(text.match(CLAUSE) ?? []).map((id) => `${id} in ${file}`));
    }
    expect(files.length).toBeGreaterThan(40);
    expect(cited.length).toBeGreaterThan(150);
    const known = new Set(defined);
    expect(cited.filter((line) => !known.has(line.slice(0, line.indexOf(" "))))).toEqual([]);
  });

  it("FRM-02: has the frames of the code, with their numbers and carriage", () => {
    const rows = rowsOf("| type | frame |");
    const expected = Object.entries(FrameType).map(([name, number]) => {
      return [number, name, carriage(name.toLowerCase().replace("_", "-") as Frame["type"])];
    });
    expect(rows.map(([number, name, _fields, kind]) => [Number(number), name, kind])).toEqual(expected);
  });

  it("HSK-03: has the parameters of the code, with their numbers", () => {
    const rows = rowsOf("| number | parameter |");
    expect(rows.map(([number, name]) => [name, Number(number)])).toEqual(Object.entries(Parameter));
  });

  it("shows the worked example byte for byte", () => {
    const start = protocol.indexOf("## A worked example");
    const section = protocol.slice(start, protocol.indexOf("\n## ", start + 1));
    const shown = [...section.matchAll(/```\n([^`]*)```/g)].map(([, block]) => {
      const hex = (block as string).replace(/;.*$/gm, "").replace(/\s/g, "");
      return notationOf(bytesOf(hex));
    });
    expect(shown).toEqual(vectors<Exchange>("exchange.json").batches.map(({ hex }) => hex));
  });
});

/** The cells of the table that begins so. */
function rowsOf(head: string): string[][] {
  const start = protocol.indexOf(head);
  const [, , ...rows] = protocol.slice(start, protocol.indexOf("\n\n", start)).split("\n");
  return rows.map((row) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

function filesIn(folder: string): string[] {
  const entries = readdirSync(new URL(`${folder}/`, root), { withFileTypes: true });
  return entries.flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return filesIn(path);
    return /\.(ts|json)$/.test(entry.name) ? [path] : [];
  });
}
