import { describe, expect, it } from "vitest";
import type { Place } from "../wire";
import { titleOf } from "./title";

const settings = { num_steps: 25, guidance_scale: 3, sampler: "euler", seed: 1, width: 8, height: 8 };
const place: Place = { status: "running", seq: 1, rev: 0, node: 0, branch: 0, step: 9, settings };

describe("the title", () => {
  it("tells how far the picture is", () => {
    const view = { place: { ...place, settings: { ...settings, prompt: "a red apple" } } };
    expect(titleOf(view, null)).toBe("9/25 a red apple - ildm");
    expect(titleOf({ place: { ...view.place, status: "finished" } }, null)).toBe("a red apple - ildm");
  });

  it("is the studio's where there is nothing to tell", () => {
    expect(titleOf(null, null)).toBe("ildm studio");
    expect(titleOf(null, 2)).toBe("Waiting - ildm studio");
    expect(titleOf({ place }, null)).toBe("9/25 A picture - ildm");
  });

  it("is not too long", () => {
    expect(titleOf({ place: { ...place, settings: { ...settings, prompt: "a".repeat(200) } } }, null)).toHaveLength(72);
  });
});
