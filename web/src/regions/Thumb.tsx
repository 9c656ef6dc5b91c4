import { useEffect, useRef } from "react";
import { rgbOf } from "../canvas/colours";
import { colourOf, maskOf, useLayers } from "../canvas/layers";
import classes from "./Regions.module.css";

const SIDE = 28;

/** A region's mask, small, in its colour. */
export function Thumb({ id }: { id: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const revision = useLayers((state) => state.revisions.get(id) ?? 0);
  const place = useLayers((state) => state.places.get(id) ?? 0);
  const width = useLayers((state) => state.width);
  // biome-ignore lint/correctness/useExhaustiveDependencies: they say when the mask is another one
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    const mask = maskOf(id);
    if (!context || mask.width === 0) return;
    const pixels = context.createImageData(SIDE, SIDE);
    const [red, green, blue] = rgbOf(colourOf(id));
    for (let row = 0; row < SIDE; row++) {
      for (let column = 0; column < SIDE; column++) {
        const x = Math.floor(((column + 0.5) * mask.width) / SIDE);
        const y = Math.floor(((row + 0.5) * mask.height) / SIDE);
        pixels.data.set([red, green, blue, mask.values[y * mask.width + x] ?? 0], 4 * (row * SIDE + column));
      }
    }
    context.putImageData(pixels, 0, 0);
  }, [id, revision, place, width]);
  return (
    <canvas
      ref={canvas}
      width={SIDE}
      height={SIDE}
      className={classes.thumb}
      style={{ borderColor: colourOf(id) }}
      aria-hidden
    />
  );
}
