import type { KeyboardEvent, PointerEvent } from "react";
import classes from "./Resizer.module.css";

export const HEIGHT = { least: 116, usual: 164, most: 460 };

/** The upper edge of the timeline: drag it to make room for more branches. */
export function Resizer({ height, onChange }: { height: number; onChange(height: number): void }) {
  const set = (next: number) => onChange(Math.round(Math.max(HEIGHT.least, Math.min(HEIGHT.most, next))));

  function moved(event: PointerEvent<HTMLDivElement>) {
    if (!event.currentTarget.hasPointerCapture(event.pointerId)) return;
    const bottom = event.currentTarget.parentElement?.getBoundingClientRect().bottom ?? 0;
    set(bottom - event.clientY);
  }

  function pressed(event: KeyboardEvent) {
    const change = { ArrowUp: 24, ArrowDown: -24 }[event.key];
    if (change === undefined) return;
    event.preventDefault();
    set(height + change);
  }

  return (
    // biome-ignore lint/a11y/useSemanticElements: a separator that moves is no <hr>
    <div
      className={classes.resizer}
      role="separator"
      tabIndex={0}
      aria-label="Height of the timeline"
      aria-orientation="horizontal"
      aria-valuenow={height}
      aria-valuemin={HEIGHT.least}
      aria-valuemax={HEIGHT.most}
      onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
      onPointerMove={moved}
      onDoubleClick={() => set(HEIGHT.usual)}
      onKeyDown={pressed}
    />
  );
}
