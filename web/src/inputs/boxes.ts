// What is done to a box by a hand or by keys: it stays inside the picture, and never vanishes. Pure.

import type { Box } from "./layout";

/** Less than this share of a side is too small to be got hold of. */
export const LEAST = 0.02;

/** Which sides of a box are held; none = all of it. */
export interface Handle {
  x: -1 | 0 | 1;
  y: -1 | 0 | 1;
}

export const HANDLES: readonly Handle[] = [
  { x: -1, y: -1 },
  { x: 0, y: -1 },
  { x: 1, y: -1 },
  { x: -1, y: 0 },
  { x: 1, y: 0 },
  { x: -1, y: 1 },
  { x: 0, y: 1 },
  { x: 1, y: 1 },
];

interface Place {
  x: number;
  y: number;
}

const within = (value: number, least: number, most: number) => Math.min(most, Math.max(least, value));

/** Moved by shares of the picture's sides. */
export function moved(box: Box, by: Place): Box {
  const x = within(by.x, -box.left, 1 - box.right);
  const y = within(by.y, -box.top, 1 - box.bottom);
  return { ...box, left: box.left + x, right: box.right + x, top: box.top + y, bottom: box.bottom + y };
}

/** With the sides that are held moved. */
export function resized(box: Box, { x, y }: Handle, by: Place): Box {
  return {
    ...box,
    left: x < 0 ? within(box.left + by.x, 0, box.right - LEAST) : box.left,
    right: x > 0 ? within(box.right + by.x, box.left + LEAST, 1) : box.right,
    top: y < 0 ? within(box.top + by.y, 0, box.bottom - LEAST) : box.top,
    bottom: y > 0 ? within(box.bottom + by.y, box.top + LEAST, 1) : box.bottom,
  };
}

/** The box between two places; null where it would be too small to be meant. */
export function drawn(label: string, from: Place, to: Place): Box | null {
  const inside = (value: number) => within(value, 0, 1);
  const box = {
    label,
    left: inside(Math.min(from.x, to.x)),
    top: inside(Math.min(from.y, to.y)),
    right: inside(Math.max(from.x, to.x)),
    bottom: inside(Math.max(from.y, to.y)),
  };
  return box.right - box.left >= LEAST && box.bottom - box.top >= LEAST ? box : null;
}

/** Where a box comes to lie that nobody has drawn: in the middle, a little aside of those before it. */
export function placed(label: string, count: number): Box {
  const aside = 0.06 * (count % 6);
  return { label, left: 0.2 + aside, top: 0.2 + aside, right: 0.5 + aside, bottom: 0.5 + aside };
}

const KEYS: { [key: string]: Place } = {
  ArrowLeft: { x: -1, y: 0 },
  ArrowRight: { x: 1, y: 0 },
  ArrowUp: { x: 0, y: -1 },
  ArrowDown: { x: 0, y: 1 },
};
const STEP = 0.01;

/** What an arrow key does to a box: it moves it, or with Shift its right and bottom sides. null = it is another key. */
export function nudged(box: Box, key: string, isSizing: boolean): Box | null {
  const way = KEYS[key];
  if (!way) return null;
  const by = { x: way.x * STEP, y: way.y * STEP };
  return isSizing ? resized(box, { x: 1, y: 1 }, by) : moved(box, by);
}
