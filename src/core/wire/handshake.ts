import { ID_BYTES, type Limits, TOKEN_BYTES } from "../limits.js";
import type { Millis } from "../time.js";
import { type HandshakeFrame, Parameter, type Parameters, type Violation } from "./frame.js";
import { type AnnouncedLimits, integer, limitParameters, padded, REVISION, readLimits, varint } from "./parameters.js";

/** What a GREETING says (PROTOCOL.md, HSK). */
export interface Greeting {
  readonly limits: AnnouncedLimits;
  /** The application protocol chosen, UTF-8; empty for none. */
  readonly protocol: Uint8Array;
  /** Names the memory of the server: who has the same instance knows the same sessions and attempts. May be empty. */
  readonly instance: Uint8Array;
  readonly heartbeatMs: Millis;
  readonly heartbeatGraceMs: Millis;
}

/** What a HELLO says. */
export interface Hello {
  readonly limits: AnnouncedLimits;
  readonly attemptId: Uint8Array;
  /** Which attachment this is to be, from 1 (RES-03). */
  readonly epoch: number;
  readonly auth: Uint8Array | undefined;
  /** The session to resume, with its secret; `undefined` while the client has had no WELCOME. */
  readonly resume: { readonly sessionId: Uint8Array; readonly token: Uint8Array } | undefined;
  /** The highest batch number accepted; given where only a session that exists already will do (RES-04). */
  readonly received: number | undefined;
  /** The last batch to be sent again that opens a channel; 0 for none (CHN-10). */
  readonly opening: number;
  /** The application protocols offered, as in `Sec-WebSocket-Protocol`, where no request has said them (HTTP-04). */
  readonly protocolsOffered?: Uint8Array | undefined;
  /** The instance that may have read batches of this attempt, for a server that has not said which one it is (RES-04). */
  readonly reader?: Uint8Array | undefined;
}

/** What a WELCOME says; where no GREETING came before, it says what that would as well (`readGreeting`). */
export interface Welcome {
  readonly limits: AnnouncedLimits;
  readonly sessionId: Uint8Array;
  /** What the next resume needs; `undefined` where the session cannot be resumed. */
  readonly token: Uint8Array | undefined;
  readonly resumeWindowMs: Millis;
  /** The highest batch number accepted. */
  readonly received: number;
  /** The last batch to be sent again that opens a channel; 0 for none (CHN-10). */
  readonly opening: number;
}

export function isViolation(value: object): value is Violation {
  return "code" in value;
}

export function greetingFrame(greeting: {
  limits: Limits;
  protocol: Uint8Array;
  instance: Uint8Array;
}): HandshakeFrame {
  const { limits, protocol, instance } = greeting;
  const parameters = new Map([
    [Parameter.REVISION, varint(REVISION)],
    ...(protocol.length > 0 ? ([[Parameter.PROTOCOL, protocol]] as const) : []),
    ...(instance.length > 0 ? ([[Parameter.INSTANCE, instance]] as const) : []),
    ...limitParameters(limits),
    [Parameter.HEARTBEAT_MS, varint(limits.heartbeatMs)],
    [Parameter.HEARTBEAT_GRACE_MS, varint(limits.heartbeatGraceMs)],
  ]);
  return { type: "greeting", parameters };
}

/** What an end says in HELLO or WELCOME: all of its own limits. */
type Said<T> = Omit<T, "limits" | "opening"> & { readonly limits: Limits; readonly opening?: number };

export function helloFrame(hello: Said<Hello>): HandshakeFrame {
  const { opening = 0, protocolsOffered, reader } = hello;
  const parameters: [number, Uint8Array][] = [
    [Parameter.REVISION, varint(REVISION)],
    [Parameter.ATTEMPT, hello.attemptId],
  ];
  if (hello.auth !== undefined) parameters.push([Parameter.AUTH, hello.auth]);
  if (hello.resume !== undefined) {
    parameters.push([Parameter.SESSION, hello.resume.sessionId], [Parameter.RESUME_TOKEN, hello.resume.token]);
  }
  if (hello.epoch > 1) parameters.push([Parameter.EPOCH, varint(hello.epoch)]);
  if (hello.received !== undefined) parameters.push([Parameter.RECEIVED, varint(hello.received)]);
  if (opening > 0) parameters.push([Parameter.OPENING, varint(opening)]);
  if (protocolsOffered !== undefined && protocolsOffered.length > 0) {
    parameters.push([Parameter.PROTOCOLS_OFFERED, protocolsOffered]);
  }
  if (reader !== undefined && reader.length > 0) parameters.push([Parameter.INSTANCE, reader]);
  parameters.push(...limitParameters(hello.limits));
  return { type: "hello", parameters: padded(parameters) };
}

