import { describe, expect, it } from "vitest";
import { newRegionId, placesOf } from "../canvas/colours";
import { masksOfColours } from "./flatColours";
import { wordsOf } from "./promptWords";
import { cellsOf } from "./split";

describe("a divided picture", () => {
  it.each([
    [3, 1],
    [1, 4],
    [3, 5],
  ])("of %i columns and %i rows covers every pixel once", (columns, rows) => {
    const cells = cellsOf(31, 17, columns, rows);
    expect(cells).toHaveLength(columns * rows);
    for (let index = 0; index < 31 * 17; index++)
      expect(cells.reduce((sum, cell) => sum + (cell.values[index] ?? 0), 0)).toBe(255);
  });
});

describe("flat colours", () => {
  it("become a mask each, but for white, and mixtures at edges go to the nearest", () => {
    const pixels = [
      [255, 0, 0],
      [250, 8, 4],
      [0, 0, 255],
      [255, 255, 255],
    ];
    const data = new Uint8ClampedArray(4 * 400);
    for (let index = 0; index < 400; index++) data.set([...(pixels[index % 4] ?? []), 255], 4 * index);
    const masks = masksOfColours({ width: 20, height: 20, data });
    expect(masks).toHaveLength(2);
    expect(masks.map((mask) => [...mask.values.subarray(0, 4)])).toEqual([
      [255, 255, 0, 0],
      [0, 0, 255, 0],
    ]);
  });
});

describe("words of a prompt", () => {
  it("are what stands for something, each once and without signs", () => {
    expect(wordsOf("a (red:1.3) fox on a [plain] red background BREAK an owl")).toEqual([
      "red",
      "fox",
      "plain",
      "background",
      "owl",
    ]);
  });
});

describe("a region's colour", () => {
  it("follows the order in which regions were made, on every page", () => {
    const first = newRegionId([]);
    const second = newRegionId([first]);
    const places = placesOf([second, "owl", first], new Map());
    expect(places.get(first)).toBe(0);
    expect(places.get(second)).toBe(1);
    expect(places.get("owl")).toBe(2);
    expect(placesOf(["owl"], places).get("owl")).toBe(2);
  });
});
