import { describe, expect, it } from "vitest";
import { emptyMask } from "./masks/mask";
import { dab, fillPolygon, fillRect, flood, type Ink, relabel } from "./masks/paint";
import { classColour, mapTable, slotOf, useSlots } from "./slots";

const ink = (label: number, erase = false): Ink => ({ level: 255, flow: 1, erase, label });
const valuesOf = (mask: { values: Uint8Array }) => new Set(mask.values);

describe("a map of classes", () => {
  it("has whole classes only, and a later one takes the place of the former", () => {
    const mask = emptyMask(32, 32);
    dab(mask, { x: 16, y: 16 }, { radius: 8, hardness: 1 }, ink(200));
    expect(valuesOf(mask)).toEqual(new Set([0, 200]));
    dab(mask, { x: 16, y: 16 }, { radius: 4, hardness: 1 }, ink(3));
    expect(mask.values[16 * 32 + 16]).toBe(3);
    fillPolygon(
      mask,
      [
        { x: 0, y: 0 },
        { x: 31, y: 3 },
        { x: 5, y: 30 },
      ],
      ink(7),
    );
    expect(valuesOf(mask)).toEqual(new Set([0, 3, 7, 200]));
    fillRect(mask, { left: 0, top: 0, right: 32, bottom: 32 }, ink(7, true));
    expect(valuesOf(mask)).toEqual(new Set([0]));
  });

  it("is filled where one class is, and not where its neighbour in the numbers is", () => {
    const mask = emptyMask(4, 1);
    mask.values.set([5, 5, 6, 6]);
    flood(mask, { x: 0, y: 0 }, ink(9));
    expect([...mask.values]).toEqual([9, 9, 6, 6]);
    relabel(mask, 6, 0);
    expect([...mask.values]).toEqual([9, 9, 0, 0]);
  });

  it("has a slot for each class that comes, and as many as a byte can tell", () => {
    useSlots.setState({ classes: [0], chosen: 0 });
    expect([slotOf(0), slotOf(700), slotOf(3), slotOf(700)]).toEqual([0, 1, 2, 1]);
    const table = mapTable();
    expect(table[0]).toBe(0);
    expect((table[1] ?? 0) >>> 24).toBe(255);
    for (let number = 1000; number < 1253; number++) slotOf(number);
    expect([slotOf(2000), slotOf(700)]).toEqual([null, 1]);
  });

  it("shows neighbours in colours of their own", () => {
    const colours = Array.from({ length: 60 }, (_, number) => classColour(number));
    expect(new Set(colours).size).toBe(60);
    for (const colour of colours) expect(colour).toMatch(/^#[0-9a-f]{6}$/);
  });
});
