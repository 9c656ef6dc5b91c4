// The masks of the picture that is looked at: one for each region, and those that are none.

import { create } from "zustand";
import { AREA_COLOUR, CHANGE_COLOUR, colourAt, HOLE_COLOUR, placesOf } from "./colours";
import { History } from "./masks/history";
import { emptyMask, extentOf, fitted, type Mask, type Rect, wholeOf } from "./masks/mask";
import { mapTable, slotColour, useSlots } from "./slots";
import { AREA, CHANGE, HOLE, MAP } from "./state";
import { type Table, tableOf } from "./tint";

interface Layers {
  width: number;
  height: number;
  /** Counts up when a stroke of a layer has ended, or its mask was exchanged: for thumbnails and what depends on them. */
  revisions: ReadonlyMap<string, number>;
  /** Each region's place in the palette. */
  places: ReadonlyMap<string, number>;
}

export const useLayers = create<Layers>(() => ({ width: 0, height: 0, revisions: new Map(), places: new Map() }));

/** Strokes that only the page has, each with the place of the session's log where it was made. */
export const history = new History();
/** Strokes that are the session's, each with its number: what its undo comes to is known here already. */
export const sessionStrokes = new History();

/** How many strokes were made on the picture that is looked at, for tests and the curious. */
let strokes = 0;

export const strokesMade = () => strokes;

export function countStroke(): void {
  strokes++;
}

const masks = new Map<string, Mask>();
type Watcher = (layer: string, rect: Rect) => void;
const watchers = new Set<Watcher>();

/** Hear of every change of a mask, while it is painted too. */
export function watchMasks(watcher: Watcher): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

export function maskOf(layer: string): Mask {
  const known = masks.get(layer);
  if (known) return known;
  const { width, height } = useLayers.getState();
  const mask = emptyMask(width, height);
  masks.set(layer, mask);
  return mask;
}

/** Tell everybody that pixels of a mask have changed. */
export function changed(layer: string, rect: Rect): void {
  for (const watcher of watchers) watcher(layer, rect);
}

/** A stroke has ended, or a mask was exchanged. */
export function revised(layer: string): void {
  useLayers.setState(({ revisions }) => ({
    revisions: new Map(revisions).set(layer, (revisions.get(layer) ?? 0) + 1),
  }));
}

/** Put another mask in a layer's place; what strokes on the former one have changed says nothing any more. */
export function exchange(layer: string, mask: Mask): void {
  const own = maskOf(layer);
  const { values } = fitted(mask, own.width, own.height);
  if (values.every((value, index) => value === own.values[index])) return;
  own.values.set(values);
  history.forget(layer);
  sessionStrokes.forget(layer);
  changed(layer, wholeOf(own));
  revised(layer);
}

/** Another picture is looked at, or its size is another one. */
export function resetLayers(width: number, height: number): void {
  masks.clear();
  history.forget();
  sessionStrokes.forget();
  strokes = 0;
  useLayers.setState({ width, height, revisions: new Map(), places: new Map() });
}

/** These are the regions now. */
export function keepRegions(ids: readonly string[]): void {
  const { places } = useLayers.getState();
  const next = placesOf(ids, places);
  const isSame = next.size === places.size && [...next].every(([id, place]) => places.get(id) === place);
  if (!isSame) useLayers.setState({ places: next });
}

export function forgetMask(layer: string): void {
  masks.delete(layer);
  history.forget(layer);
}

export function isEmpty(layer: string): boolean {
  const mask = masks.get(layer);
  return !mask || extentOf(mask) === null;
}

export function colourOf(layer: string): string {
  if (layer === AREA) return AREA_COLOUR;
  if (layer === CHANGE) return CHANGE_COLOUR;
  if (layer === HOLE) return HOLE_COLOUR;
  if (layer === MAP) return slotColour(useSlots.getState().chosen);
  return colourAt(useLayers.getState().places.get(layer) ?? 0);
}

/** How the values of a layer's mask are seen. */
export function looksOf(layer: string): Table {
  return layer === MAP ? mapTable() : tableOf(colourOf(layer));
}

let painted: string | null = null;

/** The layer that is under a tool at this moment. */
export function paintedNow(): string | null {
  return painted;
}

export function setPainted(layer: string | null): void {
  painted = layer;
}
