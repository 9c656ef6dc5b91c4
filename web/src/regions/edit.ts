// What can be done with regions: each acts from the next step on.

import { zlibSync } from "fflate";
import { newRegionId } from "../canvas/colours";
import { exchange, isEmpty, maskOf, useLayers } from "../canvas/layers";
import type { Mask } from "../canvas/masks/mask";
import { useCanvas } from "../canvas/state";
import { noteStroke } from "../canvas/strokes";
import { expectRegion, noteOwn, refuseRegion } from "../canvas/sync";
import { edit, useSession } from "../session/store";
import type { Region, SetRegionRules, Mask as WireMask } from "../wire";

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
    if (!applied) {
      refuseRegion(id);
      return;
    }
    noteOwn(id);
    noteStroke();
  });
  return id;
}

/** Where a word of the prompt is; the network is asked beside the run. */
export async function addRegionFromWord(word: string): Promise<string | null> {
  const id = newRegionId([...useLayers.getState().places.keys()]);
  const applied = await edit({ kind: "add-region-from-word", word, region: { id, name: word, prompt: word } });
  return applied ? id : null;
}

interface Wish {
  fields: Partial<Region>;
  /** Whether it acts: the settings say so in a moment. */
  acts: boolean;
}

/** What was asked of regions and is not in the settings yet: a change says all of a region, so the next one must know of it. */
const wishes = new Map<string, Wish>();

useSession.subscribe(({ id, view }, before) => {
  if (id !== before.id) {
    wishes.clear();
    wishedOrder = null;
  }
  if (view?.place.settings === before.view?.place.settings) return;
  for (const [region, wish] of wishes) if (wish.acts) wishes.delete(region);
  const isOther = wishedOrder?.ids.length !== (view?.place.settings.regions?.length ?? 0);
  if (wishedOrder?.acts || isOther) wishedOrder = null;
});

export function changeRegion(id: string, fields: Partial<Region>): void {
  const region = regionsNow().find((one) => one.id === id);
  if (!region) return;
  const wished: Region = { ...region, ...wishes.get(id)?.fields };
  if (Object.entries(fields).every(([name, value]) => wished[name as keyof Region] === value)) return;
  const wish = { fields: { ...wishes.get(id)?.fields, ...fields }, acts: false };
  wishes.set(id, wish);
  void edit({ kind: "change-region", region: { ...region, ...wish.fields, mask: null } }).then((applied) => {
    wish.acts = true;
    if (!applied && wishes.get(id) === wish) wishes.delete(id);
  });
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

/** The order that was asked for last, as long as the settings do not say it. */
let wishedOrder: { ids: readonly string[]; acts: boolean } | null = null;

/** The regions' order as it will be, the uppermost last. */
export function orderNow(): readonly string[] {
  return wishedOrder?.ids ?? regionsNow().map((one) => one.id);
}

/** Bring a region to a place in the list, the uppermost last. */
export function moveRegion(id: string, place: number): void {
  const ids = orderNow();
  const others = ids.filter((one) => one !== id);
  others.splice(Math.max(0, Math.min(others.length, place)), 0, id);
  if (others.join() === ids.join()) return;
  const wish = { ids: others, acts: false };
  wishedOrder = wish;
  void edit({ kind: "reorder-regions", ids: others }).then((applied) => {
    wish.acts = true;
    if (!applied && wishedOrder === wish) wishedOrder = null;
  });
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
