// Changes of masks by the person: each can be taken back, and goes to the session.

import { useSession } from "../session/store";
import { changed, history, maskOf, revised, setPainted } from "./layers";
import { hasCommandSince } from "./masks/foreign";
import { type Mask, type Rect, wholeOf } from "./masks/mask";
import { Before, type Change, changeOf } from "./masks/tiles";
import { isRegion } from "./state";
import { sender, strokeEnded } from "./sync";

/** Tells one change from the next, and from those of other pages. */
let lastNumber = Math.floor(Math.random() * 2 ** 40);

/** One change from its beginning to its end. */
export class Edit {
  private readonly before: Before;
  private readonly number = ++lastNumber;

  constructor(readonly layer: string) {
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
    if (this.isGone) return;
    this.before.keep(rect);
    const touched = work(this.mask);
    if (!touched) return;
    changed(this.layer, touched);
    tell(this.layer, { rect: touched, rises: !erase, falls: erase }, this.number);
  }

  end(): void {
    setPainted(null);
    if (this.isGone) return;
    history.push(this.layer, this.before.diffs());
    finished(this.layer);
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
  history.push(layer, diffs);
  changed(layer, change.rect);
  tell(layer, change, ++lastNumber);
  finished(layer);
}

/** Where the session's log stood when the last stroke was made. */
let strokeAt = 0;

/** Whether strokes are what Ctrl-Z takes back now; else it is the session's last change. */
export function strokesComeFirst(): boolean {
  return history.length > 0 && !hasCommandSince(useSession.getState().events, strokeAt);
}

/** What was done up to here belongs to the last stroke: the region that it needed. */
export function noteStroke(): void {
  strokeAt = useSession.getState().view?.place.seq ?? 0;
}

export function undoStroke(): boolean {
  return shifted(history.undo(maskOf));
}

export function redoStroke(): boolean {
  return shifted(history.redo(maskOf));
}

function shifted(undone: ({ layer: string } & Change) | null): boolean {
  if (!undone) return false;
  changed(undone.layer, undone.rect);
  tell(undone.layer, undone, ++lastNumber);
  finished(undone.layer);
  return true;
}

function tell(layer: string, change: Change, stroke: number): void {
  if (isRegion(layer)) sender.changed(layer, change, stroke);
}

function finished(layer: string): void {
  noteStroke();
  revised(layer);
  strokeEnded(layer);
  whenIdle(compact);
}

/** Deflate what can be taken back while nothing else is to be done. */
function compact(): void {
  if (history.compact()) whenIdle(compact);
}

function whenIdle(work: () => void): void {
  if (typeof requestIdleCallback === "function") requestIdleCallback(work);
  else setTimeout(work, 50);
}
