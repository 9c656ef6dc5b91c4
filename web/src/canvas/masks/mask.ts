// A soft mask on the page: one byte a pixel, 255 = fully inside. Pure.

export interface Mask {
  readonly width: number;
  readonly height: number;
  readonly values: Uint8Array;
}

/** Whole pixels from the left and top edge up to, but not including, the right and bottom one. */
export interface Rect {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

export function emptyMask(width: number, height: number): Mask {
  return { width, height, values: new Uint8Array(width * height) };
}

export function wholeOf(mask: { width: number; height: number }): Rect {
  return { left: 0, top: 0, right: mask.width, bottom: mask.height };
}

/** What of a rectangle lies inside; null = nothing. */
export function clipped(rect: Rect, mask: { width: number; height: number }): Rect | null {
  const left = Math.max(0, Math.floor(rect.left));
  const top = Math.max(0, Math.floor(rect.top));
  const right = Math.min(mask.width, Math.ceil(rect.right));
  const bottom = Math.min(mask.height, Math.ceil(rect.bottom));
  return left < right && top < bottom ? { left, top, right, bottom } : null;
}

/** The smallest rectangle that holds both. */
export function united(one: Rect | null, other: Rect | null): Rect | null {
  if (!one || !other) return one ?? other;
  return {
    left: Math.min(one.left, other.left),
    top: Math.min(one.top, other.top),
    right: Math.max(one.right, other.right),
    bottom: Math.max(one.bottom, other.bottom),
  };
}

/** The rows of a part, one after the other. */
export function rowsOf(mask: Mask, { left, top, right, bottom }: Rect): Uint8Array {
  const width = right - left;
  const rows = new Uint8Array(width * (bottom - top));
  for (let y = top; y < bottom; y++) {
    const start = y * mask.width + left;
    rows.set(mask.values.subarray(start, start + width), (y - top) * width);
  }
  return rows;
}

/** The smallest rectangle with all that is not zero. */
export function extentOf({ width, height, values }: Mask): Rect | null {
  let [left, top, right, bottom] = [width, height, 0, 0];
  for (let y = 0; y < height; y++) {
    const row = values.subarray(y * width, (y + 1) * width);
    let first = 0;
    while (first < width && row[first] === 0) first++;
    if (first === width) continue;
    let last = width - 1;
    while (row[last] === 0) last--;
    left = Math.min(left, first);
    right = Math.max(right, last + 1);
    top = Math.min(top, y);
    bottom = y + 1;
  }
  return left < right ? { left, top, right, bottom } : null;
}

/** Brought to another size by area averaging, as the engine does it. */
export function fitted(mask: Mask, width: number, height: number): Mask {
  if (mask.width === width && mask.height === height) return mask;
  const across = averaged(Float32Array.from(mask.values), mask.height, mask.width, width, mask.width, 1);
  const down = averaged(across, width, mask.height, height, 1, width);
  const values = Uint8Array.from(down, (value) => Math.round(value));
  return { width, height, values };
}

/** Lines of `from` values averaged to `to` values each; `lineStep` and `step` say how they lie in the source and the result alike. */
function averaged(
  source: Float32Array,
  lines: number,
  from: number,
  to: number,
  lineStep: number,
  step: number,
): Float32Array {
  const isAcross = step === 1;
  const result = new Float32Array(lines * to);
  for (let index = 0; index < to; index++) {
    const start = (index * from) / to;
    const end = ((index + 1) * from) / to;
    for (let line = 0; line < lines; line++) {
      let sum = 0;
      for (let at = Math.floor(start); at < Math.min(from, Math.ceil(end)); at++) {
        const share = Math.min(end, at + 1) - Math.max(start, at);
        sum += share * (source[line * lineStep + at * step] ?? 0);
      }
      result[isAcross ? line * to + index : index * lines + line] = sum / (end - start);
    }
  }
  return result;
}
