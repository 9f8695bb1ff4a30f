// Names of our own: the types of Node, for clients there, have an `EventTarget`, and not all of its options.

/** What `addEventListener` takes, as in the standard. */
export interface ListenerOptions {
  readonly capture?: boolean | undefined;
  readonly once?: boolean | undefined;
  readonly passive?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A listener for events of any type. */
export type AnyListener = ((event: Event) => unknown) | { handleEvent(event: Event): unknown } | null;

/** An `EventTarget` whose listeners get the event that belongs to the type they listen to. */
export interface TypedEventTarget<Events> extends EventTarget {
  addEventListener<Type extends keyof Events>(
    type: Type,
    listener: ((event: Events[Type]) => unknown) | null,
    options?: boolean | ListenerOptions,
  ): void;
  addEventListener(type: string, listener: AnyListener, options?: boolean | ListenerOptions): void;
  removeEventListener<Type extends keyof Events>(
    type: Type,
    listener: ((event: Events[Type]) => unknown) | null,
    options?: boolean | ListenerOptions,
  ): void;
  removeEventListener(type: string, listener: AnyListener, options?: boolean | ListenerOptions): void;
}

/** The type under which `EventTarget` itself is extended, with event handler attributes that `defineHandlers` defines. */
export type TypedEventTargetConstructor<Events, Handlers> = new () => TypedEventTarget<Events> & Handlers;
