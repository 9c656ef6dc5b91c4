import { describe, expect, it } from "vitest";
import type { Command } from "../connection/client";
import { Force } from "./force";

const prompt = (text: string): Command => ({ kind: "set-prompt", text });

/** After two steps with a cat, and a change to a dog before the third. */
function grown(): Force {
  const force = new Force();
  force.begin({ prompt: "a cat", guidance_scale: 3 });
  force.grow(0, 1, 0);
  force.grow(0, 2, 1);
  force.change(prompt("a dog"), 0, 2);
  force.grow(0, 3, 2);
  return force;
}

describe("what is in force", () => {
  it("at a state is what made the one after it", () => {
    const force = grown();
    const at = (node: number) => {
      force.open(0, node);
      return force.now.prompt;
    };
    expect([0, 1, 2, 3].map(at)).toEqual(["a cat", "a cat", "a dog", "a dog"]);
  });

  it("on a branch is what it began with, whatever becomes of the other", () => {
    const force = grown();
    force.branchOff(1, 1, 0);
    force.open(1, 1);
    force.change(prompt("a fox"), 1, 1);
    force.grow(1, 4, 1);
    force.open(0, 3);
    expect(force.now.prompt).toBe("a dog");
    force.open(1, 1);
    expect(force.now.prompt).toBe("a fox");
  });

  it("is as before after an undo, and as after it when that is undone", () => {
    const force = grown();
    expect([force.undo(), force.now.prompt]).toEqual([true, "a cat"]);
    expect([force.undo(), force.now.prompt]).toEqual([false, "a cat"]);
    expect([force.redo(), force.now.prompt]).toEqual([true, "a dog"]);
    expect([force.redo(), force.now.prompt]).toEqual([false, "a dog"]);
  });

  it("cannot be brought back once something else was changed", () => {
    const force = grown();
    force.undo();
    force.change(prompt("a fox"), 0, 3);
    expect([force.redo(), force.now.prompt]).toEqual([false, "a fox"]);
  });

  it("on the branches of a comparison is what each has of its own, and for the rest what they share", () => {
    const force = grown();
    const choices = [5, 7].map((guidance_scale) => ({ kind: "choice", prompt: null, guidance_scale }) as const);
    force.compare(choices, 1, 1, 0);
    expect(force.now).toMatchObject({ prompt: "a cat", guidance_scale: 5 });
    force.open(2, 1);
    expect(force.now).toMatchObject({ prompt: "a cat", guidance_scale: 7 });
  });

  it("has each change of its regions", () => {
    const force = grown();
    const names = () => force.now.regions.map((one) => one.name);
    force.change({ kind: "add-region", region: { id: "a", name: "sky" } } as Command, 0, 3);
    force.change({ kind: "add-region", region: { id: "b", name: "sea" } } as Command, 0, 3);
    force.change({ kind: "change-region", region: { id: "a", name: "cloud" } } as Command, 0, 3);
    expect(names()).toEqual(["cloud", "sea"]);
    force.change({ kind: "remove-region", id: "b" } as Command, 0, 3);
    expect(names()).toEqual(["cloud"]);
  });
});
