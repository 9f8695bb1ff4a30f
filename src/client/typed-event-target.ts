/** An `EventTarget` whose listeners get the event that belongs to the type they listen to. */
export interface TypedEventTarget<Events> extends EventTarget {
  addEventListener<Type extends keyof Events>(
    type: Type,
    listener: ((event: Events[Type]) => unknown) | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<Type extends keyof Events>(
    type: Type,
    listener: ((event: Events[Type]) => unknown) | null,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
}

/** The type under which `EventTarget` itself is extended, with event handler attributes that `defineHandlers` defines. */
export type TypedEventTargetConstructor<Events, Handlers> = new () => TypedEventTarget<Events> & Handlers;
