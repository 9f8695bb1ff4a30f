import { Chart } from "./chart.js";
import { Control, epochNow } from "./control.js";
import { bytes, duration, text } from "./format.js";
import { Pane } from "./pane.js";
import { NativeSide, SluiceSide } from "./side.js";

const PRESETS = [
  { megabit: 1, roundTripMs: 100 },
  { megabit: 5, roundTripMs: 40 },
  { megabit: 10, roundTripMs: 40 },
  { megabit: 20, roundTripMs: 30 },
  { megabit: 100, roundTripMs: 10 },
];
const PRESET_DEFAULT = 2;
const GENERATED_BYTES = 8 * 1024 * 1024;
const LINE_INTERVAL_MS = 100;
/** The others are measured and drawn, but not written into the chat: nobody reads ten lines a second. */
const SHOWN_EVERY = 10;
const PHRASES = [
  "Sending the recording now",
  "Can you still read this?",
  "It is the big one, by the way",
  "Tell me when it is there",
  "I can keep typing, right?",
  "No hurry with the file",
  "But do answer the question",
  "Shall we meet at eight?",
];

const $ = (id) => document.getElementById(id);
const base = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}`;

const control = new Control(`${base}/control`);
const sides = {
  sluice: new SluiceSide("sluice", "Sluice"),
  native: new NativeSide("native", "Native WebSocket", control),
};
const both = Object.values(sides);
const panes = both.map((side) => new Pane(side, $("pane-template")));
$("panes").append(...panes.map((pane) => pane.element));
$("logs").append(...panes.map((pane) => pane.chatElement));
const chart = new Chart($("chart"), both);

let preset = PRESETS[PRESET_DEFAULT];
let chosen;
let fileBytesMax = Number.POSITIVE_INFINITY;
let isRunning = false;

control.addEventListener("hello", ({ detail }) => {
  fileBytesMax = detail.fileBytesMax;
  $("banner").hidden = true;
  applyPreset();
  control.tell({ type: "block", isOn: $("block").checked });
  for (const side of both) side.connect(`${base}/line/${detail.viewer}/${side.name}`);
});
control.addEventListener("lost", ({ detail }) => {
  for (const side of both) side.disconnect();
  $("banner").textContent = detail.isFull
    ? "The demo server has as many visitors as it can serve. This page waits for a free place."
    : "The demo server is gone. This page tries again every second: npm run demo starts it.";
  $("banner").hidden = false;
});
control.addEventListener("line", ({ detail }) =>
  sides[detail.side].handleArrival(detail.number, control.toPageTime(detail.at)),
);
control.addEventListener("file", ({ detail }) => sides[detail.side].handleFile(control.toPageTime(detail.at)));
control.addEventListener("lines", ({ detail }) => {
  for (const side of both) side.handleReport(detail[side.name], control.toPageTime(detail.at));
});
for (const side of both) side.addEventListener("upload", () => handleUpload());

for (const [index, candidate] of PRESETS.entries()) $("presets").append(presetChoice(candidate, index));

$("rig").addEventListener("submit", (event) => {
  event.preventDefault();
  start();
});
$("cancel").addEventListener("click", () => {
  for (const side of both) side.cancel();
});
$("cut").addEventListener("click", () => control.tell({ type: "cut" }));
$("block").addEventListener("change", () => control.tell({ type: "block", isOn: $("block").checked }));
$("file").addEventListener("change", () => choose($("file").files[0]));
$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const words = $("line").value.trim();
  if (words === "") return;
  for (const side of both) side.say(words, true);
  $("line").value = "";
});
for (const button of document.querySelectorAll("[data-scale]")) {
  button.addEventListener("click", () => {
    for (const other of document.querySelectorAll("[data-scale]"))
      other.setAttribute("aria-pressed", String(other === button));
    chart.setScale(button.dataset.scale);
    chart.update(epochNow());
  });
}

let spoken = 0;
setInterval(() => {
  // A line sent before the clocks are compared would be drawn where it was not.
  if (!$("auto").checked || !control.isCalibrated) return;
  const phrase = PHRASES[Math.floor(spoken / SHOWN_EVERY) % PHRASES.length];
  for (const side of both) side.say(phrase, spoken % SHOWN_EVERY === 0);
  spoken += 1;
}, LINE_INTERVAL_MS);

const isCalm = matchMedia("(prefers-reduced-motion: reduce)");
let drawnAt = 0;
requestAnimationFrame(function frame(at) {
  requestAnimationFrame(frame);
  // Ten pictures a second are as good as sixty here, and leave the page to the sockets; two for those who want calm.
  if (at - drawnAt < (isCalm.matches ? 500 : 95)) return;
  drawnAt = at;
  update();
});

function update() {
  const now = epochNow();
  for (const pane of panes) pane.update(now);
  chart.update(now);
  const areOpen = both.every((side) => side.state === "open");
  $("start").disabled = !areOpen;
  $("cut").disabled = !areOpen;
  $("send").disabled = both.every((side) => side.state !== "open");
  $("start").hidden = isRunning;
  $("cancel").hidden = !isRunning;
  $("link-state").dataset.state = areOpen ? "open" : "waiting";
  $("link-state").textContent = areOpen
    ? `Connected, ${preset.megabit} Mbit/s, ${preset.roundTripMs} ms`
    : "Connecting to the demo server";
  const { clock } = control;
  if (clock !== undefined) $("clock").textContent = `good to ${clock.errorMs.toFixed(1)} ms just now`;
}

function start() {
  if (isRunning || both.some((side) => side.state !== "open")) return;
  const file = chosen ?? generated();
  isRunning = true;
  say("Uploading on both sides. Write something below meanwhile.");
  chart.beginRun(epochNow());
  for (const side of both) side.start(file);
}

function handleUpload() {
  if (!isRunning || both.some((side) => side.upload?.state === "running")) return;
  isRunning = false;
  chart.endRun(epochNow());
  // The last lines of the run are still on their way when the file has arrived.
  setTimeout(() => {
    if (!isRunning) conclude();
  }, 500);
}

function conclude() {
  if (sides.sluice.upload.state === "done" && sides.native.upload.state === "failed") {
    return say(
      `The cut cost the native WebSocket its upload and ${sides.native.lost} chat lines. ` +
        "Sluice went on where it was, and lost nothing.",
      "result",
    );
  }
  if (both.some((side) => side.upload.state !== "done")) return say("The upload did not finish on both sides.");
  const [sluice, native] = both.map((side) => side.summary(epochNow()));
  if (sluice === undefined || native === undefined) {
    return say("The upload was over before a chat line was sent: take a larger file or a slower line.", "result");
  }
  const times = native.worstMs / sluice.worstMs;
  const spell = (ms) => text(duration(ms));
  say(
    `While the file went up, a chat line took ${spell(sluice.typicalMs)} through Sluice, ${spell(sluice.worstMs)} at worst; ` +
      `through the native WebSocket ${spell(native.typicalMs)}, ${spell(native.worstMs)} at worst` +
      (times > 2 ? `: ${Math.round(times)} times as long.` : "."),
    "result",
  );
}

function say(words, kind = "hint") {
  $("verdict").textContent = words;
  $("verdict").dataset.kind = kind;
}

function choose(file) {
  const error = $("file-error");
  error.hidden = true;
  if (file === undefined) return;
  if (file.size > fileBytesMax || file.size === 0) {
    error.textContent =
      file.size === 0
        ? `“${file.name}” is empty.`
        : `“${file.name}” is ${bytes(file.size)}; this demo takes up to ${bytes(fileBytesMax)}.`;
    error.hidden = false;
    $("file").value = "";
    return;
  }
  chosen = file;
  $("file-name").textContent = `${file.name}, ${bytes(file.size)}`;
}

/** Bytes that no compression on the way could shrink. */
function generated() {
  const content = new Uint8Array(GENERATED_BYTES);
  // getRandomValues takes at most this much at once.
  for (let at = 0; at < content.length; at += 65_536) crypto.getRandomValues(content.subarray(at, at + 65_536));
  return new File([content], "generated.bin");
}

function presetChoice(candidate, index) {
  const label = document.createElement("label");
  const input = document.createElement("input");
  Object.assign(input, { type: "radio", name: "preset", value: String(index), checked: index === PRESET_DEFAULT });
  input.addEventListener("change", () => {
    preset = candidate;
    applyPreset();
  });
  const rate = document.createElement("strong");
  rate.textContent = `${candidate.megabit} Mbit/s`;
  const delay = document.createElement("span");
  delay.textContent = `${candidate.roundTripMs} ms`;
  label.append(input, rate, delay);
  return label;
}

function applyPreset() {
  control.tell({ type: "set", megabit: preset.megabit, roundTripMs: preset.roundTripMs });
}
