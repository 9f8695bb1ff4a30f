/** What a page, or a worker, tells of its life and of the network (Page Lifecycle API, HTML, "online status"). */
export interface PageListener {
  /** The page is left for good. */
  handleLeave(): void;
  /** The page is about to sleep: into the back/forward cache, or frozen in the background. */
  handleSleep(): void;
  handleWake(): void;
  /** Timers of a hidden page come late, once a second or a minute. */
  handleHidden(isHidden: boolean): void;
  /** A hint: `navigator.onLine` knows of interfaces, not of the way to a server. */
  handleOnline(isOnline: boolean): void;
}

type Listen = (target: EventTarget | undefined, type: string, run: (event: Event) => void) => void;

/**
 * Listens as far as the platform has anything to tell; in Node it has not. No `unload`: that would keep the page out of the
 * back/forward cache.
 * @returns a function that stops it
 */
export function watchPage(listener: PageListener): () => void {
  const stops: (() => void)[] = [];
  const listen: Listen = (target, type, run) => {
    if (typeof target?.addEventListener !== "function") return;
    target.addEventListener(type, run);
    stops.push(() => target.removeEventListener(type, run));
  };
  const page = typeof document === "undefined" ? undefined : document;
  const scope = globalThis as unknown as EventTarget;
  if (page !== undefined) {
    listen(scope, "pagehide", (event) => {
      if ((event as PageTransitionEvent).persisted) listener.handleSleep();
      else listener.handleLeave();
    });
    listen(scope, "pageshow", (event) => {
      if ((event as PageTransitionEvent).persisted) listener.handleWake();
    });
    listen(page, "freeze", () => listener.handleSleep());
    listen(page, "resume", () => listener.handleWake());
    listen(page, "visibilitychange", () => listener.handleHidden(page.visibilityState === "hidden"));
    if (page.visibilityState === "hidden") listener.handleHidden(true);
  }
  if (typeof navigator !== "undefined" && typeof navigator.onLine === "boolean") {
    listen(scope, "online", () => listener.handleOnline(true));
    listen(scope, "offline", () => listener.handleOnline(false));
    if (!navigator.onLine) listener.handleOnline(false);
  }
  return () => {
    for (const stop of stops.splice(0)) stop();
  };
}
