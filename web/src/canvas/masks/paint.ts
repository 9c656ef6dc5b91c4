// What tools do to a mask. Each says which part it has changed. Pure.

import { clipped, type Mask, type Rect, united } from "./mask";

export interface Point {
  x: number;
  y: number;
}

/** How a tool paints: towards `level` of 255 or, when it erases, away from it. */
export interface Ink {
  /** 1 to 255: how much it comes to at most. */
  level: number;
  /** Above 0, to 1: how much of the way one touch goes. */
  flow: number;
  erase: boolean;
  /** On a map of classes: the value that takes the place of what is there, all of it or nothing. */
  label?: number | null;
}

export interface Tip {
  radius: number;
  /** 0 = soft from the middle on, 1 = a sharp edge. */
  hardness: number;
}

const HALF = 128;

/** One value under so much ink (0 to 255). Painting never lowers a value and erasing never raises one. */
function inked(value: number, ink: number, { flow, erase, label }: Ink): number {
  if (label != null) return ink < HALF ? value : erase ? 0 : label;
  if (erase) {
    const goal = 255 - ink;
    return value > goal ? value - Math.ceil((value - goal) * flow) : value;
  }
  return value < ink ? value + Math.ceil((ink - value) * flow) : value;
}

/** Touch the mask once with a round tip. */
export function dab(mask: Mask, { x, y }: Point, { radius, hardness }: Tip, ink: Ink): Rect | null {
  const outer = radius + 0.5;
  const rect = clipped({ left: x - outer, top: y - outer, right: x + outer, bottom: y + outer }, mask);
  if (!rect) return null;
  const soft = Math.max(1, radius * (1 - hardness));
  const inner = Math.max(0, outer - soft) ** 2;
  const outerSquared = outer * outer;
  const full = ink.erase ? 255 - ink.level : ink.level;
  const { values, width } = mask;
  for (let row = rect.top; row < rect.bottom; row++) {
    const dy = row + 0.5 - y;
    for (let column = rect.left; column < rect.right; column++) {
      const dx = column + 0.5 - x;
      const squared = dx * dx + dy * dy;
      if (squared >= outerSquared) continue;
      const index = row * width + column;
      const value = values[index] ?? 0;
      // most of what a brush touches it has touched before
      if (ink.label == null && (ink.erase ? value <= full : value >= full)) continue;
      let level = ink.level;
      if (squared > inner) {
        const part = (outer - Math.sqrt(squared)) / soft;
        level = Math.round(level * part * part * (3 - 2 * part));
      }
      values[index] = inked(value, level, ink);
    }
  }
  return rect;
}

export function fillRect(mask: Mask, rect: Rect, ink: Ink): Rect | null {
  const inside = clipped(
    {
      left: Math.round(rect.left),
      top: Math.round(rect.top),
      right: Math.round(rect.right),
      bottom: Math.round(rect.bottom),
    },
    mask,
  );
  if (!inside) return null;
  for (let y = inside.top; y < inside.bottom; y++) {
    for (let x = inside.left; x < inside.right; x++) {
      const index = y * mask.width + x;
      mask.values[index] = inked(mask.values[index] ?? 0, ink.level, { ...ink, flow: 1 });
    }
  }
  return inside;
}

const SUBLINES = 4;

/** Fill what a closed line goes around (even-odd), with smooth edges. */
export function fillPolygon(mask: Mask, corners: readonly Point[], ink: Ink): Rect | null {
  const rect = clipped(boundsOf(corners), mask);
  if (!rect || corners.length < 3) return null;
  const width = rect.right - rect.left;
  const cover = new Float32Array(width);
  for (let y = rect.top; y < rect.bottom; y++) {
    cover.fill(0);
    for (let line = 0; line < SUBLINES; line++) {
      const crossings = crossingsAt(corners, y + (line + 0.5) / SUBLINES);
      for (let pair = 0; pair + 1 < crossings.length; pair += 2) {
        spread(cover, (crossings[pair] ?? 0) - rect.left, (crossings[pair + 1] ?? 0) - rect.left);
      }
    }
    for (let x = 0; x < width; x++) {
      const share = (cover[x] ?? 0) / SUBLINES;
      if (share === 0) continue;
      const index = y * mask.width + rect.left + x;
      const value = mask.values[index] ?? 0;
      mask.values[index] = inked(value, Math.round(ink.level * share), { ...ink, flow: 1 });
    }
  }
  return rect;
}

