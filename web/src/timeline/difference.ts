// How much two pictures differ. Pure: bytes in, bytes and numbers out.

export interface Difference {
  /** The difference as a picture, amplified. */
  pixels: Uint8ClampedArray<ArrayBuffer>;
  /** The share of pixels that differ visibly, from 0 to 1. */
  share: number;
  /** The mean difference of a colour, from 0 to 255. */
  mean: number;
  most: number;
}

/** Differences below this are rounding, which nobody sees. */
const VISIBLE = 8;

/** The difference of two pictures of one size, RGBA. */
export function differenceOf(left: Uint8ClampedArray, right: Uint8ClampedArray, gain: number): Difference {
  const pixels = new Uint8ClampedArray(left.length);
  let sum = 0;
  let visible = 0;
  let most = 0;
  for (let at = 0; at < left.length; at += 4) {
    let largest = 0;
    for (let colour = at; colour < at + 3; colour++) {
      const one = Math.abs((left[colour] ?? 0) - (right[colour] ?? 0));
      sum += one;
      largest = Math.max(largest, one);
      pixels[colour] = one * gain;
    }
    pixels[at + 3] = 255;
    if (largest >= VISIBLE) visible++;
    most = Math.max(most, largest);
  }
  const count = left.length / 4;
  return { pixels, share: count ? visible / count : 0, mean: count ? sum / count / 3 : 0, most };
}

/** The same as a sentence. */
export function inWords({ share, mean, most }: Pick<Difference, "share" | "mean" | "most">): string {
  if (most === 0) return "They are the same, to the last bit.";
  if (share === 0) return "Nobody could tell them apart: they differ by rounding alone.";
  const part = share < 0.01 ? "less than 1 %" : `${Math.round(100 * share)} %`;
  return `They differ in ${part} of the picture, on average by ${mean < 1 ? "less than 1" : Math.round(mean)} of 255.`;
}
