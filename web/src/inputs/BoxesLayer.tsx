import { type KeyboardEvent, type PointerEvent, useEffect, useRef } from "react";
import { choose } from "../canvas/choose";
import { useLayers } from "../canvas/layers";
import { classColour } from "../canvas/slots";
import { useCanvas } from "../canvas/state";
import { hearBoxes } from "../canvas/tools/box";
import { useView } from "../canvas/view";
import { bind } from "../parts/keyboard";
import { useToldModel } from "../session/models";
import classes from "./Boxes.module.css";
import { drawn, HANDLES, type Handle, moved, nudged, resized } from "./boxes";
import { holdBoxes, sayBoxes, useBoxes, useBoxesNow } from "./boxesState";
import type { Box } from "./layout";

const KEYS_REST = 300;

/** The boxes of a layout over the picture, to be drawn, moved and resized. */
export function BoxesLayer() {
  const model = useToldModel();
  return model?.reads === "layout" ? <Boxes names={model.classes} /> : null;
}

interface Grip {
  index: number;
  handle: Handle | null;
  x: number;
  y: number;
  from: readonly Box[];
}

function Boxes({ names }: { names: string[] }) {
  const boxes = useBoxesNow();
  const { chosen, label } = useBoxes();
  const { view } = useView();
  const { width, height } = useLayers();
  const isFree = useCanvas(({ tool, overlay }) => overlay && (tool === "hand" || tool === "box"));
  const isShown = useCanvas((state) => state.overlay);
  const grip = useRef<Grip | null>(null);

  useEffect(
    () =>
      hearBoxes((from, to) => {
        const share = ({ x, y }: { x: number; y: number }) => ({ x: x / width, y: y / height });
        const box = drawn(label ?? names[0] ?? "", share(from), share(to));
        if (!box) return;
        sayBoxes([...boxes, box]);
        useBoxes.setState({ chosen: boxes.length });
      }),
    [boxes, label, names, width, height],
  );

  useEffect(() => {
    const free = bind("d", "Draw a box", "Paint", () => void choose("box"));
    return () => {
      free();
      useCanvas.setState(({ tool }) => (tool === "box" ? { tool: "hand" } : {}));
    };
  }, []);

  function down(event: PointerEvent<HTMLElement>, index: number, handle: Handle | null) {
    if (event.button !== 0) return;
    event.stopPropagation();
    event.currentTarget.setPointerCapture(event.pointerId);
    grip.current = { index, handle, x: event.clientX, y: event.clientY, from: boxes };
    useBoxes.setState({ chosen: index });
  }

  function move(event: PointerEvent<HTMLElement>) {
    const held = grip.current;
    const box = held?.from[held.index];
    if (!held || !box) return;
    const by = {
      x: (event.clientX - held.x) / (view.zoom * width),
      y: (event.clientY - held.y) / (view.zoom * height),
    };
    holdBoxes(held.from.with(held.index, held.handle ? resized(box, held.handle, by) : moved(box, by)));
  }

  function up(isCancelled: boolean) {
    const held = grip.current;
    grip.current = null;
    const { wished } = useBoxes.getState();
    if (!held || !wished || wished === held.from) return;
    if (isCancelled) holdBoxes(null);
    else sayBoxes(wished);
  }

  function pressed(event: KeyboardEvent, index: number) {
    const box = boxes[index];
    if (!box || event.ctrlKey || event.metaKey || event.altKey) return;
    const next = nudged(box, event.key, event.shiftKey);
    if (next) sayBoxes(boxes.with(index, next), KEYS_REST);
    else if (event.key === "Delete" || event.key === "Backspace") removeBox(boxes, index);
    else if (event.key === "Escape" && grip.current) up(true);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  if (width === 0 || !isShown) return null;
  return (
    <div className={classes.layer} data-free={isFree || undefined}>
      {boxes.map((box, index) => (
        <div
          // biome-ignore lint/suspicious/noArrayIndexKey: a box is its place in the list
          key={index}
          className={classes.box}
          data-over-picture
          data-chosen={index === chosen || undefined}
          style={{
            left: view.x + box.left * width * view.zoom,
            top: view.y + box.top * height * view.zoom,
            width: (box.right - box.left) * width * view.zoom,
            height: (box.bottom - box.top) * height * view.zoom,
            color: classColour(1 + names.indexOf(box.label)),
          }}
        >
          <button
            type="button"
            className={classes.inside}
            aria-label={`Box ${index + 1} of ${boxes.length}: ${box.label}. Arrows move it, with Shift they resize it, Delete removes it.`}
            onPointerDown={(event) => down(event, index, null)}
            onPointerMove={move}
            onPointerUp={() => up(false)}
            onPointerCancel={() => up(true)}
            onKeyDown={(event) => pressed(event, index)}
            onFocus={() => useBoxes.setState({ chosen: index })}
          >
            <span className={classes.label}>{box.label}</span>
          </button>
          {index === chosen &&
            HANDLES.map((handle) => (
              <span
                key={`${handle.x},${handle.y}`}
                aria-hidden
                className={classes.handle}
                data-x={handle.x}
                data-y={handle.y}
                onPointerDown={(event) => down(event, index, handle)}
                onPointerMove={move}
                onPointerUp={() => up(false)}
                onPointerCancel={() => up(true)}
              />
            ))}
        </div>
      ))}
    </div>
  );
}

/** Take a box away. */
export function removeBox(boxes: readonly Box[], index: number): void {
  useBoxes.setState({ chosen: null });
  sayBoxes(boxes.toSpliced(index, 1));
}
