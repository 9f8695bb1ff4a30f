import type { IncomingMessage } from "node:http";
import { afterEach, expect, it } from "vitest";
import { encodeBatch } from "../../src/core/wire/encode.js";
import { type Frame, Parameter } from "../../src/core/wire/frame.js";
import { varint } from "../../src/core/wire/parameters.js";
import { SendBudget, sendBoundsOf } from "../../src/driver/send-bounds.js";
import type { FramedSocket } from "../../src/server/framed-socket.js";
import { limitsOf, serverLimitsOf } from "../../src/server/options.js";
import { Sessions } from "../../src/server/sessions.js";
import { Visitors } from "../../src/server/visitors.js";
import { Random } from "../simulation/random.js";
import { reactions } from "../support/event-loop.js";
import { chunk } from "../support/frame-table.js";
import { LinkedTransport } from "../support/linked-transport.js";
import { naiveDecode } from "../support/naive-decoder.js";

const KIB = 1024;
const SESSIONS = 5000;
const PRINCIPALS = 100;
const PRINCIPAL_SESSIONS_MAX = 4;

const { hold } = SendBudget.prototype;

afterEach(() => {
  SendBudget.prototype.hold = hold;
});

/** A server without a network, and who comes to it. */
class Storm {
  readonly visitors = new Visitors();
  readonly sockets = new Set<FramedSocket>();
  readonly random = new Random(7);
  readonly sessions: Sessions;
  made = 0;
  /** From here on the application lets everybody in. */
  isOver = false;
  readonly #pending: ((principal: unknown) => void)[] = [];

  constructor() {
    const options = {
      limits: { processBytesMax: 2048 * KIB, principalSessionsMax: PRINCIPAL_SESSIONS_MAX, addressHandshakesMax: 1e6 },
    };
    this.sessions = new Sessions(limitsOf(options), sendBoundsOf({}, 512 * KIB), serverLimitsOf(options));
  }

  /** A transport of `guest` is at the door. */
  receive(guest: Guest): LinkedTransport {
    const [, transport] = LinkedTransport.pair();
    const leave = this.visitors.enter(guest.address, Number.POSITIVE_INFINITY) as () => void;
    this.sessions.receive({
      transport,
      request: { headers: {}, socket: {} } as IncomingMessage,
      protocol: "",
      authenticate: () => this.#authenticate(guest),
      identify: undefined,
      onEstablished: (socket) => this.#keep(socket),
      onOver: leave,
    });
    transport.open();
    return transport;
  }

  /** Answers whom the application is still thinking about. */
  decide(): void {
    for (const answer of this.#pending.splice(0)) answer(this.random.below(8) > 0 && `user ${this.random.below(9)}`);
  }

  /** The application ends every session. */
  async end(): Promise<void> {
    this.decide();
    await reactions();
    for (const socket of [...this.sockets]) socket.terminate();
    for (let turns = 0; turns < 10; turns++) await reactions();
  }

  #authenticate({ principal }: Guest): unknown {
    if (this.isOver) return principal;
    const chance = this.random.below(20);
    if (chance === 0) throw new Error("of the application");
    if (chance === 1) return new Promise((resolve) => this.#pending.push(resolve));
    if (chance === 2) return false;
    return chance < 10 ? Promise.resolve(principal) : principal;
  }

  #keep(socket: FramedSocket): void {
    this.made += 1;
    this.sockets.add(socket);
    socket.once("close", () => this.sockets.delete(socket));
    socket.on("message", (data) => {
      const chance = this.random.below(8);
      if (chance === 0) socket.terminate();
      else if (chance === 1) socket.close(4000);
      else socket.send(data);
    });
    socket.on("channel", (channel) => channel.on("message", (data) => channel.send(data)));
    if (!this.isOver && this.random.below(4) === 0) socket.send(new Uint8Array(this.random.below(64 * KIB)));
  }
}

/** A client that does everything by halves. */
class Guest {
  readonly address: string;
  readonly principal: string;
  readonly #storm: Storm;
  readonly #attempt: Uint8Array;
  #transport: LinkedTransport | undefined;
  #epoch = 0;
  #number = 0;
  #id: Uint8Array | undefined;
  #token: Uint8Array | undefined;

  constructor(storm: Storm, principal = `user ${storm.random.below(PRINCIPALS)}`) {
    this.#storm = storm;
    this.principal = principal;
    this.address = `192.0.2.${storm.random.below(9)}`;
    this.#attempt = Uint8Array.from({ length: 16 }, () => storm.random.below(256));
  }

