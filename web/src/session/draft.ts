// What the next picture is to be like: the form as the person left it, kept over visits. A live session has its own settings.

import { create } from "zustand";
import { createJSONStorage, persist } from "zustand/middleware";
import type { ModelInfo } from "../connection/http";
import type { Settings } from "../wire";

export interface Draft {
  /** null = the server's own. */
  model: string | null;
  prompt: string;
  negative_prompt: string;
  num_steps: number;
  guidance_scale: number;
  sampler: string;
  seed: number;
  /** Whether the next picture gets the same seed. */
  seed_locked: boolean;
  width: number;
  height: number;
}

const FIRST: Draft = {
  model: null,
  prompt: "",
  negative_prompt: "",
  num_steps: 25,
  guidance_scale: 3,
  sampler: "dpmpp-2m",
  seed: 7,
  seed_locked: false,
  width: 128,
  height: 128,
};

/** What a control shows: the session's settings, or else the draft's. */
export type Controls = Pick<
  Draft,
  "prompt" | "negative_prompt" | "num_steps" | "guidance_scale" | "sampler" | "seed" | "width" | "height"
>;

/** Each tab keeps its own; a new one begins with what was kept last. */
const storage = createJSONStorage<Draft>(() => {
  const [own, shared] = [sessionStorage, localStorage];
  return {
    getItem: (name) => own.getItem(name) ?? shared.getItem(name),
    setItem(name, value) {
      for (const one of [own, shared]) one.setItem(name, value);
    },
    removeItem(name) {
      for (const one of [own, shared]) one.removeItem(name);
    },
  };
});

export const useDraft = create<Draft>()(persist(() => FIRST, { name: "ildm-draft", version: 1, storage }));

/** A seed by chance, short enough to be read out. */
export function anySeed(): number {
  return Math.floor(Math.random() * 1_000_000);
}

/** Take over what a model has by default; at a first visit, only where the person has not been faster. */
export function draftFor(model: ModelInfo, isFirst = false): void {
  const { width, height, num_steps, guidance_scale, sampler } = model;
  const draft = useDraft.getState();
  const told = Object.entries({ width, height, num_steps, guidance_scale, sampler }).filter(([key, value]) => {
    const name = key as keyof Draft;
    return value !== null && !(isFirst && draft[name] !== FIRST[name]);
  });
  useDraft.setState({ model: model.id, ...Object.fromEntries(told) });
}

/** Take over what a session has; where it is given what that was before, only what differs from it. */
export function draftOf(model: string, now: Controls, then?: Controls): void {
  if (!then) {
    useDraft.setState({ model, ...now });
    return;
  }
  const changed = Object.entries(now).filter(([name, value]) => value !== then[name as keyof Controls]);
  useDraft.setState(Object.fromEntries(changed));
}

/** What the controls of the page show of a session. */
export function controlsOf(settings: Settings): Controls {
  const { prompt = "", negative_prompt = "", num_steps, guidance_scale, sampler, seed, width, height } = settings;
  return { prompt, negative_prompt, num_steps, guidance_scale, sampler, seed, width, height };
}
