import { expect, it } from "vitest";
import { Machine, type Transitions } from "../../src/core/machine.js";

/**
 * Tries every state x input x next state of a table: what it allows works, everything else trips the invariant and
 * leaves the machine where it was. `moves` is the number of moves the table has to allow.
 */
export function describeLegality<State extends string, Input extends string>(
  table: Transitions<State, Input>,
  inputs: readonly Input[],
  moves: number,
): void {
  const states = Object.keys(table) as State[];
  let allowed = 0;

  for (const state of states) {
    it.each(inputs)(`${state}: %s`, (input) => {
      const next: readonly State[] = table[state][input] ?? [];
      const fresh = () => new Machine<{ name: State }, Input>(table, { name: state });
      expect(fresh().allows(input)).toBe(next.length > 0);
      for (const target of states) {
        const machine = fresh();
        if (next.includes(target)) {
          machine.enter(input, { name: target });
          expect(machine.state.name).toBe(target);
          allowed += 1;
        } else {
          expect(() => machine.enter(input, { name: target })).toThrow(
            expect.objectContaining({ code: "ERR_INTERNAL" }),
          );
          expect(machine.state.name).toBe(state);
        }
      }
    });
  }

  it(`allows ${moves} moves, and knows no state or input beside those tried`, () => {
    expect(allowed).toBe(moves);
    for (const row of Object.values<Readonly<Partial<Record<Input, readonly State[]>>>>(table)) {
      for (const [input, next] of Object.entries<readonly State[] | undefined>(row)) {
        expect(inputs).toContain(input);
        for (const state of next ?? []) expect(states).toContain(state);
      }
    }
  });
}