export function boundsOf(points: readonly Point[]): Rect {
  const rect = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
  for (const { x, y } of points) {
    rect.left = Math.min(rect.left, x);
    rect.top = Math.min(rect.top, y);
    rect.right = Math.max(rect.right, x);
    rect.bottom = Math.max(rect.bottom, y);
  }
  return rect;
}

function crossingsAt(corners: readonly Point[], y: number): number[] {
  const found: number[] = [];
  let from = corners[corners.length - 1];
  for (const to of corners) {
    if (from && from.y <= y !== to.y <= y) found.push(from.x + ((y - from.y) / (to.y - from.y)) * (to.x - from.x));
    from = to;
  }
  return found.sort((a, b) => a - b);
}

/** Add to each pixel what share of it lies between two places of a line. */
function spread(cover: Float32Array, from: number, to: number): void {
  const start = Math.max(0, from);
  const end = Math.min(cover.length, to);
  for (let x = Math.floor(start); x < end; x++) {
    cover[x] = (cover[x] ?? 0) + Math.min(end, x + 1) - Math.max(start, x);
  }
}

const TOLERANCE = 32;

/** Fill the connected part that has about the value of a place. */
export function flood(mask: Mask, place: Point, ink: Ink): Rect | null {
  const { width, height, values } = mask;
  const x = Math.floor(place.x);
  const y = Math.floor(place.y);
  if (x < 0 || y < 0 || x >= width || y >= height) return null;
  const base = values[y * width + x] ?? 0;
  const seen = new Uint8Array(values.length);
  // the numbers of classes are not near each other
  const tolerance = ink.label == null ? TOLERANCE : 0;
  const belongs = (index: number) => seen[index] === 0 && Math.abs((values[index] ?? 0) - base) <= tolerance;
  const starts = [y * width + x];
  let changed: Rect | null = null;
  for (let start = starts.pop(); start !== undefined; start = starts.pop()) {
    if (!belongs(start)) continue;
    const row = Math.floor(start / width);
    let left = start;
    while (left > row * width && belongs(left - 1)) left--;
    let right = start + 1;
    while (right < (row + 1) * width && belongs(right)) right++;
    for (let index = left; index < right; index++) seen[index] = 1;
    for (const next of [row - 1, row + 1]) {
      if (next < 0 || next >= height) continue;
      const shift = (next - row) * width;
      for (let index = left; index < right; index++) {
        if (belongs(index + shift) && (index === left || !belongs(index + shift - 1))) starts.push(index + shift);
      }
    }
    changed = united(changed, { left: left - row * width, top: row, right: right - row * width, bottom: row + 1 });
  }
  for (let index = 0; index < values.length; index++) {
    if (seen[index]) values[index] = inked(values[index] ?? 0, ink.level, { ...ink, flow: 1 });
  }
  return changed;
}

export function fillAll(mask: Mask, value: number): void {
  mask.values.fill(value);
}

/** Exchange one value of a map for another. */
export function relabel({ values }: Mask, from: number, to: number): void {
  for (let index = 0; index < values.length; index++) if (values[index] === from) values[index] = to;
}

export function invert({ values }: Mask): void {
  for (let index = 0; index < values.length; index++) values[index] = 255 - (values[index] ?? 0);
}

/** Soften the edges by so many pixels: three averages after each other come close to a Gaussian. */
export function feather(mask: Mask, pixels: number): void {
  const radius = Math.max(1, Math.round(pixels / 2));
  for (let pass = 0; pass < 3; pass++) {
    average(mask.values, mask.height, mask.width, mask.width, 1, radius);
    average(mask.values, mask.width, mask.height, 1, mask.width, radius);
  }
}

function average(
  values: Uint8Array,
  lines: number,
  length: number,
  lineStep: number,
  step: number,
  radius: number,
): void {
  const line = new Uint8Array(length);
  const span = 2 * radius + 1;
  for (let number = 0; number < lines; number++) {
    const start = number * lineStep;
    for (let at = 0; at < length; at++) line[at] = values[start + at * step] ?? 0;
    const first = line[0] ?? 0;
    const last = line[length - 1] ?? 0;
    const at = (index: number) => (index < 0 ? first : index >= length ? last : (line[index] ?? 0));
    let sum = 0;
    for (let index = -radius; index <= radius; index++) sum += at(index);
    for (let index = 0; index < length; index++) {
      values[start + index * step] = Math.round(sum / span);
      sum += at(index + radius + 1) - at(index - radius);
    }
  }
}
