import { keyOf } from "../../src/core/bytes.js";
import type { LineKind } from "../../src/core/dial/chooser.js";
import { Outlook } from "../../src/core/dial/outlook.js";
import { SluiceError } from "../../src/core/error.js";
import { ClientSession } from "../../src/core/session/client-session.js";
import type { SessionEvent } from "../../src/core/session/events.js";
import { App, type Deed } from "./app.js";
import { Endpoint } from "./endpoint.js";
import { Line, type LineEnd } from "./line.js";
import { newPair, type Pair, type Scene } from "./scene.js";
import type { ServerHost } from "./server-host.js";
import { Alarm, Violation, worldTime } from "./world.js";

/** How long an application waits after it has lost a session before it opens another one. */
const REOPEN_MS = 200;

/** A page with one socket: it dials, holds the transports that it is told to, and opens a new session where one is lost. */
export class ClientHost {
  /** Added to the world's time; steps of the clock. */
  skewMs = 0;
  pair!: Pair;
  session!: ClientSession;
  app!: App;
  /** Whether the session has a transport on which it has been welcomed. */
  isAttached = false;
  /** Whether a new session follows the end of one. */
  reopens = true;
  readonly #scene: Scene;
  readonly #server: () => ServerHost;
  readonly #alarm: Alarm;
  #endpoint!: Endpoint;
  /** The line that has carried the session last. */
  #carrier: number | undefined;
  /** The lines that the session has, by the number of the dial. */
  readonly #held = new Map<number, Line>();
  readonly #outlook: Outlook;
  /** What waits for the page to thaw; `undefined` while it runs. */
  #frozen: (() => void)[] | undefined;
  /** What the application does about its next `resumed`. */
  readonly #onResumed: Deed[] = [];
  /** What it does as soon as there is another session. */
  readonly #waiting: Deed[] = [];
  #generation = 0;
  /** Lines of this session that no fault has touched: more than the last one would mean that it dials without need. */
  #lines: Line[] = [];

  constructor(scene: Scene, server: () => ServerHost) {
    this.#scene = scene;
    this.#server = server;
    this.#outlook = new Outlook(undefined, this.now);
    const deadline = () => {
      const next = this.session.nextDeadline();
      return next === undefined ? undefined : worldTime(next, this.skewMs);
    };
    this.#alarm = new Alarm(scene.world, deadline, () => this.#whenAwake(() => this.#handleAlarm()));
    this.open();
  }

  get now(): number {
    return this.#scene.world.now + this.skewMs;
  }

  /** The line that carries the session, or is to. */
  get line(): Line | undefined {
    const { line } = this.session;
    return line === undefined ? undefined : this.#held.get(line);
  }

  /** Everything that it has. */
  get lines(): readonly Line[] {
    return [...this.#held.values()];
  }

  /** Another session, under another attempt. */
  open(): void {
    const { world, ports, clientLimits, backoff, connectTimeoutMs, counts, stillbornShare, kinds } = this.#scene;
    const attemptId = world.random.bytes(16);
    this.#generation += 1;
    this.#lines = [];
    this.pair = newPair(this.#scene, keyOf(attemptId));
    const { pair } = this;
    const session = new ClientSession({
      limits: clientLimits,
      ports,
      attemptId,
      dial: { backoff, connectTimeoutMs, retriesFirst: true, kinds, outlook: this.#outlook },
    });
    const ledgers = { out: pair.up, incoming: () => pair.down };
    const generation = this.#generation;
    const app = new App(world, counts, session, ledgers, (run) => this.#inputFor(generation, run));
    app.hostNow = () => this.now;
    this.session = session;
    this.app = app;
    this.#endpoint = new Endpoint(
      session,
      app,
      { ...clientLimits },
      (event) => this.#handleEvent(event),
      (line, batch) => this.#held.get(line)?.up.send(batch),
    );
    if (world.random.chance(stillbornShare)) this.close(1000);
    this.input(() => session.start(this.now));
    this.do(this.#waiting.splice(0));
  }

  /** One input, and everything that follows from it. */
  input(run: () => void): void {
    this.#whenAwake(() => {
      run();
      this.#settle();
    });
  }

  /** What an application does within one tick. */
  do(deeds: readonly Deed[]): void {
    this.#whenAwake(() => {
      this.#perform(deeds);
      this.#settle();
    });
  }