  /** A HELLO, and sometimes what breaks the protocol behind it. */
  come(): void {
    this.#transport = this.#storm.receive(this);
    this.#epoch += 1;
    const said = new Map<number, Uint8Array>([
      [Parameter.ATTEMPT, this.#attempt],
      [Parameter.EPOCH, varint(this.#epoch)],
    ]);
    if (this.#id !== undefined && this.#token !== undefined) {
      const isForged = this.#storm.random.below(10) === 0;
      said.set(Parameter.SESSION, this.#id);
      said.set(Parameter.RESUME_TOKEN, isForged ? new Uint8Array(32) : this.#token);
      said.set(Parameter.RECEIVED, varint(0));
    }
    this.#say(0, { type: "hello", parameters: said });
  }

  act(): void {
    this.#listen();
    const { random } = this.#storm;
    const payload = new Uint8Array(random.below(4 * KIB));
    switch (random.below(9)) {
      case 0:
      case 1:
      case 2:
        this.#number += 1;
        return this.#say(this.#number, chunk({ payload }));
      case 3:
        this.#number += 1;
        return this.#say(
          this.#number,
          { type: "channel-open", channel: 1 + random.below(3), priority: "low", name: Buffer.from(`${this.#number}`) },
          chunk({ last: false, payload: new Uint8Array(2 * KIB) }),
        );
      case 4:
        return this.#say(0, { type: "ack", number: 0, bytes: 0, receivedTicks: 0, delayTicks: 0 });
      case 5:
        this.#transport?.die();
        this.#transport = undefined;
        return;
      case 6:
        return random.below(5) === 0 ? this.#say(0, { type: "goaway", delayMs: 1 }) : undefined;
      default:
        return this.come();
    }
  }

  /** Whether it has been let in. */
  get isIn(): boolean {
    this.#listen();
    return this.#id !== undefined;
  }

  #say(number: number, ...frames: Frame[]): void {
    this.#transport?.inject(encodeBatch(number, frames));
  }

  #listen(): void {
    for (const batch of this.#transport?.sent.splice(0) ?? []) {
      // Numbered: no WELCOME.
      if (batch[0] !== 0) continue;
      for (const frame of naiveDecode(batch).frames) {
        if (frame.type !== "welcome") continue;
        this.#id = frame.parameters.get(Parameter.SESSION);
        this.#token = frame.parameters.get(Parameter.RESUME_TOKEN);
      }
    }
  }
}

it("SEC-06: when thousands of sessions have come and gone, however, nothing of them counts anywhere", async () => {
  const budgets = new Set<SendBudget>();
  SendBudget.prototype.hold = function (message) {
    budgets.add(this);
    hold.call(this, message);
  };
  const storm = new Storm();
  const { sessions, visitors, random } = storm;
  let guests: Guest[] = [];
  let most = 0;
  while (storm.made < SESSIONS) {
    for (let i = 0; i < 100; i++) {
      const guest = new Guest(storm);
      guests.push(guest);
      guest.come();
    }
    await reactions();
    for (const guest of guests) for (let acts = random.below(3); acts > 0; acts--) guest.act();
    await reactions();
    if (random.below(10) === 0) storm.decide();
    most = Math.max(most, sessions.heldBytes);
    // The others are heard of no more; their sessions are parked, or hang on to lines on which nobody is.
    guests = guests.filter(() => random.below(3) === 0);
    if (storm.sockets.size > 200) for (const socket of [...storm.sockets].slice(0, 100)) socket.terminate();
  }
  expect(most).toBeGreaterThan(1024 * KIB);
  await storm.end();
  expect([sessions.size, sessions.parkedCount, sessions.heldBytes, storm.sockets.size]).toEqual([0, 0, 0, 0]);
  expect(visitors.size).toBe(0);
  expect(budgets.size).toBeGreaterThan(1000);
  for (const { heldBytes, size } of budgets) expect([heldBytes, size]).toEqual([0, 0]);
  // Each of them can have as many again as at first, and no more.
  storm.isOver = true;
  for (let i = 0; i < PRINCIPALS; i++) {
    const all = Array.from({ length: PRINCIPAL_SESSIONS_MAX + 1 }, () => new Guest(storm, `user ${i}`));
    for (const guest of all) guest.come();
    await reactions();
    expect(all.map(({ isIn }) => isIn)).toEqual([true, true, true, true, false]);
  }
  await storm.end();
  expect([sessions.size, sessions.heldBytes, visitors.size]).toEqual([0, 0, 0]);
}, 60_000);
