// How the stage is looked at: its size, and where the picture lies on it.

import { create } from "zustand";
import { useLayers } from "./layers";
import type { Point } from "./masks/paint";
import { centred, fitted, type Insets, type Viewport, zoomedAt } from "./viewport";

interface View {
  /** Of the stage, in CSS pixels. */
  width: number;
  height: number;
  /** The screen's own pixels for each of these. */
  scale: number;
  view: Viewport;
  /** Whether the picture is kept as large as fits. */
  isFit: boolean;
}

export const useView = create<View>(() => ({
  width: 0,
  height: 0,
  scale: 1,
  view: { zoom: 1, x: 0, y: 0 },
  isFit: true,
}));

/** What lies over the stage's edges: tools, and the line of text below. */
const EDGES: Insets = { left: 68, top: 20, right: 20, bottom: 56 };
const SHARPEST = 2;

/** The stage has this size now. */
export function sized(width: number, height: number): void {
  useView.setState({ width, height, scale: Math.min(SHARPEST, window.devicePixelRatio || 1) });
  if (useView.getState().isFit) fitView();
}

export function fitView(): void {
  const stage = useView.getState();
  const picture = useLayers.getState();
  if (stage.width === 0 || picture.width === 0) return;
  useView.setState({ view: fitted(stage, picture, EDGES), isFit: true });
}

/** Every pixel of the picture so many of the stage's, in the middle. */
export function zoomTo(zoom: number): void {
  const stage = useView.getState();
  useView.setState({ view: centred(stage, useLayers.getState(), EDGES, zoom), isFit: false });
}

export function zoomBy(factor: number, at?: Point): void {
  const { width, height, view } = useView.getState();
  useView.setState({ view: zoomedAt(view, at ?? { x: width / 2, y: height / 2 }, factor), isFit: false });
}

export function panBy(x: number, y: number): void {
  const { view } = useView.getState();
  useView.setState({ view: { ...view, x: view.x + x, y: view.y + y }, isFit: false });
}

export function setView(view: Viewport): void {
  useView.setState({ view, isFit: false });
}

/** Keep the picture fitted where another size is looked at. */
export function followSize(): () => void {
  return useLayers.subscribe((state, last) => {
    if (state.width !== last.width || state.height !== last.height) fitView();
  });
}