  /** Does something as soon as the session is resumed, from inside of that event. */
  doWhenResumed(deed: Deed): void {
    this.#onResumed.push(deed);
  }

  /** Does what has waited for a resume that did not come. */
  doTheRest(): void {
    this.do(this.#onResumed.splice(0));
  }

  close(code: number): void {
    this.input(() => this.session.close(code, "", this.now));
  }

  /** The application ends it at once. */
  abort(): void {
    const error = new SluiceError("ERR_CONNECTION_LOST", "This end has cut it");
    this.input(() => this.session.abort(4002, "", error, this.now));
  }

  freeze(): void {
    this.#frozen ??= [];
  }

  thaw(): void {
    const waiting = this.#frozen;
    this.#frozen = undefined;
    for (const run of waiting ?? []) this.#whenAwake(run);
  }

  /** The page sleeps, and was told so before; whatever line it has is left. */
  suspend(): void {
    if (this.#frozen !== undefined) return;
    this.input(() => this.session.suspend(this.now));
    this.freeze();
  }

  wake(): void {
    const waiting = this.#frozen ?? [];
    this.#frozen = undefined;
    const wake = () => this.input(() => this.session.wake(this.now));
    // A browser may run what is due before it says that the page is back.
    const order = this.#scene.world.random.chance(0.5) ? [wake, ...waiting] : [...waiting, wake];
    for (const run of order) this.#whenAwake(run);
  }

  throttle(gridMs: number): void {
    this.#alarm.gridMs = gridMs;
    this.input(() => this.session.handleTimers(gridMs === 0, this.now));
    this.#alarm.rearm();
  }

  jump(ms: number): void {
    this.skewMs += ms;
    this.#alarm.rearm();
  }

  get hasDeadline(): boolean {
    return this.session.nextDeadline() !== undefined;
  }

  /** An input of one session: what a frozen page has missed may come when there is another one. */
  #inputFor(generation: number, run: () => void): void {
    this.#whenAwake(() => {
      if (generation === this.#generation) this.input(run);
    });
  }

  #whenAwake(run: () => void): void {
    if (this.#frozen === undefined) run();
    else this.#frozen.push(run);
  }

