import { describe, expect, it } from "vitest";
import { fittingSide, sideProblem } from "./sides";

describe("a side", () => {
  it.each([0, -64, 7, 4096, ""])("of %j is refused, with what is allowed and what is used", (typed) => {
    expect(sideProblem(typed, 8, 128)).toBe("From 8 to 2048 px, in steps of 8. It stays 128 px.");
  });

  it("is made of whole cells", () => {
    expect([8, 130, 2048].map((side) => [sideProblem(side, 8, 128), fittingSide(side, 8)])).toEqual([
      [null, 8],
      [null, 128],
      [null, 2048],
    ]);
  });
});
