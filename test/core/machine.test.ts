import { describe, expect, it } from "vitest";
import { Machine, type Transitions } from "../../src/core/machine.js";

type Light = { readonly name: "red" } | { readonly name: "green"; readonly until: number } | { readonly name: "off" };
const TABLE: Transitions<Light["name"], "switch" | "cut"> = {
  red: { switch: ["green"], cut: ["off"] },
  green: { switch: ["red", "green"], cut: ["off"] },
  off: {},
};

describe("Machine", () => {
  it("goes where its table lets it, and takes the whole variant", () => {
    const machine = new Machine<Light, "switch" | "cut">(TABLE, { name: "red" });
    machine.enter("switch", { name: "green", until: 5 });
    expect(machine.state).toEqual({ name: "green", until: 5 });
    machine.enter("switch", { name: "green", until: 9 });
    expect(machine.state).toEqual({ name: "green", until: 9 });
  });

  it("names the move that is not in the table", () => {
    const machine = new Machine<Light, "switch" | "cut">(TABLE, { name: "red" });
    expect(() => machine.enter("switch", { name: "off" })).toThrow("red goes to off on switch");
    machine.enter("cut", { name: "off" });
    expect(() => machine.enter("cut", { name: "off" })).toThrow("off goes to off on cut");
  });

  it("tells which inputs the present state knows", () => {
    const machine = new Machine<Light, "switch" | "cut">(TABLE, { name: "red" });
    expect(machine.allows("switch")).toBe(true);
    machine.enter("cut", { name: "off" });
    expect(machine.allows("switch")).toBe(false);
  });
});
