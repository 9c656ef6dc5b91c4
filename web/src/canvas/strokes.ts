// Changes of masks by the person. Those of the session's masks go there, and its undo takes them back; the page keeps only its own.

import { useSession } from "../session/store";
import { changed, countStroke, history, isEmpty, maskOf, revised, sessionStrokes, setPainted } from "./layers";
import { clipped, type Mask, type Rect, rowsOf, wholeOf } from "./masks/mask";
import type { RegionStroke } from "./masks/order";
import { Before, type Change, changeOf, type TileDiff } from "./masks/tiles";
import { isOfPage, isRegion } from "./state";
import { sender, strokeEnded } from "./sync";
import { wantWords } from "./wanting";

/** Tells one change from the next, and from those of other pages. */
let lastNumber = Math.floor(Math.random() * 2 ** 40);

/** One change from its beginning to its end. */
export class Edit {
  private readonly before: Before;
  private readonly number = ++lastNumber;
  private readonly isFirst: boolean;

  constructor(readonly layer: string) {
    this.isFirst = isEmpty(layer);
    this.before = new Before(maskOf(layer));
    setPainted(layer);
  }

  get mask(): Mask {
    return this.before.mask;
  }

  /** Whether another picture has come under it: what is painted then belongs to none. */
  private get isGone(): boolean {
    return this.mask !== maskOf(this.layer);
  }

  /** Have something change a part. `erase` says which way values go; they go that way only. */
  paint(rect: Rect, erase: boolean, work: (mask: Mask) => Rect | null): void {
    const part = clipped(rect, this.mask);
    if (this.isGone || !part) return;
    this.before.keep(part);
    const former = rowsOf(this.mask, part);
    const touched = work(this.mask);
    // what changes nothing would be a change of the session all the same, and an undo without effect
    if (!touched || rowsOf(this.mask, part).every((value, index) => value === former[index])) return;
    changed(this.layer, touched);
    tell(this.layer, { rect: touched, rises: !erase, falls: erase }, this.number);
  }

  end(): void {
    setPainted(null);
    if (this.isGone) return;
    const diffs = this.before.diffs();
    if (diffs.length === 0) {
      strokeEnded(this.layer);
      return;
    }
    finished(this.layer, diffs, this.number);
    if (this.isFirst && isRegion(this.layer)) wantWords(this.layer);
  }

  /** As if it had never begun. */
  cancel(): void {
    setPainted(null);
    if (this.isGone) return;
    const rect = this.before.restore();
    if (!rect) return;
    changed(this.layer, rect);
    tell(this.layer, { rect, rises: true, falls: true }, this.number);
  }
}

/** Change a layer as a whole. */
export function rework(layer: string, work: (mask: Mask) => void): void {
  const mask = maskOf(layer);
  const before = new Before(mask);
  before.keep(wholeOf(mask));
  work(mask);
  const diffs = before.diffs();
  const change = changeOf(mask, diffs);
  if (!change) return;
  const number = ++lastNumber;
  changed(layer, change.rect);
  tell(layer, change, number);
  finished(layer, diffs, number);
}

/** Take back the last stroke that only the page has. Whether there was one. */
export function undoStroke(): boolean {
  return shifted(history.undo(maskOf));
}

export function redoStroke(): boolean {
  return shifted(history.redo(maskOf));
}

/** Do here what the session's undo or redo has done to a stroke of this page, which then need not be fetched. Whether it was done. */
export function retrace(kind: "undo" | "redo", { region, number }: RegionStroke): boolean {
  const next = kind === "undo" ? sessionStrokes.lastDone : sessionStrokes.lastUndone;
  if (next?.layer !== region || next.mark !== number) {
    sessionStrokes.forget();
    return false;
  }
  return shifted(sessionStrokes[kind](maskOf));
}

function shifted(undone: ({ layer: string } & Change) | null): boolean {
  if (!undone) return false;
  changed(undone.layer, undone.rect);
  revised(undone.layer);
  return true;
}

function tell(layer: string, change: Change, stroke: number): void {
  if (isRegion(layer)) sender.changed(layer, change, stroke);
}

function finished(layer: string, diffs: readonly TileDiff[], number: number): void {
  countStroke();
  if (isOfPage(layer)) history.push(layer, diffs, useSession.getState().view?.place.seq ?? 0);
  else if (isRegion(layer)) sessionStrokes.push(layer, diffs, number);
  revised(layer);
  strokeEnded(layer);
  whenIdle(compact);
}

/** Deflate what can be taken back while nothing else is to be done. */
function compact(): void {
  if (history.compact() || sessionStrokes.compact()) whenIdle(compact);
}

function whenIdle(work: () => void): void {
  if (typeof requestIdleCallback === "function") requestIdleCallback(work);
  else setTimeout(work, 50);
}
