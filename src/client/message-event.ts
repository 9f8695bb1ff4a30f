import type { MessageData } from "./inlet.js";

type EventClass = new (data: MessageData, origin: string) => Event;

/** The class that was made, and of which `MessageEvent`: the global of a page in a test is not that of the next. */
let made: { readonly of: typeof MessageEvent; readonly eventClass: EventClass } | undefined;

/**
 * A `message` event of a WebSocket (WHATWG WebSockets, "when a WebSocket message has been received"). What the constructor of
 * `MessageEvent` is told in a dictionary costs Chromium 2.2 µs a message, more than all that Sluice does for a small one; so
 * the two members that are not the default are read from the object itself.
 */
export function messageEvent(data: MessageData, origin: string): Event {
  if (made?.of !== MessageEvent) made = { of: MessageEvent, eventClass: eventClassOf(MessageEvent) };
  return new made.eventClass(data, origin);
}

function eventClassOf(Base: typeof MessageEvent): EventClass {
  // As it is cast, `data` and `origin` may be accessors, which they are in the standard.
  class Message extends (Base as unknown as typeof Event) {
    readonly #data: MessageData;
    readonly #origin: string;

    constructor(data: MessageData, origin: string) {
      super("message");
      this.#data = data;
      this.#origin = origin;
    }

    get data(): MessageData {
      return this.#data;
    }

    get origin(): string {
      return this.#origin;
    }
  }
  // Who asks an event what it is hears what a native one says; and what it lists.
  Object.defineProperty(Message.prototype, "constructor", { value: Base });
  for (const name of ["data", "origin"]) Object.defineProperty(Message.prototype, name, { enumerable: true });
  return Message;
}
