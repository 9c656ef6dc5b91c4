// The edge of a mask as a line of two colours that is seen on any picture, one pixel of the screen wide. Pure but for the `ImageData`.

import type { Mask, Rect } from "./masks/mask";

const HALF = 128;
const LIGHT = 0xffffffff;
const DARK = 0xb0000000;

/** Where the mask lies on the screen, in the screen's own pixels. */
export interface Placement {
  zoom: number;
  x: number;
  y: number;
}

/** The line inside a part of the screen. */
export function outlineOf(mask: Mask, { zoom, x, y }: Placement, part: Rect): ImageData {
  const width = part.right - part.left;
  const height = part.bottom - part.top;
  const wide = width + 2;
  const inside = new Uint8Array(wide * (height + 2));
  const columns = new Int32Array(wide);
  for (let column = 0; column < wide; column++) {
    columns[column] = Math.floor((part.left + column - 0.5 - x) / zoom);
  }
  for (let row = 0; row < height + 2; row++) {
    const line = Math.floor((part.top + row - 0.5 - y) / zoom);
    if (line < 0 || line >= mask.height) continue;
    for (let column = 0; column < wide; column++) {
      const at = columns[column] ?? -1;
      if (at >= 0 && at < mask.width && (mask.values[line * mask.width + at] ?? 0) >= HALF)
        inside[row * wide + column] = 1;
    }
  }
  const pixels = new ImageData(width, height);
  const words = new Uint32Array(pixels.data.buffer);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const at = (row + 1) * wide + column + 1;
      const own = inside[at] ?? 0;
      const sum = (inside[at - 1] ?? 0) + (inside[at + 1] ?? 0) + (inside[at - wide] ?? 0) + (inside[at + wide] ?? 0);
      if (own === 1 && sum < 4) words[row * width + column] = LIGHT;
      else if (own === 0 && sum > 0) words[row * width + column] = DARK;
    }
  }
  return pixels;
}
