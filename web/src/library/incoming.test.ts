import { describe, expect, it } from "vitest";
import { cropped, kindOf, strengthWords, typeOf } from "./incoming";

describe("a file that comes in", () => {
  it.each([
    [{ type: "image/png", name: "fox.png" }, "picture"],
    [{ type: "", name: "Fox.JPG" }, "picture"],
    [{ type: "application/json", name: "fox" }, "preset"],
    [{ type: "text/plain", name: "fox.json" }, "preset"],
    [{ type: "image/svg+xml", name: "fox.svg" }, null],
    [{ type: "", name: "fox" }, null],
  ] as const)("is known: %o", (file, kind) => {
    expect(kindOf(file)).toBe(kind);
  });

  it("has a type even where the system tells none", () => {
    expect(typeOf({ type: "", name: "a.b.webp" })).toBe("image/webp");
  });
});

describe("a crop", () => {
  it("is the largest from the middle", () => {
    expect(cropped({ width: 400, height: 200 }, { width: 128, height: 128 })).toEqual({
      left: 100,
      top: 0,
      width: 200,
      height: 200,
    });
    expect(cropped({ width: 100, height: 400 }, { width: 200, height: 100 })).toEqual({
      left: 0,
      top: 175,
      width: 100,
      height: 50,
    });
  });
});

it("a strength is told in words", () => {
  expect(new Set([0.1, 0.5, 0.7, 1].map(strengthWords)).size).toBe(4);
});
