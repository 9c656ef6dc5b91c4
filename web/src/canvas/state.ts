// What the person has chosen about painting and looking; nothing of it reaches the server.

import { create } from "zustand";
import { persist } from "zustand/middleware";

export type ToolName = "hand" | "brush" | "rectangle" | "lasso" | "fill" | "box";

/** The layers that are no regions: the area that is chosen, how much may change where, the map that is drawn by, and the hole to fill. */
export const AREA = "area";
export const CHANGE = "change";
export const MAP = "map";
export const HOLE = "hole";
const OWN: ReadonlySet<string> = new Set([AREA, CHANGE, MAP, HOLE]);

/** Whether a layer is a region's, and so the session's. */
export function isRegion(layer: string): boolean {
  return !OWN.has(layer);
}

/** Whether a layer is nobody's but the page's: what is painted on the others goes to the session. */
export function isOfPage(layer: string): boolean {
  return layer === AREA || layer === CHANGE;
}

export interface Brush {
  /** Diameter in pixels of the picture. */
  size: number;
  /** 0 to 1, as the following. */
  hardness: number;
  flow: number;
  strength: number;
  /** Whether a pen's pressure makes it larger. */
  pressure: boolean;
}

interface CanvasState {
  tool: ToolName;
  /** Whether tools take away instead of adding. */
  erases: boolean;
  brush: Brush;
  /** By how many pixels a mask's edge is softened at a time. */
  softness: number;
  /** Whether the enlarged picture is smooth; else every pixel is a square. */
  smooth: boolean;
  overlay: boolean;
  /** The layer that is painted on: a region's id, or one of those that are none. */
  active: string | null;
  /** The only region that is shown. */
  solo: string | null;
  /** Regions that cannot be painted on. */
  locked: ReadonlySet<string>;
  /** The strength of regions before they were muted. */
  muted: ReadonlyMap<string, number>;
}

const LARGEST = 1024;

export const useCanvas = create<CanvasState>()(
  persist(
    (): CanvasState => ({
      tool: "hand",
      erases: false,
      brush: { size: 32, hardness: 0.8, flow: 1, strength: 1, pressure: true },
      softness: 4,
      smooth: true,
      overlay: true,
      active: null,
      solo: null,
      locked: new Set(),
      muted: new Map(),
    }),
    {
      name: "ildm-canvas",
      version: 1,
      partialize: ({ brush, softness, smooth }) => ({ brush, softness, smooth }),
    },
  ),
);

export function setBrush(change: Partial<Brush>): void {
  useCanvas.setState(({ brush }) => ({ brush: { ...brush, ...change } }));
}

/** A step larger or smaller, by a share of what it is. */
export function resizeBrush(way: 1 | -1): void {
  const { size } = useCanvas.getState().brush;
  const step = Math.max(1, Math.round(size * 0.15));
  setBrush({ size: Math.min(LARGEST, Math.max(1, size + way * step)) });
}

export function hardenBrush(way: 1 | -1): void {
  const { hardness } = useCanvas.getState().brush;
  setBrush({ hardness: Math.min(1, Math.max(0, Math.round((hardness + way * 0.1) * 10) / 10)) });
}

/** Paint on a layer from now on. */
export function activate(layer: string | null): void {
  useCanvas.setState(({ tool, solo }) => ({
    active: layer,
    solo: solo !== null && solo !== layer ? null : solo,
    tool: layer !== null && tool === "hand" ? "brush" : tool,
  }));
}

export function toggleLock(id: string): void {
  useCanvas.setState(({ locked }) => {
    const next = new Set(locked);
    if (!next.delete(id)) next.add(id);
    return { locked: next };
  });
}