  #handleAlarm(): void {
    this.session.handleDeadline(this.now);
    this.#settle();
  }

  #settle(): void {
    this.#endpoint.settle(() => this.#outlet(), this.now);
    this.#alarm.arm();
  }

  #outlet() {
    const { line } = this;
    if (line === undefined || line.isClosing("client")) return undefined;
    const requests = line.requestsOf("client");
    return { budgetBytes: line.up.budgetBytes, requests, send: (batch: Uint8Array) => line.up.send(batch) };
  }

  #handleEvent(event: SessionEvent): void {
    this.#scene.world.tell?.(`${this.pair.name} client: ${describe(event)}`);
    switch (event.type) {
      case "dial":
        return this.#dial(event.line, event.kind);
      case "introduce":
        return this.#bringAuth(event.line);
      case "established":
      case "resumed":
        this.isAttached = true;
        this.#carrier = this.session.line;
        if (event.type === "resumed") this.#handleResumed(event.line);
        return;
      case "detached":
        this.isAttached = false;
        return this.#release(event.line);
      case "abandoned":
        // Fenced: the session waits for the line that has taken its place to say so.
        if (event.line === this.#carrier) this.isAttached = false;
        return this.#release(event.line);
      case "closing":
        this.pair.clientSawClose = true;
        return;
      case "closed":
        return this.#handleClosed(event);
      default:
    }
  }

  #handleResumed(line: number): void {
    this.#scene.counts.resumes += 1;
    this.#scene.counts[this.#held.get(line)?.kind === "http" ? "toHttp" : "toWebSocket"] += 1;
    const deeds = this.#onResumed.splice(0);
    if (deeds.length > 0) this.#endpoint.defer(() => this.#perform(deeds));
  }

  /** What the application does; on a socket that closes nothing can be done, and it waits for the next one. */
  #perform(deeds: readonly Deed[]): void {
    for (const deed of deeds) {
      if (this.session.isClosing) {
        this.#waiting.push(deed);
        continue;
      }
      this.app.do(deed, this.now);
      this.#endpoint.collect();
    }
  }

  #dial(number: number, kind: LineKind): void {
    const scene = this.#scene;
    const { world, counts } = scene;
    counts.dials += 1;
    const end = this.#lineEnd(number);
    const line = new Line(world, scene.model, { number: counts.dials, epoch: number, kind }, end);
    scene.lines.push(line);
    this.#checkDials(line);
    this.#held.set(number, line);
    scene.onLine?.(line);
    const reachability = scene.reachability !== "ok" || kind === "http" ? scene.reachability : scene.webSockets;
    if (reachability !== "ok") line.blame ??= reachability;
    if (scene.mood !== "open") line.blame ??= scene.mood;
    if (reachability === "fails") return world.after(world.random.below(100), () => line.fail("client"));
    if (reachability === "hangs") return;
    const transport = { batchBytesMax: 64 * 1024, greets: kind === "websocket" };
    const opened = () => this.input(() => this.session.handleTransportOpen(number, transport, this.now));
    // Where nothing gets through, a server may still think that it does: its half is there, and is not heard.
    if (reachability === "silent") return world.after(scene.model.delayMs, opened);
    // What a line is opened by is what first goes up: on HTTP that is the HELLO (HTTP-04).
    if (kind === "http") world.after(0, opened);
    line.up.send(() => {
      if (kind === "websocket") line.down.send(opened);
      this.#server().accept(line);
    });
  }

  /** Everything goes to the session, also of lines that it has given up: it has to tell them apart itself. */
  #lineEnd(number: number): LineEnd {
    const generation = this.#generation;
    const input = (run: () => void) => this.#inputFor(generation, run);
    return {
      handleBatch: (batch) => input(() => this.session.handleBatch(number, batch, this.now)),
      handleClosed: (isCut) => {
        const death = { wasClean: !isCut, code: isCut ? 1006 : 1000, reason: "" };
        input(() => this.session.handleTransportClosed(number, death, this.now));
      },
      handleWritable: () => input(() => {}),
    };
  }

  #bringAuth(number: number): void {
    const { world, authMs } = this.#scene;
    const generation = this.#generation;
    const line = this.#held.get(number);
    if (authMs === undefined || authMs > 1000) if (line !== undefined) line.blame ??= "auth";
    if (authMs === undefined) return;
    world.after(authMs, () => {
      this.#inputFor(generation, () => this.session.provideAuth(number, "secret", this.now));
    });
  }

  #release(number: number): void {
    this.#held.get(number)?.close("client");
    this.#held.delete(number);
  }

  #handleClosed(event: Extract<SessionEvent, { type: "closed" }>): void {
    const { counts, lossCause, world } = this.#scene;
    this.isAttached = false;
    for (const line of this.#held.values()) line.close("client");
    this.#held.clear();
    this.pair.clientEnd = event.error === undefined && event.wasClean ? "clean" : "unclean";
    if (event.error === undefined) counts.closed += 1;
    else {
      counts.lost += 1;
      if (lossCause === undefined) {
        throw new Violation(
          "loss",
          `${this.pair.name} is lost without a cause: ${(event.error as SluiceError).message}`,
        );
      }
    }
    const generation = this.#generation;
    if (!this.reopens) return;
    world.after(REOPEN_MS, () => {
      if (generation === this.#generation && this.reopens) this.#whenAwake(() => this.open());
    });
  }

  /** A line that no fault has touched is the last one of its session, unless it is not the best that can be had. */
  #checkDials(line: Line): void {
    for (const other of this.#lines) {
      // The server may have given up on a close handshake: that takes a line with it.
      if (other.blame !== undefined || this.pair.serverEnd === "unclean") continue;
      // Who has not carried anything yet may be helped by another kind, and HTTP is to be replaced.
      if (this.#scene.kinds.length > 1 && (!this.isAttached || this.line?.kind === "http")) continue;
      throw new Violation("dials", `${this.pair.name}: line ${other.number} was sound, and is followed by another one`);
    }
    this.#lines = [line];
  }
}

export function describe(event: SessionEvent): string {
  const { type, ...rest } = event;
  const plain = (_: string, value: unknown) => {
    if (value instanceof Uint8Array) return `${value.length} bytes`;
    return value instanceof SluiceError ? `${value.code} ${value.message}` : value;
  };
  return `${type} ${JSON.stringify(rest, plain)}`;
}
