// A picture of flat colours as masks, one for each colour. Pure.

import type { Mask } from "../canvas/masks/mask";

interface Pixels {
  width: number;
  height: number;
  data: Uint8ClampedArray;
}

/** Colours nearer than this are one, so that a JPEG's or an edge's mixtures are none of their own. */
const NEAR = 48;
const LEAST_SHARE = 0.002;
const WHITE = 0xffffff;

/** The masks of the most frequent colours, at most `most`. What is white or transparent belongs to none. */
export function masksOfColours({ width, height, data }: Pixels, most = 16): Mask[] {
  const counts = new Map<number, number>();
  const colours = new Int32Array(width * height);
  for (let index = 0; index < colours.length; index++) {
    const at = 4 * index;
    const opaque = (data[at + 3] ?? 0) >= 128;
    const colour = opaque ? ((data[at] ?? 0) << 16) | ((data[at + 1] ?? 0) << 8) | (data[at + 2] ?? 0) : WHITE;
    colours[index] = colour;
    counts.set(colour, (counts.get(colour) ?? 0) + 1);
  }
  const chosen: number[] = [WHITE];
  for (const [colour, count] of [...counts].sort((a, b) => b[1] - a[1])) {
    if (chosen.length > most || count < LEAST_SHARE * colours.length) break;
    if (chosen.every((other) => distance(colour, other) > NEAR)) chosen.push(colour);
  }
  const nearest = new Map<number, number>();
  for (const colour of counts.keys()) {
    const distances = chosen.map((other) => distance(colour, other));
    nearest.set(colour, distances.indexOf(Math.min(...distances)));
  }
  const masks = chosen.slice(1).map(() => ({ width, height, values: new Uint8Array(width * height) }));
  for (let index = 0; index < colours.length; index++) {
    const place = nearest.get(colours[index] ?? WHITE) ?? 0;
    const mask = masks[place - 1];
    if (mask) mask.values[index] = 255;
  }
  return masks;
}

function distance(one: number, other: number): number {
  const red = (one >> 16) - (other >> 16);
  const green = ((one >> 8) & 255) - ((other >> 8) & 255);
  const blue = (one & 255) - (other & 255);
  return Math.hypot(red, green, blue);
}
