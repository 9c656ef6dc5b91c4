// Draws the stage, in one animation frame for all that has changed. Canvases lie on each other: the picture, all layers but the one
// that is painted on, that one, and its outline; a stroke redraws its own part of the last two alone.

import { useSession } from "../session/store";
import { looksOf, maskOf, useLayers, watchMasks } from "./layers";
import type { Mask, Rect } from "./masks/mask";
import { clipped, united } from "./masks/mask";
import { outlineOf } from "./outline";
import { heatColours, useOverlays } from "./overlays";
import { usePicture } from "./picture";
import { useSlots } from "./slots";
import { isRegion, MAP, useCanvas } from "./state";
import { Tint } from "./tint";
import { useView } from "./view";

const OPACITY = 0.45;
const MAP_OPACITY = 0.7;

export interface Canvases {
  picture: HTMLCanvasElement;
  others: HTMLCanvasElement;
  active: HTMLCanvasElement;
  outline: HTMLCanvasElement;
}

interface Stale {
  picture: boolean;
  others: boolean;
  /** A part of the picture, in its own pixels. */
  active: Rect | "all" | null;
}

export class Renderer {
  private readonly tints = new Map<string, Tint>();
  /** All other layers together, at the picture's size: moving the view does not compose them again. */
  private readonly together = document.createElement("canvas");
  private readonly heat = document.createElement("canvas");
  private isComposed = false;
  private stale: Stale = { picture: true, others: true, active: "all" };
  private request = 0;
  private readonly stops: (() => void)[];

  /** `before` is called at the beginning of each frame that draws: tools paint then. */
  constructor(
    private readonly canvases: Canvases,
    private readonly before: () => void,
  ) {
    this.stops = [
      watchMasks((layer, rect) => this.masked(layer, rect)),
      usePicture.subscribe(() => this.ask({ picture: true })),
      useView.subscribe(() => this.all()),
      useLayers.subscribe((state, last) => {
        if (state.width !== last.width || state.height !== last.height || state.places !== last.places) this.compose();
      }),
      useCanvas.subscribe((state, last) => {
        if (state.smooth !== last.smooth) this.ask({ picture: true });
        if (state.active !== last.active || state.solo !== last.solo || state.overlay !== last.overlay) this.compose();
        if (state.muted !== last.muted) this.compose();
      }),
      useOverlays.subscribe((state, last) => {
        if (state.heat !== last.heat) this.warm(state.heat?.mask ?? null);
        if (state.given !== last.given) this.ask({ picture: true });
        this.ask({ others: true, active: "all" });
      }),
      useSlots.subscribe(() => this.ask({ active: "all" })),
      useSession.subscribe(({ view }, last) => {
        const [regions, former] = [view?.place.settings.regions, last.view?.place.settings.regions];
        if (regions?.map((region) => region.id).join() !== former?.map((region) => region.id).join()) this.compose();
      }),
    ];
    this.all();
  }

  /** Draw a frame soon. */
  wake(): void {
    if (this.request === 0) this.request = requestAnimationFrame(() => this.draw());
  }

  stop(): void {
    cancelAnimationFrame(this.request);
    for (const stop of this.stops) stop();
  }

  private ask(stale: Partial<Stale>): void {
    Object.assign(this.stale, stale);
    this.wake();
  }

  private all(): void {
    this.ask({ picture: true, others: true, active: "all" });
  }

  private compose(): void {
    this.isComposed = false;
    this.ask({ others: true, active: "all" });
  }

  private masked(layer: string, rect: Rect): void {
    this.tints.get(layer)?.touch(rect);
    if (layer !== useCanvas.getState().active) {
      this.isComposed = false;
      this.ask({ others: true });
    } else if (this.stale.active !== "all") this.ask({ active: united(this.stale.active, rect) });
  }

  private draw(): void {
    this.request = 0;
    this.before();
    const { stale } = this;
    this.stale = { picture: false, others: false, active: null };
    this.resize();
    if (stale.picture) this.drawPicture();
    if (stale.others) this.drawOthers();
    if (stale.active) this.drawActive(stale.active);
  }

  private resize(): void {
    const { width, height, scale } = useView.getState();
    for (const canvas of Object.values(this.canvases)) {
      if (canvas.width === Math.round(width * scale) && canvas.height === Math.round(height * scale)) continue;
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
    }
  }

  /** Where the picture lies, in the screen's own pixels. */
  private placement() {
    const { view, scale } = useView.getState();
    return { zoom: view.zoom * scale, x: view.x * scale, y: view.y * scale };
  }

