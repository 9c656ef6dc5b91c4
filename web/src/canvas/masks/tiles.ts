// What a stroke has changed, tile by tile, so that it can be taken back exactly. Pure.

import { clipped, type Mask, type Rect, united } from "./mask";

export const TILE = 64;

/** A tile's bytes before, combined by exclusive or with those after: the same bytes lead back and forth. */
export interface TileDiff {
  index: number;
  bytes: Uint8Array;
}

/** What a change came to: where, and whether values rose or fell there. */
export interface Change {
  rect: Rect;
  rises: boolean;
  falls: boolean;
}

const tilesAcross = (mask: Mask) => Math.ceil(mask.width / TILE);

function rectOf(mask: Mask, index: number): Rect {
  const across = tilesAcross(mask);
  const left = (index % across) * TILE;
  const top = Math.floor(index / across) * TILE;
  return {
    left,
    top,
    right: Math.min(mask.width, left + TILE),
    bottom: Math.min(mask.height, top + TILE),
  };
}

function read(mask: Mask, { left, top, right, bottom }: Rect): Uint8Array {
  const bytes = new Uint8Array(TILE * TILE);
  for (let y = top; y < bottom; y++) {
    const start = y * mask.width;
    bytes.set(mask.values.subarray(start + left, start + right), (y - top) * TILE);
  }
  return bytes;
}

function write(mask: Mask, { left, top, right, bottom }: Rect, bytes: Uint8Array): void {
  for (let y = top; y < bottom; y++) {
    const row = (y - top) * TILE;
    mask.values.set(bytes.subarray(row, row + right - left), y * mask.width + left);
  }
}

/** The tiles of a mask as they were before a stroke came there. */
export class Before {
  private readonly kept = new Map<number, Uint8Array>();

  constructor(readonly mask: Mask) {}

  /** Keep what is about to be changed. */
  keep(rect: Rect): void {
    const inside = clipped(rect, this.mask);
    if (!inside) return;
    const across = tilesAcross(this.mask);
    for (let row = Math.floor(inside.top / TILE); row * TILE < inside.bottom; row++) {
      for (let column = Math.floor(inside.left / TILE); column * TILE < inside.right; column++) {
        const index = row * across + column;
        if (!this.kept.has(index)) this.kept.set(index, read(this.mask, rectOf(this.mask, index)));
      }
    }
  }

  /** The tiles that have changed. */
  diffs(): TileDiff[] {
    const found: TileDiff[] = [];
    for (const [index, bytes] of this.kept) {
      const now = read(this.mask, rectOf(this.mask, index));
      let differs = 0;
      for (let at = 0; at < now.length; at++) {
        const diff = (bytes[at] ?? 0) ^ (now[at] ?? 0);
        now[at] = diff;
        differs |= diff;
      }
      if (differs) found.push({ index, bytes: now });
    }
    return found;
  }

  /** Have everything as it was. */
  restore(): Rect | null {
    let rect: Rect | null = null;
    for (const [index, bytes] of this.kept) {
      const tile = rectOf(this.mask, index);
      write(this.mask, tile, bytes);
      rect = united(rect, tile);
    }
    return rect;
  }
}

/** What a stroke came to that has just ended. */
export function changeOf(mask: Mask, diffs: readonly TileDiff[]): Change | null {
  let rect: Rect | null = null;
  let rises = false;
  let falls = false;
  for (const { index, bytes } of diffs) {
    const tile = rectOf(mask, index);
    const now = read(mask, tile);
    for (let at = 0; at < now.length; at++) {
      const after = now[at] ?? 0;
      const before = after ^ (bytes[at] ?? 0);
      rises ||= after > before;
      falls ||= after < before;
    }
    rect = united(rect, tile);
  }
  return rect && { rect, rises, falls };
}

/** Go from before to after, or back; null = there was nothing to do. */
export function apply(mask: Mask, diffs: readonly TileDiff[]): Change | null {
  for (const { index, bytes } of diffs) {
    const tile = rectOf(mask, index);
    const now = read(mask, tile);
    for (let at = 0; at < now.length; at++) now[at] = (now[at] ?? 0) ^ (bytes[at] ?? 0);
    write(mask, tile, now);
  }
  return changeOf(mask, diffs);
}
