import { invariant } from "./invariant.js";

/** State x input -> the states that may follow. What is not in the table must not happen. */
export type Transitions<State extends string, Input extends string> = Readonly<
  Record<State, Readonly<Partial<Record<Input, readonly State[]>>>>
>;

/** Holds one state, a variant of a tagged union, and lets only those moves happen that its table allows. */
export class Machine<State extends { readonly name: string }, Input extends string> {
  readonly #table: Transitions<State["name"], Input>;
  #state: State;

  constructor(table: Transitions<State["name"], Input>, initial: State) {
    this.#table = table;
    this.#state = initial;
  }

  enter(input: Input, next: State): void {
    const row: Readonly<Partial<Record<Input, readonly string[]>>> = this.#table[this.#state.name as State["name"]];
    invariant(row[input]?.includes(next.name) ?? false, `${this.#state.name} goes to ${next.name} on ${input}`);
    this.#state = next;
  }

  /** Whether the table knows `input` in the present state. */
  allows(input: Input): boolean {
    return input in this.#table[this.#state.name as State["name"]];
  }

  get state(): State {
    return this.#state;
  }
}
