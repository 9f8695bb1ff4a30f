import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { DEFAULT_LIMITS } from "../../src/core/limits.js";
import { carriage, type Frame, FrameType, Parameter } from "../../src/core/wire/frame.js";
import { greetingFrame, helloFrame, welcomeFrame } from "../../src/core/wire/handshake.js";
import { Header } from "../../src/transport/http/headers.js";
import type { Exchange } from "./exchange.js";
import { bytesOf, notationOf, vectors } from "./notation.js";

const root = new URL("../../", import.meta.url);
const protocol = readFileSync(new URL("PROTOCOL.md", root), "utf8");

const CLAUSE = /\b(?:NEG|WIRE|BAT|FRM|HSK|LIM|MSG|CHN|ACK|KAL|CLS|ERR|SEC|RES|CRD|HTTP)-\d\d\b/g;

const defined = [...protocol.matchAll(/^- \*\*([A-Z]+-\d\d)\*\* /gm)].map((match) => match[1] as string);

describe("PROTOCOL.md", () => {
  it("gives no id twice", () => {
    expect(defined.length).toBeGreaterThan(125);
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

  it("HSK-03: says in which frame a parameter is, as the code does", () => {
    const rows = new Map(rowsOf("| number | parameter |").map(([, name, , frames]) => [name, frames ?? ""]));
    const { limits, ...rest } = sample;
    const made = {
      GREETING: greetingFrame({ limits, ...rest.greeting }),
      HELLO: helloFrame({ limits, ...rest.hello }),
      WELCOME: welcomeFrame({ limits, ...rest.welcome }),
    };
    const names = new Map<number, string>(Object.entries(Parameter).map(([name, id]) => [id, name]));
    for (const [frame, { parameters }] of Object.entries(made)) {
      const told = [...rows].filter(([, frames]) => frames.includes(frame) || frames === "all").map(([name]) => name);
      const sent = [...parameters.keys()].map((id) => names.get(id));
      expect(sent.sort()).toEqual(told.sort());
    }
  });

  it("ERR-01: has a row for every code that a refusal has", () => {
    const codes = rowsOf("| code | meaning |").map(([code]) => code);
    expect(codes).toEqual(["1000", "1001", "1002", "1007", "1008", "1009", "1011", "1012", "1013", "3000 – 4999"]);
  });

  it.each([
    ["RES", 16],
    ["HTTP", 26],
  ])("%s: is in force, and has no gap", (area, count) => {
    expect(protocol).not.toMatch(new RegExp(`^## ${area}: .*reserved`, "m"));
    const ids = defined.filter((id) => id.startsWith(`${area}-`));
    expect(ids).toEqual(ids.map((_, index) => `${area}-${String(index + 1).padStart(2, "0")}`));
    expect(ids.length).toBeGreaterThanOrEqual(count);
  });

  it("HTTP-08: has the headers of the code", () => {
    const rows = rowsOf("| header | in | says |").map(([name]) => name?.replaceAll("`", "").toLowerCase());
    expect(["sluice-line", ...rows].sort()).toEqual(Object.values(Header).sort());
  });

  it("shows the first worked example byte for byte", () => {
    expect(shownIn("## A worked example")).toEqual(vectors<Exchange>("exchange.json").batches.map(({ hex }) => hex));
  });

  it("shows the second worked example byte for byte, from the first batch that is lost", () => {
    const { batches } = vectors<Exchange>("resume.json");
    const shown = batches.slice(batches.findIndex(({ lost }) => lost));
    expect(shown.length).toBe(12);
    expect(shownIn("## A worked example: a cut line")).toEqual(shown.map(({ hex }) => hex));
  });
});

/** The parameters of all three frames, each with everything that it may have. */
const sample = {
  limits: DEFAULT_LIMITS,
  greeting: { protocol: Uint8Array.of(1), instance: Uint8Array.of(1) },
  hello: {
    attemptId: new Uint8Array(16),
    epoch: 2,
    auth: Uint8Array.of(1),
    resume: { sessionId: new Uint8Array(16), token: new Uint8Array(32) },
    received: 1,
    opening: 3,
    protocolsOffered: Uint8Array.of(1),
    reader: Uint8Array.of(1),
  },
  welcome: {
    sessionId: new Uint8Array(16),
    token: new Uint8Array(32),
    resumeWindowMs: 1,
    received: 1,
    opening: 3,
    protocol: Uint8Array.of(1),
    instance: Uint8Array.of(1),
  },
};

/** The blocks of bytes in the section with this heading, as notation. */
function shownIn(heading: string): string[] {
  const start = protocol.indexOf(`${heading}\n`);
  const section = protocol.slice(start, protocol.indexOf("\n## ", start + 1));
  return [...section.matchAll(/```\n([^`]*)```/g)].map(([, block]) => {
    const hex = (block as string).replace(/;.*$/gm, "").replace(/\s/g, "");
    return notationOf(bytesOf(hex));
  });
}

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
