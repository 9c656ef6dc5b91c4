// Pointers on the stage: which of them paints, which moves the view, and which is the ball of a hand.

import type { Touch } from "./masks/path";
import { useSlots } from "./slots";
import { MAP, useCanvas } from "./state";
import { targetLayer } from "./target";
import { BoxTool } from "./tools/box";
import { BrushTool } from "./tools/brush";
import { FillTool, LassoTool, RectangleTool } from "./tools/shapes";
import type { Shape, Tool } from "./tools/tool";
import { panBy, setView, useView, zoomBy } from "./view";
import { pinched, toPicture } from "./viewport";

const TOOLS: Record<string, Tool> = {
  brush: new BrushTool(),
  rectangle: new RectangleTool(),
  lasso: new LassoTool(),
  fill: new FillTool(),
  box: new BoxTool(),
};

/** A second finger within this time, or before the first has gone this far, means a pinch and no stroke. */
const SECOND_FINGER = 200;
const STILL = 10;
const PALM = 700;

interface Held {
  tool: Tool;
  pointer: number;
  at: number;
  moved: number;
  x: number;
  y: number;
}

/** What the renderer and the stage want to hear. */
interface Outlet {
  /** A tool has something to paint. */
  wake(): void;
  /** Where the pointer is over the stage, in CSS pixels; null = nowhere. */
  hover(place: { x: number; y: number } | null, pressure: number): void;
  shape(shape: Shape): void;
}

export class Pointers {
  private held: Held | null = null;
  private queue: Touch[] = [];
  /** A finger that has come down and may still become one of two. */
  private coming: PointerEvent | null = null;
  private panning: { pointer: number; x: number; y: number } | null = null;
  private readonly fingers = new Map<number, { x: number; y: number }>();
  private isPinching = false;
  private penSeen = -PALM;
  private isSpace = false;
  private readonly listening = new AbortController();

  constructor(
    private readonly stage: HTMLElement,
    private readonly outlet: Outlet,
  ) {
    const { signal } = this.listening;
    stage.addEventListener("pointerdown", (event) => this.down(event), { signal });
    stage.addEventListener("pointermove", (event) => this.move(event), { signal });
    stage.addEventListener("pointerup", (event) => this.up(event, false), { signal });
    stage.addEventListener("pointercancel", (event) => this.up(event, true), { signal });
    stage.addEventListener("pointerleave", () => this.outlet.hover(null, 1), { signal });
    stage.addEventListener("contextmenu", (event) => event.preventDefault(), { signal });
    stage.addEventListener("wheel", (event) => this.wheel(event), { signal, passive: false });
    window.addEventListener("keydown", (event) => this.space(event, true), { signal });
    window.addEventListener("keyup", (event) => this.space(event, false), { signal });
    window.addEventListener("blur", () => this.setSpace(false), { signal });
  }

  stop(): void {
    this.listening.abort();
    this.cancel();
  }

  /** Paint what has come since the last frame. */
  advance(): void {
    const { held, queue } = this;
    if (!held || queue.length === 0) return;
    this.queue = [];
    held.tool.move(queue);
    this.outlet.shape(held.tool.shape);
  }

  /** Let go as if nothing had been begun. Whether there was something. */
  cancel(): boolean {
    this.coming = null;
    if (!this.held) return false;
    this.held.tool.cancel();
    this.held = null;
    this.queue = [];
    this.outlet.shape(null);
    return true;
  }

