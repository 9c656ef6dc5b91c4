// Keeps the masks of the page and those of the session the same: own strokes go there, everybody else's come here.

import { notice } from "../parts/notices";
import { sentence, stroke, useSession } from "../session/store";
import type { View } from "../session/view";
import { choicesOf, keepChoices } from "./choices";
import { exchange, forgetMask, keepRegions, maskOf, paintedNow, resetLayers, useLayers } from "./layers";
import { deflate } from "./masks/deflate";
import { isForeign } from "./masks/foreign";
import { emptyMask } from "./masks/mask";
import { fetchMask } from "./masks/pictures";
import { Sender } from "./masks/sender";
import { useOverlays } from "./overlays";
import { isRegion, useCanvas } from "./state";

/** What is known of a region's mask on the server. */
interface Known {
  /** The hash whose content the page has; null = nowhere. */
  hash: string | null;
  /** The first event that has not been looked at. */
  since: number;
  fetching: string | null;
  /** The last of our own strokes that acts. */
  ownSeq: number;
}

const known = new Map<string, Known>();
/** Regions that this page has added, and that the session does not name yet. */
const added = new Set<string>();
const own = new Set<number>();
/** How many events the settings take into account that are here; they come a moment after the events. */
let settledSeq = 0;
let session: string | null = null;
let life = 0;

export const sender = new Sender({
  maskOf,
  deflate,
  async send(patch) {
    const applied = await stroke(patch);
    if (applied) noteOwn(patch.region);
    return applied !== null;
  },
  settled(region, kept) {
    const state = known.get(region);
    if (!kept && state) state.hash = "unknown";
    const { view } = useSession.getState();
    if (view) compare(view, region);
  },
  now: () => performance.now(),
  isLive: () => useSession.getState().link === "live",
});

/** Watch the session. */
export function followMasks(): () => void {
  const take = (view: View | null) => {
    const { life: now } = useSession.getState();
    if (view?.session !== session || now !== life) begin(view);
    life = now;
    if (view) reconcile(view);
  };
  take(useSession.getState().view);
  const stops = [
    keepChoices(() => session),
    useSession.subscribe(({ view }, before) => {
      if (view && view.place.settings !== before.view?.place.settings) settledSeq = view.place.seq;
      if (view !== before.view) take(view);
    }),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

/** A region that this page adds now, empty or with the mask that its layer has. */
export function expectRegion(id: string): void {
  added.add(id);
  known.set(id, { hash: null, since: useSession.getState().view?.place.seq ?? 0, fetching: null, ownSeq: -1 });
  keepRegions([...useLayers.getState().places.keys(), id]);
}

/** The command that has acted just now was this page's own, and the page has the mask that came of it. */
export function noteOwn(region: string): void {
  const last = useSession.getState().events.at(-1);
  const state = known.get(region);
  if (last?.kind !== "command-applied" || !state) return;
  own.add(last.seq);
  state.ownSeq = last.seq;
}

/** The region could not be added. */
export function refuseRegion(id: string): void {
  added.delete(id);
  known.delete(id);
  // what was painted on it meanwhile has no place to go
  sender.forget(id);
  forgetMask(id);
}

/** Whether the page's mask of a region is what the last event has made of it. */
export function isInStep(id: string): boolean {
  const state = known.get(id);
  if (!state || state.hash === "unknown" || state.fetching !== null || sender.isBusy(id)) return false;
  return !isForeign(useSession.getState().events, state.since, own);
}

/** Resolves once all that was painted into regions is in the session, or known not to be. */
export async function allSent(): Promise<void> {
  while (sender.underWay > 0) await new Promise((go) => setTimeout(go, 20));
}

/** Resolves once the masks of all regions are here. */
export async function allFetched(): Promise<void> {
  while ([...known.values()].some((state) => state.fetching !== null)) await new Promise((go) => setTimeout(go, 50));
}

/** A stroke has ended: what came meanwhile is looked at. */
export function strokeEnded(layer: string): void {
  const { view } = useSession.getState();
  if (view && known.has(layer)) compare(view, layer);
}

/** Whether the page's mask is ahead of what the settings say. */
function isInUse(id: string): boolean {
  return sender.isBusy(id) || paintedNow() === id || (known.get(id)?.ownSeq ?? -1) >= settledSeq;
}

function hashNow(id: string): string | null | undefined {
  const { view } = useSession.getState();
  return view?.place.settings.regions?.find((region) => region.id === id)?.mask ?? null;
}

function begin(view: View | null): void {
  session = view?.session ?? null;
  known.clear();
  added.clear();
  own.clear();
  sender.forget();
  resetLayers(view?.place.settings.width ?? 0, view?.place.settings.height ?? 0);
  useOverlays.setState({ heat: null, pointed: null });
  useCanvas.setState({ active: null, ...choicesOf(session) });
}

function reconcile(view: View): void {
  const { width, height, regions = [] } = view.place.settings;
  const size = useLayers.getState();
  if (size.width !== width || size.height !== height) {
    known.clear();
    sender.forget();
    resetLayers(width, height);
  }
  const ids = regions.map((region) => region.id);
  for (const id of ids) added.delete(id);
  const here = [...ids, ...added];
  for (const id of known.keys()) {
    if (here.includes(id)) continue;
    known.delete(id);
    forgetMask(id);
  }
  keepRegions(here);
  const { active } = useCanvas.getState();
  if (active !== null && isRegion(active) && !here.includes(active)) useCanvas.setState({ active: null });
  for (const id of ids) compare(view, id);
}

/** Take a region's mask over where somebody else has changed it. */
function compare(view: View, id: string): void {
  const hash = view.place.settings.regions?.find((region) => region.id === id)?.mask ?? null;
  // one that is new here has an empty mask, as far as is known
  const since = hash === null ? view.place.seq : 0;
  const state = known.get(id) ?? { hash: null, since, fetching: null, ownSeq: -1 };
  if (!known.has(id)) known.set(id, state);
  // what the settings say may be older than the last event, so `since` moves on with them alone
  if (hash === state.hash || state.fetching === hash || isInUse(id)) return;
  const isOwn = state.hash !== "unknown" && !isForeign(useSession.getState().events, state.since, own);
  if (isOwn && state.since > 0) {
    state.hash = hash;
    state.since = view.place.seq;
    return;
  }
  void takeOver(view, id, hash, state);
}

async function takeOver(view: View, id: string, hash: string | null, state: Known): Promise<void> {
  state.fetching = hash ?? "";
  try {
    const { width, height } = useLayers.getState();
    const mask = hash === null ? emptyMask(width, height) : await fetchMask(view.session, hash);
    // painted on, or changed once more, meanwhile: it is looked at again below
    if (known.get(id) === state && !isInUse(id) && hashNow(id) === hash) {
      exchange(id, mask);
      state.hash = hash;
      state.since = view.place.seq;
    }
  } catch (problem) {
    notice.problem(`A region's mask could not be read. ${sentence(problem)}`);
    state.hash = hash;
  } finally {
    state.fetching = null;
  }
  const now = useSession.getState().view;
  if (now?.session === view.session && known.get(id) === state) compare(now, id);
}
