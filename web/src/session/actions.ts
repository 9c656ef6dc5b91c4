// What the controls of the page do: the same control changes the live session, or the next picture where there is none.

import type { Command } from "../connection/client";
import { readable } from "../inputs/reading";
import type { Opening, Placed, Settings, ShowImage } from "../wire";
import { anySeed, type Controls, controlsOf, type Draft, useDraft } from "./draft";
import { nextModel } from "./models";
import { edit, start, useSession, whenSeen } from "./store";
import { isForNext, isPrepared } from "./view";

export type LiveControl = "prompt" | "negative_prompt" | "num_steps" | "guidance_scale" | "sampler";

const COMMANDS: { [name in LiveControl]: (value: Draft[name]) => Command } = {
  prompt: (text) => ({ kind: "set-prompt", text }),
  negative_prompt: (text) => ({ kind: "set-negative-prompt", text }),
  num_steps: (num_steps) => ({ kind: "set-num-steps", num_steps }),
  guidance_scale: (scale) => ({ kind: "set-guidance", scale }),
  sampler: (name) => ({ kind: "set-sampler", name }),
};

/** What one control shows now. */
export function useControl<Name extends keyof Controls>(name: Name): Controls[Name] {
  const live = useSession(({ view }) => (isForNext(view) ? null : view?.place.settings));
  const draft = useDraft((state) => state[name]);
  return live ? controlsOf(live)[name] : draft;
}

/** Change something that can change while the picture forms. Resolves to whether it was taken. */
export async function change<Name extends LiveControl>(name: Name, value: Draft[Name]): Promise<boolean> {
  useDraft.setState({ [name]: value });
  const { view } = useSession.getState();
  if (!view || isForNext(view) || controlsOf(view.place.settings)[name] === value) return true;
  return (await edit(COMMANDS[name](value))) !== null;
}

/** What the model is shown beside the prompt. */
export type Shown = Pick<ShowImage, "image" | "mask">;

/**
 * Begin a picture with all that the page shows.
 *
 * `regions` are those of the session before, with their masks, and `shown` is what its model was shown; null = nothing.
 */
export async function generate(regions: () => Promise<Placed[]>, shown: () => Promise<Shown | null>): Promise<void> {
  const { view } = useSession.getState();
  if (isPrepared(view)) {
    await edit({ kind: "resume" });
    return;
  }
  // the form follows the session, and has what was said just now before the session has it
  const opening = openingNow();
  const kept = view ? await regions() : [];
  if (view && kept.length > 0) opening.regions = replaced(view.place.settings, kept);
  const given = view && view.model === opening.model ? await shown() : null;
  if (!given) await start(opening);
  else if (await beginShown(opening, given)) await edit({ kind: "resume" });
}

/** Begin a picture that waits for its first step, its model shown something. Whether it has come to that. */
export async function beginShown(opening: Opening, shown: Shown): Promise<boolean> {
  if ((await start({ ...opening, paused: true })) === null || (await whenSeen()) === null) return false;
  return (await edit({ kind: "show-image", ...shown })) !== null;
}

/** An opening by the form, but for what it says otherwise. */
export function openingNow(fields: Partial<Draft> = {}): Opening {
  const draft = useDraft.getState();
  const seed = draft.seed_locked ? draft.seed : anySeed();
  useDraft.setState({ seed, ...fields });
  return openingOf({ ...draft, seed, ...fields });
}

let preparing: Promise<boolean> | null = null;

/** Have a session to paint in before its first step, and see it. Returns whether there is one; asked twice, it begins one. */
export function prepare(): Promise<boolean> {
  preparing ??= seePrepared().finally(() => {
    preparing = null;
  });
  return preparing;
}

async function seePrepared(): Promise<boolean> {
  if (useSession.getState().id === null) {
    if ((await start({ ...openingNow(), paused: true })) === null) return false;
  }
  return (await whenSeen()) !== null;
}

/** Begin a picture from an opening that somebody else has thought of: an example, a preset, a picture that was dropped in. */
export async function begin(opening: Partial<Opening>): Promise<string | null> {
  const { model } = useDraft.getState();
  return start({ model, ...opening });
}

function openingOf(draft: Draft): Opening {
  const { seed_locked: _, ...fields } = draft;
  const model = nextModel();
  const negative_prompt = model && model.reads !== "text" ? "" : fields.negative_prompt;
  return { ...fields, prompt: readable(fields.prompt, model), negative_prompt };
}

function replaced(settings: Settings, regions: Placed[]): Opening["regions"] {
  const { region_mode, overlap, common_prompt } = settings;
  return { version: 1, kind: "replace-regions", regions, mode: region_mode, overlap, common_prompt };
}
