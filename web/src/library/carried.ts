// What a plain picture says of how it was made beside the `parameters`, which know no regions and nothing that a model is shown.

import { zlibSync } from "fflate";
import { fetchMask, maskOfFile, pngOf } from "../canvas/masks/pictures";
import { api, pictures } from "../connection/http";
import type { Shown } from "../session/actions";
import type { Drawn } from "../timeline/drawn";
import type { Mask, Opening } from "../wire";
import { bytesIn, pictureIn, uriOf } from "./dataUri";
import { type RegionContent, replaceWith } from "./presetForms";

export const KEYWORD = "ildm-studio";

interface Carried {
  version: 1;
  /** As in a preset of regions. */
  regions: RegionContent | null;
  /** What the model was shown: data URIs. */
  shown: { image: string | null; mask: string | null } | null;
  /** What else made it, and cannot be told here. */
  lacks: string[];
}

/** The text that goes into the picture; null = the `parameters` say it all. */
export async function carriedText(session: string, drawn: Drawn): Promise<string | null> {
  const { regions, shown } = { regions: await regionsOf(session, drawn), shown: await shownOf(session, drawn) };
  const lacks = lacksOf(drawn);
  if (!regions && !shown && lacks.length === 0) return null;
  return JSON.stringify({ version: 1, regions, shown, lacks } satisfies Carried);
}

/** What such a text adds to an opening, and what the picture lacks all the same. */
export async function readCarried(text: string | null, { width, height }: Partial<Opening>) {
  const carried = parsed(text);
  const regions =
    carried?.regions && width && height ? await replaceWith(carried.regions, width, height, maskIn) : null;
  let shown: Shown | null = null;
  if (carried?.shown && width && height) {
    const { image, mask } = carried.shown;
    shown = { image: image ? bytesIn(image) : null, mask: mask ? await maskIn(mask, width, height) : null };
  }
  return { regions, shown, lacks: carried?.lacks ?? [] };
}

/** A mask in a text, as the server reads it. */
export async function maskIn(uri: string, width: number, height: number): Promise<Mask> {
  const { values } = await maskOfFile(pictureIn(uri), width, height);
  return { width, height, data: zlibSync(values) };
}

async function regionsOf(session: string, { settings, isPainted }: Drawn): Promise<RegionContent | null> {
  const { regions = [], region_mode = "attention", overlap = "normalise", common_prompt = "" } = settings;
  if (isPainted || regions.length === 0) return null;
  const told = regions.map(async ({ id: _, mask, ...fields }) => ({
    ...fields,
    mask: mask ? await maskUri(session, mask) : null,
  }));
  return { regions: await Promise.all(told), mode: region_mode, overlap, common_prompt };
}

async function shownOf(session: string, { settings: { shown, hole } }: Drawn): Promise<Carried["shown"]> {
  if (!shown && !hole) return null;
  return {
    image: shown ? await uriOf(await api.blob(pictures.shown(session, shown))) : null,
    mask: hole ? await maskUri(session, hole) : null,
  };
}

async function maskUri(session: string, hash: string): Promise<string> {
  return uriOf(await pngOf(await fetchMask(session, hash)));
}

function lacksOf({ settings, isPainted, isShown, isSteady }: Drawn): string[] {
  const { regions = [], start, holds = [], feedback = [] } = settings;
  return [
    isSteady ? null : "what was changed on the way",
    start ? "the picture that it began from" : null,
    isPainted && regions.length > 0 ? "its regions" : null,
    isShown ? "what the model was shown" : null,
    holds.length > 0 ? "what was kept of it" : null,
    feedback.length > 0 ? "what was liked or not" : null,
  ].filter((one) => one !== null);
}

function parsed(text: string | null): Carried | null {
  try {
    const carried = text === null ? null : (JSON.parse(text) as Carried);
    return carried?.version === 1 ? carried : null;
  } catch {
    return null;
  }
}
