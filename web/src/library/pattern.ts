// The drawings beside the examples: cells of noise that become a shape from left to right. Pure.

export type IllustrationKind = "draw" | "change" | "regions";
type Tone = "ground" | "noise" | "one" | "other";

export interface Cell {
  x: number;
  y: number;
  tone: Tone;
  /** How opaque it is. */
  shade: number;
}

export const WIDTH = 24;
export const HEIGHT = 14;

/** Every cell of a drawing; always the same. */
export function pattern(kind: IllustrationKind): Cell[] {
  const chance = generator(kind.length * 7919);
  const cells: Cell[] = [];
  for (let y = 0; y < HEIGHT; y++)
    for (let x = 0; x < WIDTH; x++) {
      const noise = noisiness(kind, x);
      const isNoise = chance() < noise;
      cells.push({ x, y, tone: isNoise ? "noise" : toneAt(kind, x, y), shade: isNoise ? 0.15 + 0.75 * chance() : 1 });
    }
  return cells;
}

/** How likely a cell is still noise. */
function noisiness(kind: IllustrationKind, x: number): number {
  const done = x / (WIDTH - 1);
  if (kind === "regions") return 0;
  return Math.max(0, 1 - 1.5 * done) ** 1.4;
}

function toneAt(kind: IllustrationKind, x: number, y: number): Tone {
  const middle = (HEIGHT - 1) / 2;
  if (kind === "draw") return within(x - 15.5, y - middle, 5) ? "one" : "ground";
  if (kind === "change") {
    if (within(x - 8.5, y - middle, 3.6)) return "one";
    return Math.abs(x - 18.5) + Math.abs(y - middle) < 5 ? "other" : "ground";
  }
  if (x < WIDTH / 2) return within(x - 5.5, y - middle, 4) ? "one" : "ground";
  return Math.abs(x - 17.5) + Math.abs(y - middle) < 5.5 ? "other" : "ground";
}

function within(dx: number, dy: number, radius: number): boolean {
  return dx * dx + dy * dy < radius * radius;
}

/** Numbers in [0, 1) that look like chance (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
