import type { Touch } from "../masks/path";
import type { Shape, Tool } from "./tool";

type Hearer = (from: Touch, to: Touch) => void;

let hearer: Hearer | null = null;

/** Hear of the boxes that are drawn, in pixels of the picture. What comes back ends it. */
export function hearBoxes(hear: Hearer): () => void {
  hearer = hear;
  return () => {
    if (hearer === hear) hearer = null;
  };
}

/** Draws a box from corner to corner, and paints nothing. */
export class BoxTool implements Tool {
  shape: Shape = null;
  private from: Touch | null = null;
  private to: Touch | null = null;

  down(touch: Touch): void {
    this.from = touch;
  }

  move(touches: readonly Touch[]): void {
    this.to = touches.at(-1) ?? this.to;
    if (this.from && this.to) this.shape = { kind: "rectangle", points: [this.from, this.to] };
  }

  up(): void {
    if (this.from && this.to) hearer?.(this.from, this.to);
    this.cancel();
  }

  cancel(): void {
    this.shape = this.from = this.to = null;
  }
}
