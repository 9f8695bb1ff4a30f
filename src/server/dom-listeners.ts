import type { EventEmitter } from "node:events";

/** What a DOM-style listener of a server socket gets: the members that the events of `ws` have. */
export interface ServerSocketEvent {
  readonly type: "open" | "message" | "close" | "error";
  /** The socket. */
  readonly target: unknown;
}

export interface ServerMessageEvent extends ServerSocketEvent {
  readonly type: "message";
  /** A string, or what `binaryType` makes of a binary message. */
  readonly data: string | Buffer | ArrayBuffer | Buffer[] | Blob;
}

export interface ServerCloseEvent extends ServerSocketEvent {
  readonly type: "close";
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
}

export interface ServerErrorEvent extends ServerSocketEvent {
  readonly type: "error";
  readonly error: Error;
  readonly message: string;
}

/** The events that `addEventListener` of `ws` knows; it ignores others, and so does ours. */
export interface ServerDomEvents {
  open: ServerSocketEvent;
  message: ServerMessageEvent;
  close: ServerCloseEvent;
  error: ServerErrorEvent;
}

export type DomListener<Type extends keyof ServerDomEvents> =
  | ((event: ServerDomEvents[Type]) => void)
  | { handleEvent(event: ServerDomEvents[Type]): void };

type AnyListener = ((event: never) => void) | { handleEvent(event: never): void };
// biome-ignore lint/suspicious/noExplicitAny: the listeners of an EventEmitter are typed so.
type Wrapper = (...parts: any[]) => void;

/**
 * Whose a listener of the emitter is: the emitter's own list is the only one that there is, so that `removeAllListeners`
 * takes DOM-style listeners along, as with `ws`.
 */
const OWNERS = new WeakMap<Wrapper, { listener: AnyListener; isAttribute: boolean }>();

export function addDomListener(
  target: EventEmitter,
  type: string,
  listener: AnyListener,
  { once = false, isAttribute = false }: { once?: boolean | undefined; isAttribute?: boolean } = {},
): void {
  const wrapper = wrapperOf(target, type, listener);
  if (wrapper === undefined || (!isAttribute && find(target, type, listener) !== undefined)) return;
  OWNERS.set(wrapper, { listener, isAttribute });
  if (once) target.once(type, wrapper);
  else target.on(type, wrapper);
}

export function removeDomListener(target: EventEmitter, type: string, listener: AnyListener): void {
  const wrapper = find(target, type, listener);
  if (wrapper !== undefined) target.off(type, wrapper);
}

/** The value of `onmessage` and the like. */
export function domAttribute(target: EventEmitter, type: string): AnyListener | null {
  const wrapper = findAttribute(target, type);
  return (wrapper && OWNERS.get(wrapper)?.listener) ?? null;
}

export function setDomAttribute(target: EventEmitter, type: string, value: unknown): void {
  const wrapper = findAttribute(target, type);
  if (wrapper !== undefined) target.off(type, wrapper);
  if (typeof value === "function") addDomListener(target, type, value as AnyListener, { isAttribute: true });
}

function find(target: EventEmitter, type: string, listener: AnyListener): Wrapper | undefined {
  return wrappersOf(target, type).find((wrapper) => {
    const owner = OWNERS.get(wrapper);
    return owner?.listener === listener && !owner.isAttribute;
  });
}

function findAttribute(target: EventEmitter, type: string): Wrapper | undefined {
  return wrappersOf(target, type).find((wrapper) => OWNERS.get(wrapper)?.isAttribute);
}

function wrappersOf(target: EventEmitter, type: string): Wrapper[] {
  return target.listeners(type) as Wrapper[];
}

/** What the emitter calls: turns its arguments into an event. `undefined` for a type that has none. */
function wrapperOf(target: EventEmitter, type: string, listener: AnyListener): Wrapper | undefined {
  const call = (event: ServerSocketEvent) => {
    if (typeof listener === "function") (listener as (event: ServerSocketEvent) => void).call(target, event);
    else listener.handleEvent(event as never);
  };
  switch (type) {
    case "open":
      return () => call({ type, target });
    case "message":
      return (data: ServerMessageEvent["data"], isBinary: boolean) =>
        call({ type, target, data: isBinary ? data : data.toString() } as ServerMessageEvent);
    case "close":
      return (code: number, reason: Buffer) => {
        // 1006 stands for an end without a close handshake, and for nothing else (RFC 6455, 7.1.5).
        const event: ServerCloseEvent = { type, target, code, reason: reason.toString(), wasClean: code !== 1006 };
        call(event);
      };
    case "error":
      return (error: Error) => call({ type, target, error, message: error.message } as ServerErrorEvent);
    default:
      return undefined;
  }
}
