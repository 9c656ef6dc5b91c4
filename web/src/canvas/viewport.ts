// Where the picture lies on the stage: a place of the picture times `zoom`, plus (x, y), is its place on the stage. Pure.

import type { Point } from "./masks/paint";

export interface Viewport {
  /** CSS pixels for each pixel of the picture. */
  zoom: number;
  x: number;
  y: number;
}

export interface Size {
  width: number;
  height: number;
}

export interface Insets {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

const MOST = 64;
const LEAST = 0.05;

/** As large as fits between the edges, in the middle of them. */
export function fitted(stage: Size, picture: Size, edges: Insets): Viewport {
  const width = Math.max(32, stage.width - edges.left - edges.right);
  const height = Math.max(32, stage.height - edges.top - edges.bottom);
  return centred(stage, picture, edges, Math.min(width / picture.width, height / picture.height));
}

export function centred(stage: Size, picture: Size, edges: Insets, zoom: number): Viewport {
  const width = stage.width - edges.left - edges.right;
  const height = stage.height - edges.top - edges.bottom;
  return {
    zoom,
    x: Math.round(edges.left + (width - picture.width * zoom) / 2),
    y: Math.round(edges.top + (height - picture.height * zoom) / 2),
  };
}

/** Nearer or farther, while what lies under a point stays there. */
export function zoomedAt(view: Viewport, { x, y }: Point, factor: number): Viewport {
  const zoom = Math.min(MOST, Math.max(LEAST, view.zoom * factor));
  const scale = zoom / view.zoom;
  return { zoom, x: x - (x - view.x) * scale, y: y - (y - view.y) * scale };
}

export function toPicture(view: Viewport, { x, y }: Point): Point {
  return { x: (x - view.x) / view.zoom, y: (y - view.y) / view.zoom };
}

/** Moved and zoomed as two fingers have moved from the first pair of places to the second. */
export function pinched(view: Viewport, before: [Point, Point], after: [Point, Point]): Viewport {
  const middle = ([one, other]: [Point, Point]) => ({ x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 });
  const apart = ([one, other]: [Point, Point]) => Math.max(1, Math.hypot(one.x - other.x, one.y - other.y));
  const from = middle(before);
  const to = middle(after);
  const moved = { ...view, x: view.x + to.x - from.x, y: view.y + to.y - from.y };
  return zoomedAt(moved, to, apart(after) / apart(before));
}
