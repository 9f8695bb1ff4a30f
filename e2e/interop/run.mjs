// `npm run test:interop`: libraries that take a WebSocket, with both of their ends, in every world, without cuts and with
// two. Arguments are words of which one has to be in the name of a library or a world.
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { runCell } from "./cell.mjs";
import { automerge } from "./libraries/automerge.mjs";
import { graphqlWs } from "./libraries/graphql-ws.mjs";
import { hocuspocus } from "./libraries/hocuspocus.mjs";
import { mqtt } from "./libraries/mqtt.mjs";
import { partysocket } from "./libraries/partysocket.mjs";
import { phoenix } from "./libraries/phoenix.mjs";
import { refusals } from "./libraries/refusals.mjs";
import { rxjs } from "./libraries/rxjs.mjs";
import { socketIo } from "./libraries/socket-io.mjs";
import { stomp } from "./libraries/stomp.mjs";
import { trpc } from "./libraries/trpc.mjs";
import { yjs } from "./libraries/yjs.mjs";
import { worlds } from "./worlds.mjs";

const COUNT = 150;
const CUT_AT = [50, 100];

const libraries = [
  graphqlWs,
  refusals,
  trpc,
  yjs,
  automerge,
  mqtt,
  stomp,
  phoenix,
  rxjs,
  partysocket,
  hocuspocus,
  socketIo,
];
const columns = worlds.flatMap((world) => [
  { title: world.name, world, cutAt: [] },
  ...(world.isCut ? [{ title: `${world.name}, cut`, world, cutAt: CUT_AT }] : []),
]);

const words = process.argv.slice(2).map((word) => word.toLowerCase());
const isWanted = (name) => words.length === 0 || words.some((word) => name.toLowerCase().includes(word));

/** What nobody has caught, in the cell that runs. */
const strays = [];
process.on("uncaughtException", (error) => strays.push(error));

const cells = [];
for (const library of libraries) {
  for (const { title, world, cutAt } of columns) {
    const name = `${library.name}: ${title}`;
    if (!isWanted(name)) continue;
    if (library.onlyWebSocket !== undefined && /sse|long-poll/.test(world.transport)) {
      console.log(`-       ${name}: not over HTTP, because ${library.onlyWebSocket}`);
      continue;
    }
    const startedAt = performance.now();
    const outcome = await runCell(library, world, { count: COUNT, cutAt });
    const stray = strays.splice(0)[0];
    const fault = outcome ?? (stray && `uncaught: ${stray?.stack ?? stray}`);
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    cells.push({ library: library.name, title, fault, shown: fault === undefined ? `ok ${seconds} s` : "FAILED" });
    console.log(fault === undefined ? `ok      ${name}` : `FAILED  ${name}: ${fault}`);
  }
}

const shownOf = (name, title) => cells.find((cell) => cell.library === name && cell.title === title)?.shown ?? "-";
const table = [["", ...columns.map(({ title }) => title)]];
for (const { name } of libraries) table.push([name, ...columns.map(({ title }) => shownOf(name, title))]);
const widths = table[0].map((_, at) => Math.max(...table.map((row) => row[at].length)));
console.log();
for (const row of table) console.log(row.map((shown, at) => shown.padEnd(widths[at])).join("  "));

const failed = cells.filter(({ fault }) => fault !== undefined).length;
const report = { passed: cells.length - failed, failed, skipped: 0, cells };
const folder = fileURLToPath(new URL("../../test-results", import.meta.url));
mkdirSync(folder, { recursive: true });
writeFileSync(`${folder}/interop.json`, JSON.stringify(report, null, 2));
// Some of the libraries leave timers behind.
process.exit(failed > 0 || cells.length === 0 ? 1 : 0);
