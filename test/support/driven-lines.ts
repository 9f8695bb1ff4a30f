import type { Limits } from "../../src/core/limits.js";
import { Reception } from "../../src/core/registry/reception.js";
import { ClientSession } from "../../src/core/session/client-session.js";
import { ServerSession } from "../../src/core/session/server-session.js";
import type { HeldBatch } from "../../src/core/session/session-types.js";
import type { Millis } from "../../src/core/time.js";
import type { Hello } from "../../src/core/wire/handshake.js";
import { ReceptionDriver } from "../../src/driver/reception-driver.js";
import type { Transport, TransportHandler } from "../../src/transport/transport.js";
import type { FakeHost } from "./fake-host.js";
import { LinkedTransport } from "./linked-transport.js";

/** What drivers and conversations have in common. */
interface Driven<S> {
  attach(line: number, transport: Transport, onOpen?: TransportHandler["handleOpen"]): TransportHandler;
  input(run: (session: S, now: Millis) => void): void;
}

export interface LinesInit {
  readonly host: FakeHost;
  readonly client: Driven<ClientSession>;
  readonly server: Driven<ServerSession>;
  readonly serverLimits: Limits;
}

const SESSION_ID = new Uint8Array(16).fill(2);

/** The two ends of a session, before they have met. */
export function sessions(host: FakeHost, limits: { client: Limits; server: Limits }): [ClientSession, ServerSession] {
  const backoff = { baseMs: 500, maxMs: 15_000 };
  const dial = { backoff, connectTimeoutMs: 10_000, retriesFirst: true };
  const attemptId = new Uint8Array(16).fill(1);
  return [
    new ClientSession({ attemptId, dial, limits: limits.client, ports: host }),
    new ServerSession({ sessionId: SESSION_ID, protocol: new Uint8Array(0), limits: limits.server, ports: host }),
  ];
}

/** The lines between a client and a server on one platform, one after the other. The server has one session. */
export class DrivenLines {
  /** What becomes of a dial. */
  network: "up" | "down" = "up";
  /** Whether the server lets in who says HELLO. */
  accepts = true;
  /** Whether the client says at once who it is; without, it takes `introduce`. */
  introduces = true;
  auth: string | undefined;
  /** What the server has been told, by attempt. */
  readonly hellos: { readonly hello: Hello; readonly auth: string | undefined }[] = [];
  readonly dials: number[] = [];
  /** The client's end of each line, and the server's. */
  readonly nears: LinkedTransport[] = [];
  readonly fars: LinkedTransport[] = [];
  readonly #init: LinesInit;
  /** Lets in who has said HELLO last. */
  accept: () => void = () => {};
  #tokens = 0;

  constructor(init: LinesInit) {
    this.#init = init;
  }

  /** What a client's event asks of its host. */
  handleClientEvent(event: { readonly type: string; readonly line?: number }): void {
    if (event.type === "dial") this.#dial(event.line as number);
    if (event.type === "introduce" && this.introduces) this.introduce(event.line as number);
  }

  introduce(line = this.dials.length): void {
    this.#init.client.input((session, now) => session.provideAuth(line, this.auth, now));
  }

  /** Lets everything happen that needs no time. */
  settle(): void {
    for (let moves = true; moves; ) {
      moves = this.#init.host.endTask();
      for (const transport of [...this.nears, ...this.fars]) if (transport.deliver()) moves = true;
    }
  }

  /** Cuts the present line: what is on it is lost, and both ends are told. */
  cut(): void {
    const [near, far] = [this.near, this.far];
    near.die();
    far.die();
  }

  /** The client's end of the newest line. */
  get near(): LinkedTransport {
    return this.nears.at(-1) as LinkedTransport;
  }

  get far(): LinkedTransport {
    return this.fars.at(-1) as LinkedTransport;
  }

  #dial(line: number): void {
    const { client, host } = this.#init;
    const [near, far] = LinkedTransport.pair();
    this.nears.push(near);
    this.fars.push(far);
    this.dials.push(line);
    const handler = client.attach(line, near, () =>
      client.input((session, now) => session.handleTransportOpen(line, near, now)),
    );
    near.start(handler);
    if (this.network === "down") return host.defer(() => near.die());
    this.#receive(far);
    host.defer(() => near.open());
  }

  #receive(far: LinkedTransport): void {
    const { host, serverLimits } = this.#init;
    const instance = new Uint8Array(16).fill(3);
    const options = { limits: serverLimits, ports: host, protocol: new Uint8Array(0), instance };
    const driver: ReceptionDriver = new ReceptionDriver(new Reception(options, host.now()), far, host, {
      handleHello: (hello, auth) => {
        this.hellos.push({ hello, auth });
        this.accept = () => driver.handOver((said, held) => this.#admit(far, said, held));
        if (this.accepts) this.accept();
      },
      handleHeld: () => {},
      handleOver: () => {},
    });
    driver.start();
    far.open();
  }

  #admit(far: LinkedTransport, hello: Hello, held: readonly HeldBatch[]): TransportHandler {
    const { server } = this.#init;
    const handler = server.attach(hello.epoch, far);
    this.#tokens += 1;
    const token = new Uint8Array(32).fill(this.#tokens);
    const admission = { hello, token, batchBytesMax: far.batchBytesMax, held };
    server.input((session, now) => session.attach(admission, now));
    return handler;
  }
}
