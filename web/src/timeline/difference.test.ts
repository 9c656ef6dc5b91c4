import { describe, expect, it } from "vitest";
import { differenceOf, inWords } from "./difference";

const grey = (...values: number[]) => new Uint8ClampedArray(values.flatMap((value) => [value, value, value, 255]));

describe("a difference", () => {
  it("is nothing between the same", () => {
    const found = differenceOf(grey(1, 200), grey(1, 200), 4);
    expect(found).toMatchObject({ share: 0, mean: 0, most: 0 });
    expect(inWords(found)).toBe("They are the same, to the last bit.");
  });

  it("is amplified to be seen, and told as it is", () => {
    const found = differenceOf(grey(0, 0, 0, 0), grey(0, 0, 0, 40), 4);
    expect([...found.pixels.slice(12)]).toEqual([160, 160, 160, 255]);
    expect(found).toMatchObject({ share: 0.25, mean: 10, most: 40 });
    expect(inWords(found)).toBe("They differ in 25 % of the picture, on average by 10 of 255.");
  });

  it("of rounding is said to be that", () => {
    expect(inWords(differenceOf(grey(0), grey(1), 4))).toContain("rounding");
  });
});
