// What strokes have changed, so that they can be taken back and made again, over all layers, as long as it fits into a number of bytes. Pure.

import { deflateSync, inflateSync } from "fflate";
import type { Mask } from "./mask";
import { apply, type Change, TILE, type TileDiff } from "./tiles";

const TILE_BYTES = TILE * TILE;
const PER_CHUNK = 16;

/** Some tiles of a stroke, one after the other. */
interface Chunk {
  indices: number[];
  bytes: Uint8Array;
  isDeflated: boolean;
}

interface Stroke {
  layer: string;
  /** What tells it from others, for whoever has pushed it. */
  mark: number;
  chunks: Chunk[];
}

export interface Undone extends Change {
  layer: string;
}

export class History {
  private readonly done: Stroke[] = [];
  private undone: Stroke[] = [];
  private bytes = 0;

  constructor(private readonly budget = 64 * 2 ** 20) {}

  /** How many strokes can be taken back. */
  get length(): number {
    return this.done.length;
  }

  get canRedo(): boolean {
    return this.undone.length > 0;
  }

  /** The stroke that an undo takes back. */
  get lastDone(): Pick<Stroke, "layer" | "mark"> | undefined {
    return this.done.at(-1);
  }

  /** The stroke that a redo makes again. */
  get lastUndone(): Pick<Stroke, "layer" | "mark"> | undefined {
    return this.undone.at(-1);
  }

  get byteLength(): number {
    return this.bytes;
  }

  /** Remember a stroke that has changed something. Those that were taken back are gone then, and the oldest where there are too many bytes. */
  push(layer: string, diffs: readonly TileDiff[], mark = 0): void {
    if (diffs.length === 0) return;
    for (const stroke of this.undone) this.bytes -= sizeOf(stroke);
    this.undone = [];
    const stroke = { layer, mark, chunks: chunksOf(diffs) };
    this.done.push(stroke);
    this.bytes += sizeOf(stroke);
    while (this.bytes > this.budget && this.compact());
    while (this.bytes > this.budget && this.done.length > 1) this.bytes -= sizeOf(this.done.shift() as Stroke);
  }

  /** Take the last stroke back. */
  undo(maskOf: (layer: string) => Mask | undefined): Undone | null {
    return this.move(this.done, this.undone, maskOf);
  }

  /** Make the last stroke that was taken back once more. */
  redo(maskOf: (layer: string) => Mask | undefined): Undone | null {
    return this.move(this.undone, this.done, maskOf);
  }

  /** Forget the strokes of a layer that has changed otherwise, or of all. */
  forget(layer?: string): void {
    for (const strokes of [this.done, this.undone]) {
      for (let index = strokes.length - 1; index >= 0; index--) {
        const stroke = strokes[index];
        if (!stroke || (layer !== undefined && stroke.layer !== layer)) continue;
        this.bytes -= sizeOf(stroke);
        strokes.splice(index, 1);
      }
    }
  }

  /** Deflate a little of what is not yet; newest first, since older ones are done. Whether there was something to do. */
  compact(): boolean {
    for (let index = this.done.length - 1; index >= 0; index--) {
      const chunk = this.done[index]?.chunks.find((one) => !one.isDeflated);
      if (!chunk) continue;
      const deflated = deflateSync(chunk.bytes, { level: 1 });
      this.bytes += deflated.length - chunk.bytes.length;
      chunk.bytes = deflated;
      chunk.isDeflated = true;
      return true;
    }
    return false;
  }

  private move(from: Stroke[], to: Stroke[], maskOf: (layer: string) => Mask | undefined): Undone | null {
    const stroke = from.pop();
    if (!stroke) return null;
    const mask = maskOf(stroke.layer);
    const change = mask && apply(mask, diffsOf(stroke.chunks));
    if (!change) {
      this.bytes -= sizeOf(stroke);
      return this.move(from, to, maskOf);
    }
    to.push(stroke);
    return { layer: stroke.layer, ...change };
  }
}

function sizeOf({ chunks }: Stroke): number {
  return chunks.reduce((sum, { bytes, indices }) => sum + bytes.length + 8 * indices.length, 0);
}

function chunksOf(diffs: readonly TileDiff[]): Chunk[] {
  const chunks: Chunk[] = [];
  for (let start = 0; start < diffs.length; start += PER_CHUNK) {
    const some = diffs.slice(start, start + PER_CHUNK);
    const bytes = new Uint8Array(some.length * TILE_BYTES);
    for (const [place, diff] of some.entries()) bytes.set(diff.bytes, place * TILE_BYTES);
    chunks.push({ indices: some.map((diff) => diff.index), bytes, isDeflated: false });
  }
  return chunks;
}

function diffsOf(chunks: readonly Chunk[]): TileDiff[] {
  return chunks.flatMap(({ indices, bytes, isDeflated }) => {
    const raw = isDeflated ? inflateSync(bytes) : bytes;
    return indices.map((index, place) => ({
      index,
      bytes: raw.subarray(place * TILE_BYTES, (place + 1) * TILE_BYTES),
    }));
  });
}
