// What is laid over the picture for a while: where a word acts, an area that is pointed at in a list, and what the model is shown.

import { create } from "zustand";
import type { Mask } from "./masks/mask";

interface Overlays {
  /** A word of the prompt, and where it acts. */
  heat: { word: string; mask: Mask } | null;
  /** An area, shown as an outline. */
  pointed: Mask | null;
  /** The picture that the model is shown, as long as it is drawn into or nothing else is to be seen. */
  given: HTMLImageElement | null;
}

export const useOverlays = create<Overlays>(() => ({ heat: null, pointed: null, given: null }));

/** Dark blue over red to yellow, more opaque where there is more. */
export function heatColours({ width, height, values }: Mask): ImageData {
  const pixels = new ImageData(width, height);
  for (let index = 0; index < values.length; index++) {
    const share = (values[index] ?? 0) / 255;
    const at = 4 * index;
    pixels.data[at] = Math.round(255 * Math.min(1, 1.6 * share));
    pixels.data[at + 1] = Math.round(255 * Math.max(0, 1.6 * share - 0.6));
    pixels.data[at + 2] = Math.round(160 * Math.max(0, 1 - 1.6 * share));
    pixels.data[at + 3] = Math.round(60 + 150 * share);
  }
  return pixels;
}
