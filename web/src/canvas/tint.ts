// A mask as a tinted layer: a canvas at the picture's size whose alpha is the mask.

import { rgbOf } from "./colours";
import { type Mask, type Rect, united } from "./masks/mask";

export class Tint {
  readonly canvas: HTMLCanvasElement;
  private readonly context: CanvasRenderingContext2D | null;
  private stale: Rect | null;
  private colour = "";

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
  fresh(colour: string): HTMLCanvasElement {
    if (colour !== this.colour) {
      this.colour = colour;
      this.stale = { left: 0, top: 0, right: this.mask.width, bottom: this.mask.height };
    }
    if (this.stale) this.redraw(this.stale, colour);
    this.stale = null;
    return this.canvas;
  }

  private redraw({ left, top, right, bottom }: Rect, colour: string): void {
    const width = right - left;
    const pixels = new ImageData(width, bottom - top);
    const words = new Uint32Array(pixels.data.buffer);
    const [red, green, blue] = rgbOf(colour);
    const rgb = (blue << 16) | (green << 8) | red;
    let at = 0;
    for (let y = top; y < bottom; y++) {
      const row = y * this.mask.width;
      for (let x = left; x < right; x++) words[at++] = ((this.mask.values[row + x] ?? 0) << 24) | rgb;
    }
    this.context?.putImageData(pixels, left, top);
  }
}
