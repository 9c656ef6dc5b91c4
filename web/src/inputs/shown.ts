// What the model is shown beside the prompt: what is painted here goes to the session, and what is there comes here.

import { create } from "zustand";
import { exchange, isEmpty, maskOf, paintedNow, useLayers } from "../canvas/layers";
import { emptyMask, type Mask } from "../canvas/masks/mask";
import { fetchMask } from "../canvas/masks/pictures";
import { slotOf, useSlots } from "../canvas/slots";
import { HOLE, MAP } from "../canvas/state";
import { api, pictures, type Shows } from "../connection/http";
import { notice } from "../parts/notices";
import { wired } from "../regions/edit";
import type { Shown } from "../session/actions";
import { useModels } from "../session/models";
import { attempt, sentence, useSession } from "../session/store";
import type { View } from "../session/view";
import { greyPng, numbersIn } from "./greyPng";

interface Showing {
  /** Why the last of it does not act. */
  problem: string | null;
}

export const useShowing = create<Showing>(() => ({ problem: null }));

const PAUSE = 120;
/** No picture's name: what the session has is then taken over, whatever it is. */
const UNKNOWN = "unknown";

/** What of the settings the page has; `place` is of which session and size. */
let known = { place: "", shown: null as string | null, hole: null as string | null };
/** Counts what was painted and sent: what was asked for before that is not taken over any more. */
let age = 0;
let isTaking = false;
/** Whether something is painted here that the session would not take. */
let isAhead = false;
let timer: ReturnType<typeof setTimeout> | undefined;
let saying: Promise<unknown> = Promise.resolve();

/** Keep both the same. Returns what ends it. */
export function followShown(): () => void {
  const look = () => take(useSession.getState().view);
  look();
  const stops = [
    useSession.subscribe(({ view }, before) => {
      if (view?.session !== before.view?.session) {
        useShowing.setState({ problem: null });
        isAhead = false;
      }
      if (view?.place.settings !== before.view?.place.settings) look();
    }),
    useModels.subscribe(look),
    useLayers.subscribe(({ revisions }, before) => {
      const isPainted = [MAP, HOLE].some((layer) => (revisions.get(layer) ?? 0) > (before.revisions.get(layer) ?? 0));
      if (isPainted && !isTaking) soon();
    }),
  ];
  return () => {
    clearTimeout(timer);
    for (const stop of stops) stop();
  };
}

/** What the model of a session is shown. */
export function showsOf(view: View): Shows | null {
  return useModels.getState().models.find((one) => one.id === view.model)?.shows ?? null;
}

/** Have the model shown a picture from the next step on. Whether it is. */
export async function showPicture(image: Uint8Array | null): Promise<boolean> {
  const mask = isEmpty(HOLE) ? null : wired(maskOf(HOLE));
  return tell({ image, mask });
}

/** Have again what the session has, where the last of what was painted does not act. Whether that was so. */
export function dropUnshown(): boolean {
  if (!isAhead) return false;
  isAhead = false;
  known = { ...known, shown: UNKNOWN, hole: UNKNOWN };
  useShowing.setState({ problem: null });
  take(useSession.getState().view);
  return true;
}

/** Resolves once all that was painted has been said. */
export async function allShown(): Promise<void> {
  if (timer !== undefined) now();
  await saying;
}

/** What the model of the session that is looked at is shown, for another one to begin with; null = nothing. */
export async function shownNow(): Promise<Shown | null> {
  await allShown();
  const { view } = useSession.getState();
  const { shown = null, hole = null } = view?.place.settings ?? {};
  if (!view || (shown === null && hole === null)) return null;
  const image = shown === null ? null : await bytesOf(view.session, shown);
  return { image, mask: hole === null ? null : wired(await fetchMask(view.session, hole)) };
}

function soon(): void {
  age++;
  clearTimeout(timer);
  timer = setTimeout(now, PAUSE);
}

function now(): void {
  clearTimeout(timer);
  timer = undefined;
  saying = saying.then(say).catch((problem) => notice.problem(sentence(problem)));
}

/** Say what is painted. */
async function say(): Promise<void> {
  const { view } = useSession.getState();
  const shows = view && showsOf(view);
  if (!view || !shows) return;
  if (shows.kind === "semantic-map") {
    isAhead = !(await tell({ image: isEmpty(MAP) ? null : mapFile(), mask: null }));
    return;
  }
  const { shown } = view.place.settings;
  isAhead = !(await showPicture(shown ? await bytesOf(view.session, shown) : null));
}

async function tell(shown: Shown): Promise<boolean> {
  age++;
  const problem = await attempt({ kind: "show-image", ...shown });
  useShowing.setState({ problem });
  if (problem === null) isAhead = false;
  return problem === null;
}

/** The map as the server reads it: a PNG of class numbers. */
export function mapFile(): Uint8Array {
  const { width, height, values } = maskOf(MAP);
  const { classes } = useSlots.getState();
  const numbers = Uint16Array.from(values, (slot) => classes[slot] ?? 0);
  return greyPng({ width, height, values: numbers }, Math.max(...classes) > 255 ? 16 : 8);
}

function take(view: View | null): void {
  const shows = view && showsOf(view);
  if (!view || !shows) return;
  const { shown = null, hole = null, width, height } = view.place.settings;
  const place = `${view.session} ${width}x${height}`;
  if (place !== known.place) known = { place, shown: null, hole: null };
  if (shown !== known.shown) {
    known.shown = shown;
    if (shows.kind === "semantic-map") void takeOver(MAP, () => known.shown === shown, mapOf(view, shown));
  }
  if (hole !== known.hole) {
    known.hole = hole;
    const mask = hole === null ? Promise.resolve(emptyMask(width, height)) : fetchMask(view.session, hole);
    void takeOver(HOLE, () => known.hole === hole, mask);
  }
}

async function takeOver(layer: string, isCurrent: () => boolean, coming: Promise<Mask | null>): Promise<void> {
  const begun = age;
  const { place } = known;
  try {
    const mask = await coming;
    // painted on meanwhile: that is newer
    if (!mask || begun !== age || known.place !== place || !isCurrent() || paintedNow() === layer) return;
    isTaking = true;
    exchange(layer, mask);
  } catch (problem) {
    notice.problem(`What the model is shown could not be read. ${sentence(problem)}`);
  } finally {
    isTaking = false;
  }
}

/** A map of the session as it is painted here; null where it cannot be. */
async function mapOf(view: View, hash: string | null): Promise<Mask | null> {
  const mask = emptyMask(view.place.settings.width, view.place.settings.height);
  if (hash === null) return mask;
  const numbers = numbersIn(await bytesOf(view.session, hash));
  if (numbers?.values.length !== mask.values.length) return null;
  for (const [index, number] of numbers.values.entries()) {
    const slot = number === 0 ? 0 : slotOf(number);
    if (slot === null) {
      notice.info("This map has more classes than can be painted here. It acts as it is.");
      return null;
    }
    mask.values[index] = slot;
  }
  return mask;
}

async function bytesOf(session: string, hash: string): Promise<Uint8Array> {
  return new Uint8Array(await (await api.blob(pictures.shown(session, hash))).arrayBuffer());
}
