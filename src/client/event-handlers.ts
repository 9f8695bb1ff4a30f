/** The value of an event handler attribute such as `onmessage`. */
// biome-ignore lint/suspicious/noExplicitAny: an attribute takes handlers of any event, as `GlobalEventHandlers` does.
export type Handler<E = any> = ((this: any, event: E) => unknown) | null;

/**
 * Event handler attributes (HTML, "event handlers"): one listener per type, in line with the others from the time when
 * the attribute is first set, and out of line when it is set to null.
 */
export class EventHandlers {
  readonly #target: EventTarget;
  readonly #handlers = new Map<string, { handler: NonNullable<Handler>; listener: (event: Event) => void }>();

  constructor(target: EventTarget) {
    this.#target = target;
  }

  get(type: string): Handler {
    return this.#handlers.get(type)?.handler ?? null;
  }

  set(type: string, value: unknown): void {
    const known = this.#handlers.get(type);
    if (Object(value) !== value) {
      if (known !== undefined) this.#target.removeEventListener(type, known.listener);
      this.#handlers.delete(type);
      return;
    }
    // An object that cannot be called is kept, and does nothing (WebIDL, LegacyTreatNonObjectAsNull).
    const handler = value as NonNullable<Handler>;
    if (known !== undefined) {
      known.handler = handler;
      return;
    }
    const entry = { handler, listener: (event: Event) => call(entry.handler, this.#target, event) };
    this.#handlers.set(type, entry);
    this.#target.addEventListener(type, entry.listener);
  }
}

const HANDLERS = new WeakMap<object, EventHandlers>();

/** Gives `target` what its attributes keep. */
export function initHandlers(target: EventTarget): void {
  HANDLERS.set(target, new EventHandlers(target));
}

/** Defines the attributes `on…` for events of these types, as accessors of `prototype` itself, as those of the standard are. */
export function defineHandlers(prototype: object, types: readonly string[]): void {
  for (const type of types) {
    const name = `on${type}`;
    // Of a literal, so that the accessors have the names that they should: `get onopen`.
    const attribute = {
      get [name](): Handler {
        return handlersOf(this).get(type);
      },
      set [name](value: unknown) {
        handlersOf(this).set(type, value);
      },
    };
    Object.defineProperty(prototype, name, Object.getOwnPropertyDescriptor(attribute, name) as PropertyDescriptor);
  }
}

/** There are none for the prototype itself, and so its attributes throw a `TypeError`. */
function handlersOf(target: object): EventHandlers {
  return HANDLERS.get(target) as EventHandlers;
}

function call(handler: unknown, target: EventTarget, event: Event): void {
  if (typeof handler === "function") handler.call(target, event);
}
