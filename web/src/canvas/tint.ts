// A mask as a tinted layer: a canvas at the picture's size in the colours of its values.

import { rgbOf } from "./colours";
import { type Mask, type Rect, united } from "./masks/mask";

/** The colour of each value of a mask, as a pixel of a canvas. */
export type Table = Uint32Array;

const tables = new Map<string, Table>();

/** One colour, the more opaque the higher the value. */
export function tableOf(colour: string): Table {
  const known = tables.get(colour);
  if (known) return known;
  const rgb = wordOf(colour) & 0xffffff;
  const table = Uint32Array.from({ length: 256 }, (_, value) => (value << 24) | rgb);
  tables.set(colour, table);
  return table;
}

/** A colour without any transparency. */
export function wordOf(colour: string): number {
  const [red, green, blue] = rgbOf(colour);
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

export class Tint {
  readonly canvas: HTMLCanvasElement;
  private readonly context: CanvasRenderingContext2D | null;
  private stale: Rect | null;
  private table: Table | null = null;

  constructor(readonly mask: Mask) {
    this.canvas = document.createElement("canvas");
    this.canvas.width = mask.width;
    this.canvas.height = mask.height;
    this.context = this.canvas.getContext("2d");
    this.stale = { left: 0, top: 0, right: mask.width, bottom: mask.height };
  }

  /** A part of the mask has changed. */
  touch(rect: Rect): void {
    this.stale = united(this.stale, rect);
  }

  /** The canvas as the mask is now. */
  fresh(table: Table): HTMLCanvasElement {
    if (table !== this.table) {
      this.table = table;
      this.stale = { left: 0, top: 0, right: this.mask.width, bottom: this.mask.height };
    }
    if (this.stale) this.redraw(this.stale, table);
    this.stale = null;
    return this.canvas;
  }

  private redraw({ left, top, right, bottom }: Rect, table: Table): void {
    const width = right - left;
    const pixels = new ImageData(width, bottom - top);
    const words = new Uint32Array(pixels.data.buffer);
    let at = 0;
    for (let y = top; y < bottom; y++) {
      const row = y * this.mask.width;
      for (let x = left; x < right; x++) words[at++] = table[this.mask.values[row + x] ?? 0] ?? 0;
    }
    this.context?.putImageData(pixels, left, top);
  }
}