export function welcomeFrame(
  welcome: Said<Welcome> & {
    readonly protocol: Uint8Array;
    /** Given where no GREETING has said it (HTTP-04). */
    readonly instance?: Uint8Array | undefined;
  },
): HandshakeFrame {
  const { opening = 0, instance, limits } = welcome;
  const parameters: [number, Uint8Array][] = [
    [Parameter.REVISION, varint(REVISION)],
    [Parameter.SESSION, welcome.sessionId],
    ...limitParameters(limits),
  ];
  if (welcome.protocol.length > 0) parameters.push([Parameter.PROTOCOL, welcome.protocol]);
  if (welcome.token !== undefined) {
    parameters.push(
      [Parameter.RESUME_TOKEN, welcome.token],
      [Parameter.RESUME_WINDOW_MS, varint(welcome.resumeWindowMs)],
    );
  }
  if (welcome.received > 0) parameters.push([Parameter.RECEIVED, varint(welcome.received)]);
  if (opening > 0) parameters.push([Parameter.OPENING, varint(opening)]);
  if (instance !== undefined) {
    parameters.push(
      [Parameter.INSTANCE, instance],
      [Parameter.HEARTBEAT_MS, varint(limits.heartbeatMs)],
      [Parameter.HEARTBEAT_GRACE_MS, varint(limits.heartbeatGraceMs)],
    );
  }
  return { type: "welcome", parameters: padded(parameters) };
}

export function readGreeting(
  parameters: Parameters,
  known: AnnouncedLimits,
  absent: Pick<Limits, "heartbeatMs" | "heartbeatGraceMs">,
): Greeting | Violation {
  const limits = readLimits(parameters, known);
  if (limits === undefined) return violation("limits make no sense");
  const heartbeatMs = integer(parameters, Parameter.HEARTBEAT_MS, absent.heartbeatMs);
  const heartbeatGraceMs = integer(parameters, Parameter.HEARTBEAT_GRACE_MS, absent.heartbeatGraceMs);
  if (heartbeatMs === undefined || heartbeatMs === 0 || heartbeatGraceMs === undefined) {
    return violation("heartbeat makes no sense");
  }
  const protocol = parameters.get(Parameter.PROTOCOL)?.slice() ?? new Uint8Array(0);
  const instance = parameters.get(Parameter.INSTANCE)?.slice() ?? new Uint8Array(0);
  if (instance.length > ID_BYTES) return violation("instance too long");
  return { limits, protocol, instance, heartbeatMs, heartbeatGraceMs };
}

export function readHello(parameters: Parameters, known: AnnouncedLimits): Hello | Violation {
  const limits = readLimits(parameters, known);
  if (limits === undefined) return violation("limits make no sense");
  const attemptId = parameters.get(Parameter.ATTEMPT);
  if (attemptId?.length !== ID_BYTES) return violation("hello without an attempt id");
  const epoch = integer(parameters, Parameter.EPOCH, 1);
  if (epoch === undefined || epoch === 0) return violation("epoch makes no sense");
  const received = parameters.has(Parameter.RECEIVED) ? integer(parameters, Parameter.RECEIVED, 0) : -1;
  const opening = integer(parameters, Parameter.OPENING, 0);
  if (received === undefined || opening === undefined) return violation("counter makes no sense");
  const sessionId = parameters.get(Parameter.SESSION);
  const token = parameters.get(Parameter.RESUME_TOKEN);
  const isComplete = sessionId?.length === ID_BYTES && token?.length === TOKEN_BYTES && received !== -1;
  if (!isComplete && (sessionId !== undefined || token !== undefined)) return violation("half a resume");
  return {
    limits,
    attemptId: attemptId.slice(),
    epoch,
    auth: parameters.get(Parameter.AUTH)?.slice(),
    resume: isComplete ? { sessionId: sessionId.slice(), token: token.slice() } : undefined,
    received: received === -1 ? undefined : received,
    opening,
    protocolsOffered: parameters.get(Parameter.PROTOCOLS_OFFERED)?.slice(),
    reader: parameters.get(Parameter.INSTANCE)?.slice(),
  };
}

export function readWelcome(parameters: Parameters, known: AnnouncedLimits): Welcome | Violation {
  const limits = readLimits(parameters, known);
  if (limits === undefined) return violation("limits make no sense");
  const sessionId = parameters.get(Parameter.SESSION);
  if (sessionId?.length !== ID_BYTES) return violation("welcome without a session id");
  const token = parameters.get(Parameter.RESUME_TOKEN);
  if (token !== undefined && token.length !== TOKEN_BYTES) return violation("resume token of a wrong length");
  const resumeWindowMs = integer(parameters, Parameter.RESUME_WINDOW_MS, 0);
  const received = integer(parameters, Parameter.RECEIVED, 0);
  const opening = integer(parameters, Parameter.OPENING, 0);
  if (resumeWindowMs === undefined || received === undefined || opening === undefined) {
    return violation("counter makes no sense");
  }
  return { limits, sessionId: sessionId.slice(), token: token?.slice(), resumeWindowMs, received, opening };
}

function violation(reason: string): Violation {
  return { code: 1002, reason };
}
