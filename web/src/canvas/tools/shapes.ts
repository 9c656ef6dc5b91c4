import { wholeOf } from "../masks/mask";
import { boundsOf, fillPolygon, fillRect, flood } from "../masks/paint";
import type { Touch } from "../masks/path";
import { Edit } from "../strokes";
import { type Grip, inkOf, type Shape, type Tool } from "./tool";

/** Two corners. */
export class RectangleTool implements Tool {
  shape: Shape = null;
  private grip: Grip | null = null;
  private from: Touch | null = null;

  down(touch: Touch, grip: Grip): void {
    this.grip = grip;
    this.from = touch;
  }

  move(touches: readonly Touch[]): void {
    const to = touches.at(-1);
    if (this.from && to) this.shape = { kind: "rectangle", points: [this.from, to] };
  }

  up(): void {
    if (this.shape && this.grip) {
      const rect = boundsOf(this.shape.points);
      const ink = inkOf(this.grip);
      const edit = new Edit(this.grip.layer);
      edit.paint(grown(rect), ink.erase, (mask) => fillRect(mask, rect, ink));
      edit.end();
    }
    this.cancel();
  }

  cancel(): void {
    this.shape = this.from = null;
  }
}

/** What a closed line goes around. */
export class LassoTool implements Tool {
  shape: Shape = null;
  private grip: Grip | null = null;
  private points: Touch[] = [];

  down(touch: Touch, grip: Grip): void {
    this.grip = grip;
    this.points = [touch];
  }

  move(touches: readonly Touch[]): void {
    this.points.push(...touches);
    this.shape = { kind: "lasso", points: this.points };
  }

  up(): void {
    if (this.grip && this.points.length > 2) {
      const ink = inkOf(this.grip);
      const edit = new Edit(this.grip.layer);
      edit.paint(boundsOf(this.points), ink.erase, (mask) => fillPolygon(mask, this.points, ink));
      edit.end();
    }
    this.cancel();
  }

  cancel(): void {
    this.shape = null;
    this.points = [];
  }
}

/** The connected part under the pointer. */
export class FillTool implements Tool {
  readonly shape = null;

  down(touch: Touch, grip: Grip): void {
    const edit = new Edit(grip.layer);
    edit.paint(wholeOf(edit.mask), grip.erase, (mask) => flood(mask, touch, inkOf(grip)));
    edit.end();
  }

  move(): void {}
  up(): void {}
  cancel(): void {}
}

function grown({ left, top, right, bottom }: ReturnType<typeof boundsOf>) {
  return { left: left - 1, top: top - 1, right: right + 1, bottom: bottom + 1 };
}
