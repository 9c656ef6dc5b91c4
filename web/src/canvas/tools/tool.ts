// What a tool is: a small state machine between a pointer's going down and its coming up.

import type { Ink, Point } from "../masks/paint";
import type { Touch } from "../masks/path";
import type { Brush } from "../state";

/** How a tool is held, from its going down on. */
export interface Grip {
  layer: string;
  erase: boolean;
  /** A straight line from where the last stroke ended. */
  straight: boolean;
  brush: Brush;
  /** What is painted on a map; null = it is a mask. */
  label: number | null;
}

/** What is drawn over the picture while a tool is held, in pixels of the picture. */
export type Shape = { kind: "rectangle" | "lasso"; points: readonly Point[] } | null;

/** Places are in pixels of the picture. `move` gets all that came since the last frame. */
export interface Tool {
  down(touch: Touch, grip: Grip): void;
  move(touches: readonly Touch[]): void;
  up(): void;
  cancel(): void;
  readonly shape: Shape;
}

/** What a tool paints with that fills. */
export function inkOf({ brush, erase, label }: Grip): Ink {
  const level = label === null ? Math.max(1, Math.round(255 * brush.strength)) : 255;
  return { level, flow: 1, erase, label };
}
