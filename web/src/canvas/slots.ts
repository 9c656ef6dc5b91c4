// A map of classes as a mask: its values are slots, and each slot stands for a class. There are more classes than a byte can tell.

import { create } from "zustand";
import type { Table } from "./tint";
import { wordOf } from "./tint";

interface Slots {
  /** The number of each slot's class; the first is the background, 0. */
  classes: readonly number[];
  /** The slot that is painted with. */
  chosen: number;
}

const MOST = 256;

export const useSlots = create<Slots>(() => ({ classes: [0], chosen: 0 }));

/** The slot of a class; one that is free is taken where it has none. null = there are no more. */
export function slotOf(number: number): number | null {
  const { classes } = useSlots.getState();
  const known = classes.indexOf(number);
  if (known >= 0) return known;
  if (classes.length === MOST) return null;
  useSlots.setState({ classes: [...classes, number] });
  return classes.length;
}

/** The colour of a class: neighbours in the list are far from each other. */
export function classColour(number: number): string {
  const hue = (number * 137.508) % 360;
  const [saturation, lightness] = [0.55 + 0.15 * (number % 3), 0.42 + 0.08 * (number % 4)];
  return hex(hue, saturation, lightness);
}

export function slotColour(slot: number): string {
  return classColour(useSlots.getState().classes[slot] ?? 0);
}

let made: { classes: readonly number[]; table: Table } | null = null;

/** How a map is seen: the background not at all. */
export function mapTable(): Table {
  const { classes } = useSlots.getState();
  if (made?.classes !== classes) {
    const table = new Uint32Array(MOST);
    for (const [slot, number] of classes.entries()) if (slot > 0) table[slot] = wordOf(classColour(number));
    made = { classes, table };
  }
  return made.table;
}

function hex(hue: number, saturation: number, lightness: number): string {
  const reach = saturation * Math.min(lightness, 1 - lightness);
  const channel = (turn: number) => {
    const at = (turn + hue / 30) % 12;
    const value = lightness - reach * Math.max(-1, Math.min(at - 3, 9 - at, 1));
    return Math.round(255 * value)
      .toString(16)
      .padStart(2, "0");
  };
  return `#${channel(0)}${channel(8)}${channel(4)}`;
}
