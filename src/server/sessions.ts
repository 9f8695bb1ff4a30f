import { createHash, randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { SluiceError } from "../core/error.js";
import { ID_BYTES, type Limits, TOKEN_BYTES } from "../core/limits.js";
import { Reception } from "../core/registry/reception.js";
import { type Entry, type Owner, Registry, type RegistryLimits } from "../core/registry/registry.js";
import type { Admission, HeldBatch } from "../core/session/session-types.js";
import type { Hello } from "../core/wire/handshake.js";
import { TIMER_DELAY_MS_MAX } from "../driver/alarm.js";
import { ReceptionDriver } from "../driver/reception-driver.js";
import type { SendBounds } from "../driver/send-bounds.js";
import type { Transport } from "../transport/transport.js";
import { connectionEnds } from "./connection-view.js";
import { FramedSocket, type ServerTrace, type SocketKeeper } from "./framed-socket.js";
import { nodeHost } from "./platform.js";
import { isAdmitted, notAdmitted, principalName, refusal } from "./principal.js";

/** A client at the door: what its request says, and who is to see its socket. */
export interface Visitor {
  readonly transport: Transport;
  readonly request: IncomingMessage;
  /** The application protocol chosen; empty for none, and where HELLO will offer them (HTTP-04). */
  readonly protocol: string;
  /** Chooses among those that HELLO offers; the request has done so on transports that greet. */
  readonly choose?: (offered: string) => string;
  /** Decides on the credentials. */
  readonly authenticate: ((auth: unknown) => unknown) | undefined;
  readonly identify: ((principal: unknown) => string | undefined) | undefined;
  readonly onEstablished: (socket: FramedSocket) => void;
  /** The client is no longer at the door, let in or not; `error` says why it was not. */
  readonly onOver: (error: SluiceError | undefined) => void;
}

/** What is held for the clients of a server. Ordinary WebSocket clients have no sessions; `clients` has them all. */
export interface ServerStats {
  /** Sessions, also of clients that are away. */
  readonly sessions: number;
  /** Sessions whose line is cut, and that wait for their client. */
  readonly parked: number;
  /** Bytes held for all sessions together: what the limit `processBytesMax` bounds. */
  readonly heldBytes: number;
}

/**
 * The sessions of a server: takes clients at the door, lets the application decide on them, makes sessions, gives those
 * that come back what is theirs, and ends those that nobody comes back for.
 */
export class Sessions {
  readonly #limits: Limits;
  readonly #trace: ServerTrace | undefined;
  readonly #bounds: SendBounds;
  readonly #processBytesMax: number;
  readonly #registry: Registry<FramedSocket>;
  /** Names the memory of this process: what it does not know, it has never known (RES-04). */
  readonly #instance: Uint8Array = randomBytes(ID_BYTES);
  readonly #care: Care = {
    handleParked: (entry, epoch) => this.#park(entry, epoch),
    handleConfirmed: (entry) => this.#registry.confirm(entry),
    handleClosed: (entry) => {
      this.#registry.remove(entry, nodeHost.now());
      if (this.size === 0) this.#onEmpty();
      this.#arm();
    },
    handleTurn: (entry, heldBytes) => {
      this.#registry.account(entry, heldBytes, nodeHost.now());
      this.#endEvicted();
      this.#watchMemory();
    },
  };
  #cancelTimer: (() => void) | undefined;
  #timerAt: number | undefined;
  #state: "open" | "closing" = "open";
  #onEmpty: () => void = () => {};
  /** Whether so much is held that clients are granted no more than a first credit. */
  #isScarce = false;

  constructor(
    limits: Limits,
    bounds: SendBounds,
    registryLimits: Omit<RegistryLimits, "resumeWindowMs">,
    trace?: ServerTrace,
  ) {
    this.#trace = trace;
    this.#limits = limits;
    this.#bounds = bounds;
    this.#processBytesMax = registryLimits.processBytesMax;
    const { resumeWindowMs } = limits;
    const kept = { ...registryLimits, resumeWindowMs };
    this.#registry = new Registry(kept, sha256, this.#instance, (socket, received) => socket.canAttach(received));
  }

  /** A transport of a client that speaks Sluice is open. */
  receive(visitor: Visitor): void {
    const { transport } = visitor;
    const protocol = nodeHost.encodeUtf8(visitor.protocol);
    const { greets } = transport;
    const options = { limits: this.#limits, ports: nodeHost, protocol, instance: this.#instance, greets };
    const reception = new Reception(options, nodeHost.now());
    let earlyBytes = 0;
    const driver: ReceptionDriver = new ReceptionDriver(reception, transport, nodeHost, {
      handleHello: (hello, auth, offered) => {
        const chosen = chosenProtocol(visitor, offered);
        if (chosen instanceof SluiceError) driver.refuse(1011, "", chosen);
        else void this.#admit({ ...visitor, protocol: chosen }, driver, hello, auth);
      },
      handleHeld: (bytes) => {
        this.#registry.accountEarly(bytes - earlyBytes);
        earlyBytes = bytes;
      },
      handleOver: (error) => {
        this.#registry.accountEarly(-earlyBytes);
        earlyBytes = 0;
        visitor.onOver(error);
      },
    });
    driver.start();
  }

  /** Whether the session of this public id, in hexadecimal, is there. */
  has(id: string | undefined): boolean {
    return id !== undefined && this.#registry.has(Buffer.from(id, "hex"));
  }

  /** Nobody new can be let in: too much is held already. */
  get isFull(): boolean {
    return this.#registry.isFull;
  }

  /** Parked sessions, and those whose client is there. */
  get size(): number {
    return this.#registry.size;
  }

  get parkedCount(): number {
    return this.#registry.parkedCount;
  }

  /** Bytes held for all sessions together. */
  get heldBytes(): number {
    return this.#registry.heldBytes;
  }

  get stats(): ServerStats {
    return { sessions: this.size, parked: this.parkedCount, heldBytes: this.heldBytes };
  }

  /** Asks every client to come back in a while, each at a moment of its own. */
  recall(withinMs: number): void {
    for (const { session } of this.#registry.entries()) session.recall(Math.floor(nodeHost.random() * withinMs));
  }

  /** Resolves when there is no session any more, or the time is over. */
  async whenEmpty(timeoutMs: number): Promise<void> {
    if (this.size === 0) return;
    await new Promise<void>((resolve) => {
      const cancel = nodeHost.setTimer(resolve, timeoutMs);
      this.#onEmpty = () => {
        cancel();
        resolve();
      };
    });
  }

  /** Ends every session; clients are asked to begin anew. */
  endAll(): void {
    for (const { session } of [...this.#registry.entries()]) session.expire(lost("The server has shut down"), 1012);
  }

  /** From here on no client can come back: parked sessions end, and so does every one that loses its line. */
  close(): void {
    this.#state = "closing";
    for (const entry of [...this.#registry.entries()]) if (entry.expiresAt !== undefined) this.#expire(entry);
    this.#arm();
  }

  /** Runs the application's check. What it throws stays here: the client learns that it was refused, not why. */
  async #admit(visitor: Visitor, driver: ReceptionDriver, hello: Hello, auth: string | undefined): Promise<void> {
    let principal: unknown;
    let name: string | undefined;
    try {
      if (visitor.authenticate !== undefined) {
        principal = await visitor.authenticate(credentialsOf(auth));
        if (!isAdmitted(principal)) throw notAdmitted();
        name = (visitor.identify ?? principalName)(principal);
      }
    } catch (cause) {
      return driver.refuse(1008, REFUSED, refusal(cause));
    }
    // Who was still at the door when the server closed: there is nothing for it here any more.
    if (this.#state === "closing")
      return driver.refuse(1013, "", new SluiceError("ERR_REFUSED", "The server has closed"));
    // Gone, or too late: nobody has to make room for it.
    if (!driver.isWaiting) return;
    const owner = { origin: visitor.request.headers.origin ?? "", principal: name };
    const decision = this.#registry.decide(hello, owner, nodeHost.now());
    this.#endEvicted();
    switch (decision.type) {
      case "create":
        return this.#create(visitor, driver, owner, principal);
      case "attach":
        return this.#attach(decision.entry, visitor, driver, principal);
      case "refuse":
        return driver.refuse(1008, REFUSED, new SluiceError("ERR_REFUSED", "No such session for this client"));
      case "busy":
        return driver.refuse(1013, "", new SluiceError("ERR_REFUSED", "Too many sessions", { retryable: true }));
    }
  }

  #create(visitor: Visitor, driver: ReceptionDriver, owner: Owner, principal: unknown): void {
    const { transport, protocol } = visitor;
    driver.handOver((hello, held) => {
      const sessionId = randomBytes(ID_BYTES);
      const token = randomBytes(TOKEN_BYTES);
      const keeper = new Keeper(this.#care, visitor.onEstablished);
      const ends = connectionEnds(visitor.request.socket);
      const own = { limits: this.#limits, bounds: this.#bounds, trace: this.#trace };
      const init = { ...own, sessionId, protocol, principal, ends, keeper };
      const socket = new FramedSocket(init);
      keeper.keep(this.#registry.add(socket, sessionId, token, hello, owner));
      if (this.#isScarce) socket.handleScarcity(true);
      return socket.admit(transport, this.#admission(transport, token, hello, held), principal);
    });
  }

  #attach(entry: Entry<FramedSocket>, visitor: Visitor, driver: ReceptionDriver, principal: unknown): void {
    const { transport } = visitor;
    const token = randomBytes(TOKEN_BYTES);
    driver.handOver((hello, held) => {
      this.#registry.attach(entry, hello, token);
      this.#arm();
      return entry.session.admit(transport, this.#admission(transport, token, hello, held), principal);
    });
  }

  #admission(transport: Transport, token: Uint8Array, hello: Hello, held: readonly HeldBatch[]): Admission {
    const canResume = this.#limits.resumeWindowMs > 0;
    const { batchBytesMax, greets } = transport;
    const instance = greets ? undefined : this.#instance;
    return { hello, held, token: canResume ? token : undefined, batchBytesMax, instance };
  }

  #park(entry: Entry<FramedSocket>, epoch: number): void {
    // Later, as the end of a session must not begin inside of an event of it.
    if (this.#state === "closing") return nodeHost.defer(() => this.#expire(entry));
    this.#registry.park(entry, nodeHost.now(), epoch);
    this.#endEvicted();
    this.#arm();
  }

  #expire(entry: Entry<FramedSocket>): void {
    entry.session.expire(lost("The client has not come back"));
  }

  #endEvicted(): void {
    for (let entry = this.#registry.pollEvicted(); entry !== undefined; entry = this.#registry.pollEvicted()) {
      const { session } = entry;
      nodeHost.defer(() => session.expire(lost("The client has not come back, or there is no room for its session")));
    }
  }

  /** From half of the budget on, and until it is down to a third, nobody is granted more than a first credit. */
  #watchMemory(): void {
    const share = this.heldBytes / this.#processBytesMax;
    const isScarce = share > (this.#isScarce ? SCARCE_UNTIL : SCARCE_FROM);
    if (isScarce === this.#isScarce) return;
    this.#isScarce = isScarce;
    // Later: this may be in the middle of a turn of one of them.
    nodeHost.defer(() => {
      for (const { session } of [...this.#registry.entries()]) session.handleScarcity(this.#isScarce);
    });
  }

  #arm(): void {
    const deadline = this.#registry.nextDeadline();
    if (deadline !== undefined && this.#timerAt !== undefined && this.#timerAt <= deadline) return;
    this.#cancelTimer?.();
    this.#timerAt = deadline;
    if (deadline === undefined) return;
    const timer = setTimeout(
      () => {
        this.#timerAt = undefined;
        this.#registry.handleDeadline(nodeHost.now());
        this.#endEvicted();
        this.#arm();
      },
      Math.min(Math.max(0, deadline - nodeHost.now()), TIMER_DELAY_MS_MAX),
    );
    // A process ends when nothing else keeps it: nobody can come back to it then.
    timer.unref();
    this.#cancelTimer = () => clearTimeout(timer);
  }
}

/** What becomes of a session that was kept. */
interface Care {
  handleParked(entry: Entry<FramedSocket>, epoch: number): void;
  handleConfirmed(entry: Entry<FramedSocket>): void;
  handleClosed(entry: Entry<FramedSocket>): void;
  handleTurn(entry: Entry<FramedSocket>, heldBytes: number): void;
}

/**
 * Keeps one socket. A class, not closures over the visit: those would keep the first transport, its request and the token
 * in clear for as long as the session lives.
 */
class Keeper implements SocketKeeper {
  readonly #care: Care;
  #entry: Entry<FramedSocket> | undefined;
  #onEstablished: ((socket: FramedSocket) => void) | undefined;

  constructor(care: Care, onEstablished: (socket: FramedSocket) => void) {
    this.#care = care;
    this.#onEstablished = onEstablished;
  }

  keep(entry: Entry<FramedSocket>): void {
    this.#entry = entry;
  }

  handleEstablished(): void {
    const onEstablished = this.#onEstablished;
    this.#onEstablished = undefined;
    if (this.#entry !== undefined) onEstablished?.(this.#entry.session);
  }

  handleParked(epoch: number): void {
    if (this.#entry !== undefined) this.#care.handleParked(this.#entry, epoch);
  }

  handleConfirmed(): void {
    if (this.#entry !== undefined) this.#care.handleConfirmed(this.#entry);
  }

  handleClosed(): void {
    if (this.#entry !== undefined) this.#care.handleClosed(this.#entry);
  }

  handleTurn(heldBytes: number): void {
    if (this.#entry !== undefined) this.#care.handleTurn(this.#entry, heldBytes);
  }
}

/** Shares of the process budget between which credit is short. */
const SCARCE_FROM = 1 / 2;
const SCARCE_UNTIL = 1 / 3;

/** One answer to everything that is wrong (RES-07). */
const REFUSED = "unauthorized";

/** @throws SluiceError that says nothing of what is in it: it is secret, and what `JSON.parse` throws quotes it */
function credentialsOf(auth: string | undefined): unknown {
  if (auth === undefined) return undefined;
  try {
    return JSON.parse(auth);
  } catch {
    throw new SluiceError("ERR_REFUSED", "What the client has given as `auth` is no JSON");
  }
}

/** An error where the application's choice has failed. */
function chosenProtocol({ protocol, choose }: Visitor, offered: string): string | SluiceError {
  if (choose === undefined) return protocol;
  try {
    return choose(offered);
  } catch (cause) {
    return new SluiceError("ERR_REFUSED", "`handleProtocols` has failed", { cause });
  }
}

function sha256(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest();
}

function lost(message: string): SluiceError {
  return new SluiceError("ERR_SESSION_LOST", message);
}
