import { type ReactNode, useEffect, useRef, useState } from "react";
import { BoxesLayer } from "../inputs/BoxesLayer";
import { followGiven } from "../inputs/given";
import { followShown } from "../inputs/shown";
import { useSession } from "../session/store";
import { bindStageKeys } from "./keys";
import { strokesMade } from "./layers";
import { followPicture, usePicture } from "./picture";
import { Pointers } from "./pointers";
import { Renderer } from "./renderer";
import classes from "./Stage.module.css";
import { StageStatus } from "./StageStatus";
import { useCanvas } from "./state";
import { followMasks, sender } from "./sync";
import { ToolBar } from "./ToolBar";
import type { Shape } from "./tools/tool";
import { ViewBar } from "./ViewBar";
import { followSize, sized, useView } from "./view";

/** The picture as it emerges, with what is painted over it. */
export function Stage({ empty }: { empty: ReactNode }) {
  const isEmpty = useSession((state) => state.id === null);
  useEffect(() => {
    const stops = [followSize(), followMasks(), followShown(), followGiven(), followPicture(), bindStageKeys()];
    return () => {
      for (const stop of stops) stop();
    };
  }, []);
  return (
    <div className={classes.place} data-empty={isEmpty || undefined}>
      {isEmpty ? empty : <Surface />}
      <ToolBar />
    </div>
  );
}

/** The canvases and the pointer over them. Drawn from outside of React: a stroke renders nothing here. */
function Surface() {
  const stage = useRef<HTMLDivElement>(null);
  const picture = useRef<HTMLCanvasElement>(null);
  const others = useRef<HTMLCanvasElement>(null);
  const active = useRef<HTMLCanvasElement>(null);
  const outline = useRef<HTMLCanvasElement>(null);
  const cursor = useRef<HTMLDivElement>(null);
  const [shape, setShape] = useState<Shape>(null);

  useEffect(() => {
    const host = stage.current;
    if (!host || !picture.current || !others.current || !active.current || !outline.current) return;
    const canvases = {
      picture: picture.current,
      others: others.current,
      active: active.current,
      outline: outline.current,
    };
    const pointers = new Pointers(host, {
      wake: () => renderer.wake(),
      hover: (place, pressure) => moveCursor(cursor.current, place, pressure),
      shape: (next) => setShape(next && { ...next }),
    });
    const renderer = new Renderer(canvases, () => pointers.advance());
    const resized = new ResizeObserver(() => sized(host.clientWidth, host.clientHeight));
    resized.observe(host);
    sized(host.clientWidth, host.clientHeight);
    const leave = (event: KeyboardEvent) => {
      if (event.key === "Escape" && pointers.cancel()) event.stopPropagation();
    };
    window.addEventListener("keydown", leave, true);
    const stop = describe(host);
    return () => {
      window.removeEventListener("keydown", leave, true);
      resized.disconnect();
      pointers.stop();
      renderer.stop();
      stop();
    };
  }, []);

  const tool = useCanvas((state) => state.tool);
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it is painted on, and keys move it */}
      <div ref={stage} className={classes.stage} data-tool={tool} tabIndex={0} role="application" aria-label="Picture">
        <canvas ref={picture} />
        <canvas ref={others} />
        <canvas ref={active} />
        <canvas ref={outline} />
        <BoxesLayer />
        {shape && <Outline shape={shape} />}
        <div ref={cursor} className={classes.cursor} hidden />
      </div>
      <StageStatus />
      <ViewBar />
    </>
  );
}

/** The rectangle or the line that is being drawn. */
function Outline({ shape }: { shape: NonNullable<Shape> }) {
  const view = useView((state) => state.view);
  const points = shape.points.map(({ x, y }) => [x * view.zoom + view.x, y * view.zoom + view.y] as const);
  const [[x1, y1] = [0, 0], [x2, y2] = [0, 0]] = points;
  return (
    <svg className={classes.shape} aria-hidden="true">
      {shape.kind === "rectangle" ? (
        <rect x={Math.min(x1, x2)} y={Math.min(y1, y2)} width={Math.abs(x2 - x1)} height={Math.abs(y2 - y1)} />
      ) : (
        <polygon points={points.map((point) => point.join(",")).join(" ")} />
      )}
    </svg>
  );
}

/** Show where the brush would touch, and how large. */
function moveCursor(cursor: HTMLDivElement | null, place: { x: number; y: number } | null, pressure: number): void {
  if (!cursor) return;
  const { tool, brush } = useCanvas.getState();
  cursor.hidden = place === null || tool !== "brush";
  if (!place || cursor.hidden) return;
  const size = Math.max(4, brush.size * (brush.pressure ? pressure : 1) * useView.getState().view.zoom);
  cursor.style.width = cursor.style.height = `${size}px`;
  cursor.style.transform = `translate(${place.x - size / 2}px, ${place.y - size / 2}px)`;
}

/** Say on the stage's element what it shows, for whoever reads the page by a program. */
function describe(host: HTMLElement): () => void {
  const write = () => {
    const { node, step, rev, exact } = usePicture.getState();
    const { view } = useView.getState();
    const { zoom, x, y } = view;
    const said = { node, step, rev, exact, zoom: Number(zoom.toFixed(4)), left: x, top: y, strokes: strokesMade() };
    for (const [name, value] of Object.entries(said)) host.dataset[name] = value === null ? "" : String(value);
    host.dataset.unsent = String(sender.underWay);
  };
  write();
  const stops = [usePicture.subscribe(write), useView.subscribe(write), useSession.subscribe(write)];
  const timer = setInterval(write, 200);
  return () => {
    clearInterval(timer);
    for (const stop of stops) stop();
  };
}
