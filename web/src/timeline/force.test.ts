import { describe, expect, it } from "vitest";
import type { Settings } from "../wire";
import { Force } from "./force";
import { type InForce, NOTHING } from "./inForce";

const saying = (prompt: string, more: Partial<InForce> = {}): InForce => ({
  ...NOTHING,
  num_steps: 3,
  prompt,
  ...more,
});
const [cat, dog] = [saying("a cat"), saying("a dog")];

/** After two steps with a cat, and a change to a dog before the third. */
function grown(): Force {
  const force = new Force();
  force.start(0, { parent: null, step: 0, made: cat });
  force.settle(0, 0, cat);
  force.grow(0, 1, { parent: 0, step: 1, made: cat });
  force.grow(0, 2, { parent: 1, step: 2, made: cat });
  force.settle(0, 2, dog);
  force.grow(0, 3, { parent: 2, step: 3, made: dog });
  return force;
}

describe("what is in force", () => {
  it("at a state is what made the one after it", () => {
    const force = grown();
    expect([0, 1, 2, 3].map((node) => force.at(0, node)?.prompt)).toEqual(["a cat", "a cat", "a dog", "a dog"]);
  });

  it("on a branch is what it began with, whatever becomes of the other", () => {
    const force = grown();
    force.settle(1, 1, saying("a fox"));
    expect([force.at(0, 3), force.at(1, 1)].map((one) => one?.prompt)).toEqual(["a dog", "a fox"]);
    force.settle(0, 1, saying("a pig"));
    expect(force.at(0, 3)?.prompt).toBe("a dog");
  });

  it("where another picture began is what made the state, not that picture", () => {
    const force = grown();
    force.start(4, { parent: 3, step: 0, made: saying("a fox") });
    force.settle(1, 4, saying("a fox"));
    expect(force.at(1, 3)?.prompt).toBe("a dog");
    expect([force.nodeAt(1, 0), force.nodeAt(1, 2), force.nodeAt(1, 7)]).toEqual([4, 2, undefined]);
  });

  it("over a finished picture is only asked for", () => {
    const force = grown();
    expect([2, 3, 9].map((node) => force.isOver(node))).toEqual([false, true, false]);
  });
});

describe("which masks regions have", () => {
  const region = { id: "sky", prompt: "a sky" };
  const settings = (mask: string): Settings => ({
    ...{ num_steps: 3, guidance_scale: 1, sampler: "euler", seed: 1, width: 8, height: 8 },
    regions: [{ ...region, mask }],
  });
  const told = (force: Force, mask: string, likely?: InForce) => force.told(settings(mask), likely);

  it("is not told by who paints, but by settings that are told later of the same", () => {
    const force = new Force();
    const painted = force.changed(told(force, "m1"), { kind: "paint-region", id: "sky", patch: null as never });
    expect(force.masksOf(painted)).toBeUndefined();
    const later = told(force, "m2", painted);
    expect(later.painted).toBe(painted.painted);
    expect(force.masksOf(painted)).toEqual({ sky: "m2" });
  });

  it("is the same where the settings are told again, and not of what says something else", () => {
    const force = new Force();
    const first = told(force, "m1");
    expect(told(force, "m1").painted).toBe(first.painted);
    expect(told(force, "m2", first).painted).not.toBe(first.painted);
    const painted = force.changed(first, { kind: "paint-region", id: "sky", patch: null as never });
    told(force, "m2", { ...painted, prompt: "something else" });
    expect(force.masksOf(painted)).toBeUndefined();
  });
});
