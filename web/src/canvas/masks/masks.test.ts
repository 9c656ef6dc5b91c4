import { describe, expect, it } from "vitest";
import { History } from "./history";
import { emptyMask, extentOf, fitted, type Mask, rowsOf } from "./mask";
import { dab, feather, fillPolygon, fillRect, flood, type Ink, invert } from "./paint";
import { walk } from "./path";
import { Before } from "./tiles";

const PAINT: Ink = { level: 255, flow: 1, erase: false };
const ERASE: Ink = { ...PAINT, erase: true };

/** Numbers that look like chance, the same each time. */
function dice(seed: number) {
  let state = seed;
  return (below: number) => {
    state = (state * 1664525 + 1013904223) % 2 ** 32;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function stroked(history: History, mask: Mask, layer: string, roll: (below: number) => number): void {
  const before = new Before(mask);
  const ink = { level: 1 + roll(255), flow: 0.1 + roll(9) / 10, erase: roll(3) === 0 };
  for (let touch = 0; touch < 6; touch++) {
    const place = { x: roll(mask.width), y: roll(mask.height) };
    const radius = 1 + roll(30);
    before.keep({
      left: place.x - radius - 1,
      top: place.y - radius - 1,
      right: place.x + radius + 1,
      bottom: place.y + radius + 1,
    });
    dab(mask, place, { radius, hardness: roll(11) / 10 }, ink);
  }
  history.push(layer, before.diffs());
}

describe("undo", () => {
  it.each([true, false])("gives the exact bytes back after 50 strokes over two layers (compacted: %s)", (compacted) => {
    const roll = dice(7);
    const masks = new Map([
      ["fox", emptyMask(140, 70)],
      ["owl", emptyMask(140, 70)],
    ]);
    const shot = () => [...masks.values()].map((mask) => mask.values.join()).join(" ");
    const history = new History();
    const states = [shot()];
    while (history.length < 50) {
      const layer = roll(2) ? "fox" : "owl";
      stroked(history, masks.get(layer) ?? emptyMask(1, 1), layer, roll);
      if (compacted) while (history.compact());
      // a stroke may change nothing, and is none then
      if (history.length === states.length) states.push(shot());
    }
    for (let stroke = 49; stroke >= 0; stroke--) {
      history.undo((layer) => masks.get(layer));
      expect(shot() === states[stroke]).toBe(true);
    }
    expect([...masks.values()].every((mask) => extentOf(mask) === null)).toBe(true);
    for (let stroke = 1; stroke <= 50; stroke++) {
      history.redo((layer) => masks.get(layer));
      expect(shot() === states[stroke]).toBe(true);
    }
    expect(history.canRedo).toBe(false);
  });

  it("keeps at least 200 strokes of a large picture within its bytes, and forgets the oldest beyond", () => {
    const mask = emptyMask(1024, 1024);
    const roll = dice(3);
    const history = new History();
    for (let stroke = 0; stroke < 260; stroke++) stroked(history, mask, "fox", roll);
    expect(history.length).toBeGreaterThanOrEqual(200);
    expect(history.byteLength).toBeLessThanOrEqual(64 * 2 ** 20);
    const small = new History(40_000);
    for (let stroke = 0; stroke < 60; stroke++) stroked(small, mask, "fox", roll);
    expect(small.byteLength).toBeLessThanOrEqual(40_000);
    expect(small.length).toBeLessThan(50);
  });

  it("says whether values rose or fell, and passes over layers that are gone", () => {
    const mask = emptyMask(64, 64);
    const history = new History();
    const before = new Before(mask);
    before.keep({ left: 0, top: 0, right: 64, bottom: 64 });
    fillRect(mask, { left: 3, top: 4, right: 9, bottom: 9 }, PAINT);
    history.push("fox", before.diffs());
    history.push("gone", before.diffs());
    const undone = history.undo((layer) => (layer === "fox" ? mask : undefined));
    expect(undone).toMatchObject({ layer: "fox", rises: false, falls: true });
    expect(extentOf(mask)).toBeNull();
  });
});

describe("a brush", () => {
  it("covers its middle fully and its edge partly", () => {
    const mask = emptyMask(21, 21);
    dab(mask, { x: 10.5, y: 10.5 }, { radius: 6, hardness: 0.5 }, PAINT);
    expect(mask.values[10 * 21 + 10]).toBe(255);
    const edge = mask.values[10 * 21 + 15] ?? 0;
    expect(edge).toBeGreaterThan(0);
    expect(edge).toBeLessThan(255);
    expect(mask.values[0]).toBe(0);
  });

  it("never lowers a value while it paints, nor raises one while it erases", () => {
    const roll = dice(1);
    const mask = emptyMask(50, 50);
    for (let index = 0; index < mask.values.length; index++) mask.values[index] = roll(256);
    for (const ink of [
      { ...PAINT, flow: 0.3, level: 140 },
      { ...ERASE, flow: 0.2, level: 200 },
    ]) {
      const before = mask.values.slice();
      dab(mask, { x: 25, y: 20 }, { radius: 18, hardness: 0.2 }, ink);
      const way = ink.erase ? -1 : 1;
      expect(mask.values.every((value, index) => (value - (before[index] ?? 0)) * way >= 0)).toBe(true);
    }
  });

  it("touches at even distances whatever pieces its way comes in", () => {
    const at = (x: number) => ({ x, y: 0, pressure: 1 });
    const whole = walk(at(0), at(10), () => 1.5, 0);
    const first = walk(at(0), at(4), () => 1.5, 0);
    const second = walk(at(4), at(10), () => 1.5, first.left);
    const places = [...first.touches, ...second.touches].map((touch) => touch.x);
    expect(places).toHaveLength(6);
    for (const [index, touch] of whole.touches.entries()) expect(places[index]).toBeCloseTo(touch.x);
  });
});

describe("tools", () => {
  it("a lasso fills what it goes around, to the share of a pixel", () => {
    const mask = emptyMask(10, 10);
    const corners = [
      { x: 2, y: 2 },
      { x: 6.5, y: 2 },
      { x: 6.5, y: 8 },
      { x: 2, y: 8 },
    ];
    fillPolygon(mask, corners, PAINT);
    expect(mask.values[4 * 10 + 2]).toBe(255);
    expect(mask.values[4 * 10 + 6]).toBe(128);
    expect(mask.values[4 * 10 + 7]).toBe(0);
    expect(extentOf(mask)).toEqual({ left: 2, top: 2, right: 7, bottom: 8 });
  });

  it("a fill stays inside a painted line", () => {
    const mask = emptyMask(20, 20);
    fillRect(mask, { left: 4, top: 4, right: 16, bottom: 16 }, PAINT);
    fillRect(mask, { left: 6, top: 6, right: 14, bottom: 14 }, ERASE);
    flood(mask, { x: 10, y: 10 }, PAINT);
    expect(mask.values[10 * 20 + 10]).toBe(255);
    expect(mask.values[0]).toBe(0);
  });

  it("inverting twice changes nothing, and a feathered edge is soft", () => {
    const mask = emptyMask(40, 40);
    fillRect(mask, { left: 10, top: 10, right: 30, bottom: 30 }, PAINT);
    const before = mask.values.slice();
    invert(mask);
    invert(mask);
    expect(mask.values).toEqual(before);
    feather(mask, 6);
    const edge = mask.values[20 * 40 + 10] ?? 0;
    expect(edge).toBeGreaterThan(60);
    expect(edge).toBeLessThan(200);
    expect(mask.values[20 * 40 + 20]).toBe(255);
  });
});

describe("a mask", () => {
  it("is fitted to another size by area averaging", () => {
    const mask: Mask = { width: 4, height: 2, values: Uint8Array.from([0, 100, 200, 255, 50, 50, 0, 255]) };
    expect([...fitted(mask, 2, 1).values]).toEqual([50, 178]);
    expect(fitted(mask, 8, 6).values).toHaveLength(48);
    expect(fitted(mask, 8, 2).values[3]).toBe(100);
  });

  it("gives the rows of a part", () => {
    const mask: Mask = { width: 3, height: 2, values: Uint8Array.from([1, 2, 3, 4, 5, 6]) };
    expect([...rowsOf(mask, { left: 1, top: 0, right: 3, bottom: 2 })]).toEqual([2, 3, 5, 6]);
  });
});
