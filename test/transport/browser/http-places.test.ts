import { afterEach, describe, expect, it, vi } from "vitest";
import { browserPlaces, lockedPlaces, Place, type Places } from "../../../src/transport/browser/http-places.js";
import { reactions } from "../../support/event-loop.js";
import { FakeLocks } from "../../support/fake-locks.js";

const ORIGIN = "http://example.com";

/** Pages of one origin, and what each of them has. */
class Pages {
  readonly locks = new FakeLocks();
  readonly taken: number[] = [];
  readonly places: Places = lockedPlaces(this.locks.manager, ORIGIN);

  take(page: number): () => void {
    return this.places.take(() => this.taken.push(page));
  }
}

afterEach(() => {
  vi.unstubAllGlobals();
});

describe("the places of an origin", () => {
  it("HTTP-27: are three, each for one page, and go to the next that has waited", async () => {
    const pages = new Pages();
    const ends = [0, 1, 2, 3, 4].map((page) => pages.take(page));
    await reactions();
    expect(pages.taken).toEqual([0, 1, 2]);
    expect(pages.locks.held).toEqual([0, 1, 2].map((place) => `sluice:${ORIGIN}:${place}`));
    ends[1]?.();
    await reactions();
    expect(pages.taken).toEqual([0, 1, 2, 3]);
    for (const end of ends) end();
    await reactions();
    expect([pages.locks.held, pages.locks.waiting, pages.taken.length]).toEqual([[], [], 4]);
  });

  it("are no longer wanted when the wish is given up", async () => {
    const pages = new Pages();
    for (const page of [0, 1, 2]) pages.take(page);
    pages.take(3)();
    const giveUp = pages.take(4);
    await reactions();
    giveUp();
    await reactions();
    expect([pages.taken, pages.locks.waiting]).toEqual([[0, 1, 2], []]);
  });

  it("are not needed where locks are forbidden", async () => {
    const request = () => Promise.reject(new DOMException("no", "SecurityError"));
    const places = lockedPlaces({ request } as unknown as LockManager, ORIGIN);
    let taken = 0;
    places.take(() => (taken += 1));
    await reactions();
    expect(taken).toBe(1);
  });

  it("are not needed once a request has gone over HTTP/2, which the page remembers", async () => {
    const observers: { tell: (entries: object[]) => void; isOn: boolean }[] = [];
    class Observer {
      readonly self: (typeof observers)[number];
      constructor(tell: (list: { getEntries: () => object[] }) => void) {
        this.self = { tell: (entries) => tell({ getEntries: () => entries }), isOn: false };
        observers.push(this.self);
      }
      observe(): void {
        this.self.isOn = true;
      }
      disconnect(): void {
        this.self.isOn = false;
      }
    }
    vi.stubGlobal("PerformanceObserver", Observer);
    const locks = new FakeLocks();
    const places = lockedPlaces(locks.manager, "https://h2.example");
    for (let i = 0; i < 3; i++) places.take(() => {});
    let taken = 0;
    const end = places.take(() => (taken += 1));
    await reactions();
    const last = observers.at(-1) as (typeof observers)[number];
    last.tell([
      { name: "https://other.example/", nextHopProtocol: "h2" },
      { name: "https://h2.example/live", nextHopProtocol: "http/1.1" },
      { name: "https://h2.example/live", nextHopProtocol: "" },
    ]);
    expect([taken, last.isOn]).toEqual([0, true]);
    last.tell([{ name: "https://h2.example/live", nextHopProtocol: "h2" }]);
    expect([taken, last.isOn]).toEqual([1, false]);
    end();
    const made = observers.length;
    places.take(() => (taken += 1));
    await reactions();
    expect([taken, observers.length]).toEqual([2, made]);
  });
});

describe("browserPlaces", () => {
  it("are there in pages and workers that have Web Locks, and nowhere else", async () => {
    const locks = new FakeLocks();
    const { manager } = locks;
    vi.stubGlobal("navigator", { locks: manager });
    expect(browserPlaces("wss://example.com/live")).toBeUndefined();
    vi.stubGlobal("document", {});
    // What counts is where the requests go.
    browserPlaces("ws://example.com:8080/live")?.take(() => {});
    await reactions();
    expect(locks.held).toEqual(["sluice:http://example.com:8080:0"]);
    vi.stubGlobal("navigator", {});
    expect(browserPlaces("wss://example.com/live")).toBeUndefined();
  });
});

describe("Place", () => {
  it("is held at once, and without a call, where nobody has to care", async () => {
    let calls = 0;
    const place = new Place(undefined, () => (calls += 1));
    expect(place.isHeld).toBe(false);
    place.claim();
    expect([place.isHeld, await place.turn(), calls]).toEqual([true, undefined, 0]);
    place.release();
    expect(place.isHeld).toBe(false);
  });

  it("has a turn now and then while it waits, one line after the other, until it is there", async () => {
    const pages = new Pages();
    const holders = [0, 1, 2].map((page) => pages.take(page));
    await reactions();
    const told: string[] = [];
    const [first, second] = ["first", "second"].map((name) => new Place(pages.places, () => told.push(name))) as [
      Place,
      Place,
    ];
    for (const place of [first, second]) place.claim();
    const end = (await first.turn()) as () => void;
    let hasTurn = false;
    const turn = second.turn().then((endOfSecond) => {
      hasTurn = endOfSecond !== undefined;
    });
    await reactions();
    expect(hasTurn).toBe(false);
    end();
    await turn;
    expect(hasTurn).toBe(true);
    // Behind the second one, which has not ended its turn.
    const waiting = first.turn();
    holders[2]?.();
    expect([await waiting, first.isHeld, told]).toEqual([undefined, true, ["first"]]);
    first.release();
    await reactions();
    expect([second.isHeld, told]).toEqual([true, ["first", "second"]]);
    second.release();
    expect(await second.turn()).toBeUndefined();
  });
});
