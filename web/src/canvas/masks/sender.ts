// Sends what was painted while it is painted: at most ten times a second for each region, as the part that has changed.

import type { Stroke } from "../../connection/client";
import { type Mask, type Rect, rowsOf, united } from "./mask";
import type { Change } from "./tiles";

const PAUSE = 100;

interface Unsent {
  rect: Rect | null;
  stroke: number;
  rises: boolean;
  falls: boolean;
  timer: ReturnType<typeof setTimeout> | null;
  sentAt: number;
  underWay: number;
}

/** What a sender needs of the page. */
interface Outlet {
  maskOf(region: string): Mask;
  deflate(rows: Uint8Array): Promise<Uint8Array>;
  /** Resolves to whether it acts. */
  send(stroke: Stroke): Promise<boolean>;
  /** Nothing of this region is under way any more; `kept` = the server has taken everything. */
  settled(region: string, kept: boolean): void;
  now(): number;
  /** Whether patches reach the server now; else they are kept together until they do. */
  isLive(): boolean;
}

export class Sender {
  private readonly unsent = new Map<string, Unsent>();
  private readonly failed = new Set<string>();
  /** Patches are deflated beside the painting, and leave in order. */
  private turn: Promise<unknown> = Promise.resolve();

  constructor(private readonly outlet: Outlet) {}

  /** Something has changed on the page, by a stroke of that number: what one stroke changes is taken back together. */
  changed(region: string, { rect, rises, falls }: Change, stroke: number): void {
    const state = this.stateOf(region);
    if (state.rect && state.stroke !== stroke) this.send(region, state);
    state.stroke = stroke;
    state.rect = united(state.rect, rect);
    state.rises ||= rises;
    state.falls ||= falls;
    const wait = Math.max(0, state.sentAt + PAUSE - this.outlet.now());
    state.timer ??= setTimeout(() => this.send(region, state), wait);
  }

  /** Whether a region has anything that the server may not have yet. */
  isBusy(region: string): boolean {
    const state = this.unsent.get(region);
    return state !== undefined && (state.rect !== null || state.underWay > 0);
  }

  /** How many patches are on their way. */
  get underWay(): number {
    return [...this.unsent.values()].reduce((sum, state) => sum + state.underWay + (state.rect ? 1 : 0), 0);
  }

  /** A region could not be added, or another session is looked at. */
  forget(region?: string): void {
    for (const [name, { timer }] of this.unsent) {
      if (region !== undefined && name !== region) continue;
      if (timer !== null) clearTimeout(timer);
      this.unsent.delete(name);
      this.failed.delete(name);
    }
  }

  private send(region: string, state: Unsent): void {
    if (!this.outlet.isLive()) {
      if (state.timer !== null) clearTimeout(state.timer);
      state.timer = setTimeout(() => this.send(region, state), PAUSE);
      return;
    }
    const { rect, rises, falls, stroke, timer } = state;
    if (timer !== null) clearTimeout(timer);
    Object.assign(state, { timer: null, rect: null, rises: false, falls: false, sentAt: this.outlet.now() });
    if (!rect) return;
    const rows = rowsOf(this.outlet.maskOf(region), rect);
    const { left, top, right, bottom } = rect;
    const patch = { region, left, top, width: right - left, height: bottom - top, stroke };
    // erasing lowers to 255 minus the patch and painting raises to it: one after the other they set a value
    if (falls) void this.post(state, { ...patch, erase: true, rows: rows.map((value) => 255 - value) });
    if (rises) void this.post(state, { ...patch, erase: false, rows });
  }

  private async post(state: Unsent, stroke: Stroke): Promise<void> {
    state.underWay++;
    if (!(await this.taken(state, stroke).catch(() => false))) this.failed.add(stroke.region);
    state.underWay--;
    if (this.unsent.get(stroke.region) !== state || state.underWay > 0 || state.rect) return;
    this.outlet.settled(stroke.region, !this.failed.delete(stroke.region));
  }

  private async taken(state: Unsent, stroke: Stroke): Promise<boolean> {
    const deflated = this.outlet.deflate(stroke.rows);
    const before = this.turn;
    // each waits for the one before, and that for all others: one that is deflated quickly does not overtake
    this.turn = Promise.allSettled([before, deflated]);
    await before;
    const rows = await deflated;
    // another session is looked at meanwhile
    if (this.unsent.get(stroke.region) !== state) return true;
    return this.outlet.send({ ...stroke, rows });
  }

  private stateOf(region: string): Unsent {
    const known = this.unsent.get(region);
    if (known) return known;
    const state = { rect: null, stroke: 0, rises: false, falls: false, timer: null, sentAt: -PAUSE, underWay: 0 };
    this.unsent.set(region, state);
    return state;
  }
}
