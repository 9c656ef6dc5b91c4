// Dividing the picture into columns and rows. Pure.

import type { Mask } from "../canvas/masks/mask";

/** The cells' masks, row by row; cells share the pixels at their borders out, so that all together cover everything once. */
export function cellsOf(width: number, height: number, columns: number, rows: number): Mask[] {
  const cells: Mask[] = [];
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const values = new Uint8Array(width * height);
      const left = Math.round((column * width) / columns);
      const right = Math.round(((column + 1) * width) / columns);
      const bottom = Math.round(((row + 1) * height) / rows);
      for (let y = Math.round((row * height) / rows); y < bottom; y++)
        values.fill(255, y * width + left, y * width + right);
      cells.push({ width, height, values });
    }
  }
  return cells;
}