  private place(event: MouseEvent): { x: number; y: number } {
    const box = this.stage.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  private touchOf(event: PointerEvent): Touch {
    const place = toPicture(useView.getState().view, this.place(event));
    return { ...place, pressure: event.pointerType === "pen" ? event.pressure : 1 };
  }

  private down(event: PointerEvent): void {
    // what lies over the picture hears its own pointers
    if (event.target instanceof Element && event.target.closest("[data-over-picture]")) return;
    if (event.pointerType === "pen") {
      this.penSeen = event.timeStamp;
      this.coming = null; // it was the ball of the hand
    }
    if (this.isPalm(event)) return;
    if (event.pointerType === "touch" && this.finger(event)) return;
    this.stage.setPointerCapture(event.pointerId);
    this.stage.focus({ preventScroll: true });
    const { tool } = useCanvas.getState();
    if (event.button === 1 || this.isSpace || (tool === "hand" && event.button === 0)) {
      event.preventDefault();
      this.panning = { pointer: event.pointerId, ...this.place(event) };
      this.stage.dataset.pans = "yes";
      return;
    }
    if (this.held || (event.button !== 0 && event.button !== 2 && event.button !== 5)) return;
    if (event.pointerType === "touch") this.coming = event;
    else this.begin(event);
  }

  private begin(event: PointerEvent): void {
    const { tool: name, erases, brush } = useCanvas.getState();
    const tool = TOOLS[name];
    // a box is no paint
    const layer = !tool ? null : name === "box" ? "" : targetLayer();
    if (!tool || layer === null) return;
    // a pen's other end, and the right button, take away
    const other = event.button === 2 || event.button === 5 || event.altKey;
    const { x, y } = this.place(event);
    this.held = { tool, pointer: event.pointerId, at: event.timeStamp, moved: 0, x, y };
    const label = layer === MAP ? useSlots.getState().chosen : null;
    tool.down(this.touchOf(event), { layer, erase: erases !== other, straight: event.shiftKey, brush, label });
    this.outlet.wake();
  }

  private move(event: PointerEvent): void {
    if (event.pointerType === "pen") this.penSeen = event.timeStamp;
    if (this.isPalm(event)) return;
    const place = this.place(event);
    if (event.pointerType !== "touch")
      this.outlet.hover(place, event.pointerType === "pen" && event.buttons ? event.pressure : 1);
    if (this.fingers.has(event.pointerId) && this.pinch(event)) return;
    const { panning } = this;
    if (panning?.pointer === event.pointerId) {
      panBy(place.x - panning.x, place.y - panning.y);
      this.panning = { ...panning, ...place };
      return;
    }
    if (this.coming?.pointerId === event.pointerId && this.isStroke(this.coming, event)) this.arrive();
    const { held } = this;
    if (held?.pointer !== event.pointerId) return;
    held.moved = Math.max(held.moved, Math.hypot(place.x - held.x, place.y - held.y));
    const all = event.getCoalescedEvents?.() ?? [];
    for (const one of all.length > 0 ? all : [event]) this.queue.push(this.touchOf(one));
    this.outlet.wake();
  }

  private up(event: PointerEvent, cancelled: boolean): void {
    this.fingers.delete(event.pointerId);
    if (this.fingers.size === 0) this.isPinching = false;
    if (this.panning?.pointer === event.pointerId) {
      this.panning = null;
      delete this.stage.dataset.pans;
    }
    if (this.coming?.pointerId === event.pointerId && !cancelled) this.arrive();
    if (this.held?.pointer !== event.pointerId) {
      this.coming = null;
      return;
    }
    if (cancelled) {
      this.cancel();
      return;
    }
    this.advance();
    this.held.tool.up();
    this.held = null;
    this.outlet.shape(null);
    this.outlet.wake();
  }

  /** Whether a finger means to paint: it has gone somewhere, or has been alone for long enough. */
  private isStroke(coming: PointerEvent, event: PointerEvent): boolean {
    const isAlone = event.timeStamp - coming.timeStamp >= SECOND_FINGER;
    return isAlone || Math.hypot(event.clientX - coming.clientX, event.clientY - coming.clientY) >= STILL;
  }

  /** Begin with a finger where it came down. */
  private arrive(): void {
    const { coming } = this;
    this.coming = null;
    if (coming) this.begin(coming);
  }

  /** A finger comes down. Whether it belongs to a pinch. */
  private finger(event: PointerEvent): boolean {
    this.fingers.set(event.pointerId, this.place(event));
    if (this.fingers.size < 2) return this.isPinching;
    const { held } = this;
    const isEarly = !held || event.timeStamp - held.at < SECOND_FINGER || held.moved < STILL;
    if (isEarly) {
      this.cancel();
      this.panning = null;
      this.isPinching = true;
    }
    return true;
  }

  private pinch(event: PointerEvent): boolean {
    const before = [...this.fingers.values()];
    this.fingers.set(event.pointerId, this.place(event));
    if (!this.isPinching) return false;
    const after = [...this.fingers.values()];
    const [a, b] = before;
    const [c, d] = after;
    if (a && b && c && d) setView(pinched(useView.getState().view, [a, b], [c, d]));
    return true;
  }

  private isPalm(event: PointerEvent): boolean {
    return event.pointerType === "touch" && event.timeStamp - this.penSeen < PALM;
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    if (event.shiftKey) {
      panBy(-(event.deltaX || event.deltaY), 0);
      return;
    }
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    // a pinch on a touchpad comes as small turns with Ctrl
    const speed = event.ctrlKey ? 0.01 : 0.0015;
    zoomBy(Math.exp(-event.deltaY * lines * speed), this.place(event));
  }

  private space(event: KeyboardEvent, isDown: boolean): void {
    if (event.code !== "Space") return;
    const target = event.target instanceof Element ? event.target : null;
    if (isDown && target?.closest("input, textarea, select, button, a, [role=tab], [contenteditable=true]")) return;
    if (isDown) event.preventDefault();
    this.setSpace(isDown);
  }

  private setSpace(isDown: boolean): void {
    this.isSpace = isDown;
    if (isDown) this.stage.dataset.space = "yes";
    else delete this.stage.dataset.space;
  }
}
