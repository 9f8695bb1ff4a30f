// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type PageListener, watchPage } from "../../src/client/page-lifecycle.js";

let story: unknown[][];
let stops: (() => void)[];

const listener: PageListener = {
  handleLeave: () => story.push(["leave"]),
  handleSleep: () => story.push(["sleep"]),
  handleWake: () => story.push(["wake"]),
  handleHidden: (isHidden) => story.push(["hidden", isHidden]),
  handleOnline: (isOnline) => story.push(["online", isOnline]),
};

beforeEach(() => {
  story = [];
  stops = [];
});

afterEach(() => {
  for (const stop of stops) stop();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

const watch = () => void stops.push(watchPage(listener));

/** A `pagehide` or `pageshow`, of which jsdom knows the type only. */
function transition(type: string, persisted: boolean): void {
  window.dispatchEvent(Object.assign(new window.Event(type), { persisted }));
}

function setVisibility(state: string): void {
  vi.spyOn(document, "visibilityState", "get").mockReturnValue(state as never);
  document.dispatchEvent(new window.Event("visibilitychange"));
}

describe("watchPage", () => {
  it("says nothing of a page that is there, seen and online", () => {
    watch();
    expect(story).toEqual([]);
  });

  it.each<[string, () => void, unknown[]]>([
    ["is left for good", () => transition("pagehide", false), ["leave"]],
    ["goes into the back/forward cache", () => transition("pagehide", true), ["sleep"]],
    ["comes back from there", () => transition("pageshow", true), ["wake"]],
    ["is frozen", () => document.dispatchEvent(new window.Event("freeze")), ["sleep"]],
    ["is thawed", () => document.dispatchEvent(new window.Event("resume")), ["wake"]],
    ["is hidden", () => setVisibility("hidden"), ["hidden", true]],
    ["is seen again", () => setVisibility("visible"), ["hidden", false]],
    ["loses the network", () => window.dispatchEvent(new window.Event("offline")), ["online", false]],
    ["has it back", () => window.dispatchEvent(new window.Event("online")), ["online", true]],
  ])("tells that the page %s, and nothing any more once it is stopped", (_, happen, told) => {
    watch();
    happen();
    expect(story).toEqual([told]);
    stops.pop()?.();
    happen();
    expect(story).toEqual([told]);
  });

  it("does not take a page that is shown for the first time for one that wakes", () => {
    watch();
    transition("pageshow", false);
    expect(story).toEqual([]);
  });

  it("tells at once what is so already", () => {
    vi.spyOn(document, "visibilityState", "get").mockReturnValue("hidden");
    vi.spyOn(navigator, "onLine", "get").mockReturnValue(false);
    watch();
    expect(story).toEqual([
      ["hidden", true],
      ["online", false],
    ]);
  });

  it("takes every listener away that it has added, and none that keeps the page out of the back/forward cache", () => {
    const added: unknown[][] = [];
    const removed: unknown[][] = [];
    for (const target of [window, document]) {
      vi.spyOn(target, "addEventListener").mockImplementation((...parts) => void added.push([target, ...parts]));
      vi.spyOn(target, "removeEventListener").mockImplementation((...parts) => void removed.push([target, ...parts]));
    }
    const stop = watchPage(listener);
    stop();
    stop();
    expect(added.map(([, type]) => type).sort()).toEqual([
      "freeze",
      "offline",
      "online",
      "pagehide",
      "pageshow",
      "resume",
      "visibilitychange",
    ]);
    expect(removed).toEqual(added);
  });

  it("hears of the network in a worker, which has no page", () => {
    vi.stubGlobal("document", undefined);
    watch();
    window.dispatchEvent(new window.Event("offline"));
    transition("pagehide", false);
    expect(story).toEqual([["online", false]]);
  });

  it("has nothing to listen to where there is neither page nor network", () => {
    vi.stubGlobal("document", undefined);
    // Node has a `navigator` from 21 on, without `onLine`.
    vi.stubGlobal("navigator", {});
    watch();
    window.dispatchEvent(new window.Event("offline"));
    vi.stubGlobal("navigator", undefined);
    watch();
    window.dispatchEvent(new window.Event("offline"));
    expect(story).toEqual([]);
  });

  it("does without a scope that takes no listeners", () => {
    vi.stubGlobal("addEventListener", undefined);
    watch();
    setVisibility("hidden");
    expect(story).toEqual([["hidden", true]]);
  });
});
