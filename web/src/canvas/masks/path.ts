// A brush's way over the picture as touches at even distances. Pure.

import type { Point } from "./paint";

export interface Touch extends Point {
  /** 0 to 1. */
  pressure: number;
}

/** Touches from one place to the next, `spacing` apart; `left` = how far it is from the last touch on to the end. */
export function walk(
  from: Touch,
  to: Touch,
  spacing: (pressure: number) => number,
  left: number,
): { touches: Touch[]; left: number } {
  const length = Math.hypot(to.x - from.x, to.y - from.y);
  const touches: Touch[] = [];
  let at = -left;
  for (;;) {
    const share = length === 0 ? 1 : Math.max(0, at) / length;
    const next = at + spacing(from.pressure + (to.pressure - from.pressure) * Math.min(1, share));
    if (next > length) return { touches, left: length - at };
    at = next;
    const part = length === 0 ? 1 : at / length;
    touches.push({
      x: from.x + (to.x - from.x) * part,
      y: from.y + (to.y - from.y) * part,
      pressure: from.pressure + (to.pressure - from.pressure) * part,
    });
  }
}
