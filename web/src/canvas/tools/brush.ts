import { dab, type Tip } from "../masks/paint";
import { type Touch, walk } from "../masks/path";
import { Edit } from "../strokes";
import { type Grip, inkOf, type Tool } from "./tool";

const SPACING = 0.15;
const LEAST_PRESSURE = 0.15;

/** Paints, or erases, along its way. */
export class BrushTool implements Tool {
  readonly shape = null;
  private edit: Edit | null = null;
  private grip: Grip | null = null;
  private last: Touch | null = null;
  private left = 0;
  private ended: { layer: string; touch: Touch } | null = null;

  down(touch: Touch, grip: Grip): void {
    this.edit = new Edit(grip.layer);
    this.grip = grip;
    const from = grip.straight && this.ended?.layer === grip.layer ? this.ended.touch : null;
    this.last = from ?? touch;
    this.left = 0;
    if (from) this.move([touch]);
    else this.touch([touch]);
  }

  move(touches: readonly Touch[]): void {
    for (const touch of touches) {
      if (!this.last || !this.grip) return;
      const way = walk(this.last, touch, (pressure) => Math.max(0.5, this.radius(pressure) * SPACING), this.left);
      this.left = way.left;
      this.last = touch;
      this.touch(way.touches);
    }
  }

  up(): void {
    this.edit?.end();
    if (this.grip && this.last) this.ended = { layer: this.grip.layer, touch: this.last };
    this.edit = null;
  }

  cancel(): void {
    this.edit?.cancel();
    this.edit = null;
  }

  private radius(pressure: number): number {
    const { size = 1, pressure: heeds = false } = this.grip?.brush ?? {};
    return (size / 2) * (heeds ? Math.max(LEAST_PRESSURE, pressure) : 1);
  }

  private touch(touches: readonly Touch[]): void {
    if (!this.grip) return;
    const { brush, erase, label } = this.grip;
    const ink = { ...inkOf(this.grip), flow: label === null ? brush.flow : 1 };
    for (const touch of touches) {
      const tip: Tip = { radius: this.radius(touch.pressure), hardness: label === null ? brush.hardness : 1 };
      const reach = tip.radius + 1;
      const rect = { left: touch.x - reach, top: touch.y - reach, right: touch.x + reach, bottom: touch.y + reach };
      this.edit?.paint(rect, erase, (mask) => dab(mask, touch, tip, ink));
    }
  }
}
