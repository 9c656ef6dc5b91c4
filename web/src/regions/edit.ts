// What can be done with regions: each acts from the next step on.

import { zlibSync } from "fflate";
import { newRegionId } from "../canvas/colours";
import { exchange, isEmpty, maskOf, useLayers } from "../canvas/layers";
import type { Mask } from "../canvas/masks/mask";
import { useCanvas } from "../canvas/state";
import { expectRegion, noteOwn, refuseRegion } from "../canvas/sync";
import { edit, useSession } from "../session/store";
import type { Region, SetRegionRules, Mask as WireMask } from "../wire";
import { Wishes } from "./wishes";

const NONE: readonly Region[] = [];

/** The regions of the session that is looked at, the uppermost last. */
export function useRegions(): readonly Region[] {
  return useSession((state) => state.view?.place.settings.regions ?? NONE);
}

export function regionsNow(): readonly Region[] {
  return useSession.getState().view?.place.settings.regions ?? NONE;
}

/** Begin a region. It can be painted on at once: strokes act after it. */
export function addRegion(prompt = "", mask?: Mask): string {
  const id = newRegionId([...useLayers.getState().places.keys()]);
  expectRegion(id);
  if (mask) exchange(id, mask);
  void edit({ kind: "add-region", region: { id, prompt }, mask: mask ? wired(maskOf(id)) : null }).then((applied) => {
    if (applied) noteOwn(id);
    else refuseRegion(id);
  });
  return id;
}

/** Where a word of the prompt is; the network is asked beside the run. */
export async function addRegionFromWord(word: string): Promise<string | null> {
  const id = newRegionId([...useLayers.getState().places.keys()]);
  const applied = await edit({ kind: "add-region-from-word", word, region: { id, name: word, prompt: word } });
  return applied ? id : null;
}

/** What was asked of each region: a change says all of it. */
const changes = new Wishes<Partial<Region>>();
/** The order that was asked for. */
const orders = new Wishes<readonly string[]>();
const ALL = "all";

useSession.subscribe(({ id, view }, before) => {
  const settings = view?.place.settings;
  if (id !== before.id) {
    changes.clear();
    orders.clear();
  } else if (settings !== before.view?.place.settings) {
    changes.settle();
    orders.settle();
    // one came or went: an order of the others says nothing any more
    if (orders.get(ALL)?.length !== (settings?.regions?.length ?? 0)) orders.clear();
  }
});

export function changeRegion(id: string, fields: Partial<Region>): void {
  const region = regionsNow().find((one) => one.id === id);
  if (!region) return;
  const wished: Region = { ...region, ...changes.get(id) };
  if (Object.entries(fields).every(([name, value]) => wished[name as keyof Region] === value)) return;
  const next = { ...wished, ...fields, mask: null };
  changes.ask(id, { ...changes.get(id), ...fields }, edit({ kind: "change-region", region: next }));
}

/** What it takes to have a region again that was let go. */
export interface Removed {
  region: Region;
  mask: WireMask | null;
  order: string[];
}

export async function removeRegion(id: string): Promise<Removed | null> {
  const regions = regionsNow();
  const region = regions.find((one) => one.id === id);
  if (!region) return null;
  const removed = {
    region: { ...region, mask: null },
    mask: isEmpty(id) ? null : wired(maskOf(id)),
    order: regions.map((one) => one.id),
  };
  return (await edit({ kind: "remove-region", id })) ? removed : null;
}

/** Have it again where it was; without a step back, which an undo of the session would be. */
export async function restoreRegion({ region, mask, order }: Removed): Promise<void> {
  if (!(await edit({ kind: "add-region", region, mask }))) return;
  const here = new Set(regionsNow().map((one) => one.id)).add(region.id);
  const ids = order.filter((id) => here.has(id));
  const later = [...here].filter((id) => !order.includes(id));
  await edit({ kind: "reorder-regions", ids: [...ids, ...later] });
}

/** The regions' order as it will be, the uppermost last. */
export function orderNow(): readonly string[] {
  return orders.get(ALL) ?? regionsNow().map((one) => one.id);
}

/** Bring a region to a place in the list, the uppermost last. */
export function moveRegion(id: string, place: number): void {
  const ids = orderNow();
  const others = ids.filter((one) => one !== id);
  others.splice(Math.max(0, Math.min(others.length, place)), 0, id);
  if (others.join() !== ids.join()) orders.ask(ALL, others, edit({ kind: "reorder-regions", ids: others }));
}

/** Have a region do nothing for a while, or what it did before. */
export function toggleMute(region: Region): void {
  const { muted } = useCanvas.getState();
  const next = new Map(muted);
  const { strength = 1 } = region;
  if (strength > 0) next.set(region.id, strength);
  else next.delete(region.id);
  useCanvas.setState({ muted: next });
  changeRegion(region.id, { strength: strength > 0 ? 0 : (muted.get(region.id) ?? 1) });
}

export function setRules(rules: Omit<SetRegionRules, "kind" | "version">): void {
  void edit({ kind: "set-region-rules", ...rules });
}

/** A mask as the server reads it. */
export function wired({ width, height, values }: Mask): WireMask {
  return { width, height, data: zlibSync(values, { level: 6 }) };
}
