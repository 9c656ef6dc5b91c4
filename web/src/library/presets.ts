// Settings and regions that a person keeps under a name.

import { create } from "zustand";
import { download } from "../canvas/masks/pictures";
import { api, type PresetItem } from "../connection/http";
import { notice } from "../parts/notices";
import { change, prepare } from "../session/actions";
import { useDraft } from "../session/draft";
import { edit, sentence, useSession } from "../session/store";
import { isPrepared } from "../session/view";
import { maskIn } from "./carried";
import { fileName, freeName } from "./names";
import { draftIn, type PresetKind, presetIn, presetText, type RegionContent, replaceWith } from "./presetForms";
import { openingFields } from "./settingsText";

export const usePresets = create<{ presets: readonly PresetItem[] | null }>(() => ({ presets: null }));

export const readPresets = () => said(async () => usePresets.setState({ presets: (await api.presets()).presets }));

/** Keep what the page shows now under a name. */
export const keep = (kind: PresetKind, name: string, replace: boolean) =>
  said(async () => {
    const { view } = useSession.getState();
    const { model, ...draft } = useDraft.getState();
    const body = view ? { session: view.session } : { content: openingFields(model, draft) };
    await api.savePreset(kind, name, { ...body, replace });
    await readPresets();
  });

export const load = (kind: PresetKind, name: string) =>
  said(async () => {
    const { content } = await api.preset(kind, name);
    if (kind === "settings") loadSettings(draftIn(content));
    else await loadRegions(content as RegionContent);
  });

export const rename = (kind: PresetKind, name: string, to: string) =>
  said(async () => {
    await api.renamePreset(kind, name, to);
    await readPresets();
  });

export const remove = (kind: PresetKind, name: string) =>
  said(async () => {
    await api.removePreset(kind, name);
    await readPresets();
  });

/** As a file of its own, masks included. */
export const exported = (kind: PresetKind, name: string) =>
  said(async () => {
    const { content } = await api.preset(kind, name);
    download(new Blob([presetText(kind, name, content)], { type: "application/json" }), fileName(name, "json"));
  });

export const imported = (file: File) =>
  said(async () => {
    const { kind, name, content } = presetIn(await file.text(), file.name);
    const { presets } = await api.presets();
    const free = freeName(name, new Set(presets.filter((one) => one.kind === kind).map((one) => one.name)));
    await api.savePreset(kind, free, { content });
    await readPresets();
    notice.info(`"${free}" is among your presets of ${kind} now.`);
  });

/** Fill the form, and have a live session do what it can: its seed and size are those of the next picture. */
function loadSettings({ model, ...fields }: ReturnType<typeof draftIn>): void {
  const told = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined));
  const { view } = useSession.getState();
  useDraft.setState({
    ...told,
    ...(view || !model ? {} : { model }),
    ...("seed" in told ? { seed_locked: true } : {}),
  });
  if (!view) return;
  const { prompt, negative_prompt, num_steps, guidance_scale, sampler } = fields;
  if (prompt !== undefined) change("prompt", prompt);
  if (negative_prompt !== undefined) change("negative_prompt", negative_prompt);
  if (num_steps) change("num_steps", num_steps);
  if (guidance_scale) change("guidance_scale", guidance_scale);
  if (sampler) change("sampler", sampler);
}

async function loadRegions(content: RegionContent): Promise<void> {
  if (!(await prepare())) return;
  const { view } = useSession.getState();
  if (!view) return;
  const { width, height } = view.place.settings;
  const command = await replaceWith(content, width, height, maskIn);
  if (!(await edit(command))) return;
  if (isPrepared(view)) notice.info("The regions are in place. Make the picture when you like.");
  else if (view.place.status === "finished")
    notice.info("The regions are in place. Go back along the timeline, or make another picture, to see them at work.");
}

/** Do something; say what goes wrong. Returns whether it was done. */
async function said(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (problem) {
    notice.problem(sentence(problem));
    return false;
  }
}
