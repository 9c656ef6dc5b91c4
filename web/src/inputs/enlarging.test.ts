import { describe, expect, it } from "vitest";
import { enlarged, enlargedWords } from "./enlarging";

const rules = { factor: 4, stride: 16, pixels: 2 ** 20 };

describe("a small picture", () => {
  it("is drawn so many times larger", () => {
    const plan = enlarged({ width: 64, height: 48 }, rules);
    expect(plan).toMatchObject({ small: { width: 64, height: 48 }, drawn: { width: 256, height: 192 } });
    expect(enlargedWords({ width: 64, height: 48 }, plan)).toBe("64 x 48 px, and drawn as 256 x 192 px.");
  });

  it("is cut in its middle to what can be drawn", () => {
    const plan = enlarged({ width: 67, height: 50 }, rules);
    expect(plan).toEqual({
      part: { width: 64, height: 48 },
      small: { width: 64, height: 48 },
      drawn: { width: 256, height: 192 },
    });
  });

  it("is made smaller where the server draws no more", () => {
    const plan = enlarged({ width: 1000, height: 500 }, rules);
    expect(plan.drawn.width * plan.drawn.height).toBeLessThanOrEqual(2 ** 20);
    expect(plan.drawn.width * plan.drawn.height).toBeGreaterThan(0.9 * 2 ** 20);
    expect(enlargedWords({ width: 1000, height: 500 }, plan)).toContain("more than can be drawn larger here");
  });

  it("that is tiny is made large enough", () => {
    expect(enlarged({ width: 1, height: 3 }, { ...rules, stride: 64 })).toMatchObject({
      small: { width: 16, height: 48 },
    });
  });
});