  private drawPicture(): void {
    const { picture: canvas } = this.canvases;
    const context = canvas.getContext("2d");
    const image = useOverlays.getState().given ?? usePicture.getState().image;
    const { width, height } = useLayers.getState();
    if (!context) return;
    const { zoom, x, y } = this.placement();
    context.clearRect(0, 0, canvas.width, canvas.height);
    // a session that could not begin has nothing to be seen
    if (width === 0) return;
    context.fillStyle = "rgba(128, 128, 128, 0.25)";
    context.fillRect(x, y, width * zoom, height * zoom);
    if (!image) return;
    context.imageSmoothingEnabled = useCanvas.getState().smooth || zoom < 1;
    context.imageSmoothingQuality = "medium";
    context.drawImage(image, x, y, width * zoom, height * zoom);
  }

  private drawOthers(): void {
    const { others: canvas } = this.canvases;
    const context = canvas.getContext("2d");
    if (!context) return;
    context.clearRect(0, 0, canvas.width, canvas.height);
    const { width, height } = useLayers.getState();
    const { heat } = useOverlays.getState();
    const { overlay, solo } = useCanvas.getState();
    const { zoom, x, y } = this.placement();
    if (width === 0) return;
    // where a word acts is seen alone: two tints on each other would say nothing
    if (overlay && solo === null && !heat) {
      if (!this.isComposed) this.composeOthers();
      context.globalAlpha = 1;
      context.drawImage(this.together, x, y, width * zoom, height * zoom);
    }
    if (heat) context.drawImage(this.heat, x, y, width * zoom, height * zoom);
  }

  private composeOthers(): void {
    this.isComposed = true;
    const { width, height } = useLayers.getState();
    const { active, muted } = useCanvas.getState();
    this.together.width = width;
    this.together.height = height;
    const context = this.together.getContext("2d");
    if (!context) return;
    const regions = useSession.getState().view?.place.settings.regions ?? [];
    const kept = new Set<string>();
    for (const { id } of regions) {
      kept.add(id);
      if (id === active) continue;
      context.globalAlpha = muted.has(id) ? OPACITY / 3 : OPACITY;
      context.drawImage(this.tintOf(id).fresh(looksOf(id)), 0, 0);
    }
    for (const id of this.tints.keys()) if (isRegion(id) && !kept.has(id) && id !== active) this.tints.delete(id);
  }

  private drawActive(stale: Rect | "all"): void {
    const { active: canvas, outline } = this.canvases;
    const context = canvas.getContext("2d");
    const lines = outline.getContext("2d");
    const { width, height } = useLayers.getState();
    if (!context || !lines || width === 0) return;
    const place = this.placement();
    const { zoom, x, y } = place;
    const part = stale === "all" ? wholeOfCanvas(canvas) : onScreen(stale, place, canvas);
    if (!part) return;
    const { active, overlay } = useCanvas.getState();
    const [left, top, wide, high] = [part.left, part.top, part.right - part.left, part.bottom - part.top];
    context.clearRect(left, top, wide, high);
    lines.clearRect(left, top, wide, high);
    const { pointed, heat } = useOverlays.getState();
    if (pointed) this.drawOutline(lines, pointed, { ...place, zoom: (zoom * width) / pointed.width }, part);
    if (active === null || !overlay || heat) return;
    context.save();
    context.beginPath();
    context.rect(left, top, wide, high);
    context.clip();
    context.globalAlpha = active === MAP ? MAP_OPACITY : OPACITY;
    context.imageSmoothingEnabled = active !== MAP;
    context.drawImage(this.tintOf(active).fresh(looksOf(active)), x, y, width * zoom, height * zoom);
    context.restore();
    // a map has edges everywhere
    if (!pointed && active !== MAP) this.drawOutline(lines, maskOf(active), place, part);
  }

  private drawOutline(
    context: CanvasRenderingContext2D,
    mask: Mask,
    place: { zoom: number; x: number; y: number },
    part: Rect,
  ): void {
    context.putImageData(outlineOf(mask, place, part), part.left, part.top);
  }

  private tintOf(layer: string): Tint {
    const known = this.tints.get(layer);
    const mask = maskOf(layer);
    if (known?.mask === mask) return known;
    const tint = new Tint(mask);
    this.tints.set(layer, tint);
    return tint;
  }

  private warm(mask: Mask | null): void {
    if (!mask) return;
    this.heat.width = mask.width;
    this.heat.height = mask.height;
    this.heat.getContext("2d")?.putImageData(heatColours(mask), 0, 0);
  }
}

function wholeOfCanvas({ width, height }: HTMLCanvasElement): Rect {
  return { left: 0, top: 0, right: width, bottom: height };
}

/** A part of the picture as whole pixels of the screen, with the line around it. */
function onScreen(rect: Rect, place: { zoom: number; x: number; y: number }, canvas: HTMLCanvasElement): Rect | null {
  const { zoom, x, y } = place;
  return clipped(
    {
      left: x + rect.left * zoom - 2,
      top: y + rect.top * zoom - 2,
      right: x + rect.right * zoom + 2,
      bottom: y + rect.bottom * zoom + 2,
    },
    canvas,
  );
}
