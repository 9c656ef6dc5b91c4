import { describe, expect, it } from "vitest";
import { drawn, LEAST, moved, nudged, placed, resized } from "./boxes";
import { escaped, unescaped } from "./escaping";
import { type Box, layoutJson, layoutText, readLayout, readLayoutJson } from "./layout";
import { classIn, readable } from "./reading";

const fox: Box = { label: "fox", left: 0.1, top: 0.2, right: 0.5, bottom: 0.6 };
const key: Box = { label: "key", left: 0.6, top: 0.6, right: 0.9, bottom: 0.9 };

describe("boxes as a prompt", () => {
  it("are written as the model reads them, and read back", () => {
    expect(layoutText([fox, key])).toBe("fox 0.1 0.2 0.5 0.6; key 0.6 0.6 0.9 0.9");
    expect(readLayout(layoutText([fox, key]))).toEqual([fox, key]);
    expect(readLayout("")).toEqual([]);
    expect(layoutText([])).toBe("");
  });

  it("may have names of several words, with brackets and numbers", () => {
    for (const label of ["guide dog", "flag (blue)", "keycap 10", "a AND b", "back\\slash", "12 o'clock"]) {
      expect(readLayout(layoutText([{ ...fox, label }]))).toEqual([{ ...fox, label }]);
    }
    expect(layoutText([{ ...fox, label: "flag (blue)" }])).toBe("flag \\(blue\\) 0.1 0.2 0.5 0.6");
  });

  it("are none where a part is no box", () => {
    for (const text of [
      "a fox on a hill",
      "fox 0.1 0.2 0.5",
      "fox 0.5 0.2 0.1 0.6",
      "fox 0 0 1 1.2",
      "0.1 0.2 0.5 0.6",
    ])
      expect(readLayout(text)).toBeNull();
  });

  it("go into a file and come back", () => {
    expect(readLayoutJson(layoutJson([fox, key]))).toEqual([fox, key]);
    for (const text of ["", "{}", '[{"label": "fox"}]', '[{"label": "fox", "box": [0, 0, 1]}]', "[3]", "[null]"])
      expect(readLayoutJson(text)).toBeNull();
  });
});

describe("a box", () => {
  it("stays inside the picture when it is moved", () => {
    expect(layoutText([moved(fox, { x: -0.5, y: 0.9 })])).toBe("fox 0 0.6 0.4 1");
  });

  it("never vanishes when it is resized", () => {
    expect(resized(fox, { x: -1, y: 0 }, { x: 0.9, y: 0.9 })).toEqual({ ...fox, left: fox.right - LEAST });
    expect(resized(fox, { x: 1, y: 1 }, { x: 0.9, y: 0.1 })).toMatchObject({ right: 1, bottom: 0.7 });
  });

  it("is drawn from any corner to any other, and not by a mere click", () => {
    const box = drawn("fox", { x: 0.5, y: 0.6 }, { x: -0.1, y: 0.2 });
    expect(box).toEqual({ ...fox, left: 0, right: 0.5 });
    expect(drawn("fox", { x: 0.5, y: 0.5 }, { x: 0.505, y: 0.9 })).toBeNull();
  });

  it("is moved and resized by keys", () => {
    expect(nudged(fox, "ArrowRight", false)?.left).toBeCloseTo(0.11);
    expect(nudged(fox, "ArrowUp", true)).toMatchObject({ top: 0.2, left: 0.1, right: 0.5 });
    expect(nudged(fox, "ArrowUp", true)?.bottom).toBeCloseTo(0.59);
    expect(nudged(fox, "a", false)).toBeNull();
  });

  it("that nobody has drawn lies inside too", () => {
    for (let count = 0; count < 20; count++) {
      const box = placed("fox", count);
      expect(Math.min(box.left, box.top, 1 - box.right, 1 - box.bottom)).toBeGreaterThanOrEqual(0);
    }
  });
});

describe("what a model reads", () => {
  const classes = ["fox", "Flag (blue)"];

  it("is a class by its name or its number", () => {
    expect(classIn("Fox", { classes })).toBe("fox");
    expect(classIn(escaped("flag (blue)"), { classes })).toBe("Flag (blue)");
    expect(classIn("1", { classes })).toBe("Flag (blue)");
    expect(classIn("a fox", { classes })).toBeNull();
  });

  it("is what is sent of a form that was filled in for another", () => {
    const words = "a fox on a hill";
    expect(readable(words, undefined)).toBe(words);
    expect(readable(words, { reads: "text", classes: [] })).toBe(words);
    expect(readable(words, { reads: null, classes: [] })).toBe("");
    expect(readable(words, { reads: "class", classes })).toBe("");
    expect(readable("fox", { reads: "class", classes })).toBe("fox");
    expect(readable("3", { reads: "class", classes: [] })).toBe("3");
    expect(readable(words, { reads: "layout", classes })).toBe("");
    expect(readable("fox 0 0 1 1", { reads: "layout", classes })).toBe("fox 0 0 1 1");
  });
});

describe("prompt syntax", () => {
  it("is escaped so that it means itself", () => {
    expect(escaped("a (b) [c] \\ AND BREAK sand :2")).toBe("a \\(b\\) \\[c\\] \\\\ \\AND \\BREAK sand \\:2");
    expect(unescaped(escaped("a (b) [c] \\ AND BREAK sand :2"))).toBe("a (b) [c] \\ AND BREAK sand :2");
  });
});
