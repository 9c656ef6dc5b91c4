// What is in force in a session, as far as its log tells it, and what a command makes of it. Pure.

import type { Command } from "../connection/client";
import type { Choice, Region, SetRegionRules, Settings } from "../wire";

type Words = "prompt" | "negative_prompt" | "common_prompt";
type Numbers = "guidance_scale" | "guidance_rescale" | "num_steps" | "seed" | "width" | "height";
type Pictures = "start" | "holds" | "feedback";

interface Told extends Required<Pick<Settings, Words | Numbers | Pictures | "sampler" | "overlap" | "region_mode">> {
  /** Without their masks: see `painted`. */
  regions: readonly Region[];
}

/** What acts on a picture. What a command tells of pictures and masks are not their names, so those are `UNKNOWN` or numbers here. */
export interface InForce extends Told {
  /** Another number wherever masks of regions are others. */
  painted: number;
  /** Another number wherever the model is shown something else. */
  shown: number;
}

/** Stands for the name of a picture or a mask that the log does not tell. */
const UNKNOWN = "0".repeat(64);

export const NOTHING: InForce = {
  prompt: "",
  negative_prompt: "",
  guidance_scale: Number.NaN,
  guidance_rescale: 0,
  sampler: "",
  num_steps: 0,
  seed: 0,
  width: 0,
  height: 0,
  start: null,
  holds: [],
  feedback: [],
  common_prompt: "",
  overlap: "normalise",
  region_mode: "attention",
  regions: [],
  painted: 0,
  shown: 0,
};

/** Settings that are told as a whole. */
export function toldOf(settings: Partial<Settings>): Told {
  const { painted: _, shown: __, ...nothing } = NOTHING;
  const given = Object.entries(settings).filter(([name, value]) => name in nothing && value != null);
  const told: Told = { ...nothing, ...Object.fromEntries(given) };
  return { ...told, regions: told.regions.map(bare) };
}

/** Whether both say the same, but for pictures and masks. */
export function saysSame(one: Told, other: Told): boolean {
  return COMPARED.every((name) => isEqual(one[name], other[name]));
}

const PICTURES = ["start", "holds", "feedback", "painted", "shown"];
const COMPARED = (Object.keys(NOTHING) as (keyof Told)[]).filter((name) => !PICTURES.includes(name));

/** What is in force after a command that says by itself what it changes; after another one as well as can be told without its `left`. */
export function changed(before: InForce, command: Command): InForce {
  switch (command.kind) {
    case "set-prompt":
      return { ...before, prompt: command.text };
    case "set-negative-prompt":
      return { ...before, negative_prompt: command.text };
    case "set-guidance":
      return {
        ...before,
        guidance_scale: command.scale,
        guidance_rescale: command.rescale ?? before.guidance_rescale,
      };
    case "set-sampler":
      return { ...before, sampler: command.name };
    case "set-num-steps":
      return { ...before, num_steps: command.num_steps };
    case "add-region":
      return { ...before, regions: [...before.regions, bare(command.region)] };
    case "add-region-from-word": {
      const prompt = command.region.prompt || command.word;
      return { ...before, regions: [...before.regions, bare({ ...command.region, prompt })] };
    }
    case "change-region": {
      const region = bare(command.region);
      return { ...before, regions: before.regions.map((one) => (one.id === region.id ? region : one)) };
    }
    case "remove-region":
      return { ...before, regions: before.regions.filter((one) => one.id !== command.id) };
    case "reorder-regions":
      return { ...before, regions: command.ids.flatMap((id) => before.regions.find((one) => one.id === id) ?? []) };
    case "replace-regions":
      return {
        ...ruled(before, command),
        regions: command.regions.map((one) => bare(one.region)),
        prompt: command.prompt ?? before.prompt,
        negative_prompt: command.negative_prompt ?? before.negative_prompt,
      };
    case "set-region-rules":
      return ruled(before, command);
    case "lock-area":
      return { ...before, holds: [...before.holds, { source: UNKNOWN, change: UNKNOWN, locked: true }] };
    case "release-area":
      return command.area ? before : { ...before, holds: [] };
    case "like-area":
    case "dislike-area": {
      const one = { liked: command.kind === "like-area", source: UNKNOWN, area: command.area ? UNKNOWN : null };
      return { ...before, feedback: [...before.feedback, one] };
    }
    case "forget-feedback":
      return { ...before, feedback: [] };
    case "start-over": {
      const { seed, width, height } = command;
      const size = { width: width ?? before.width, height: height ?? before.height };
      return { ...begunAnew(before, size), ...size, seed: seed ?? before.seed };
    }
    case "start-from-image":
      return { ...before, start: { source: UNKNOWN, step: 0 }, holds: HELD, feedback: [] };
    case "redo-area":
      return { ...before, start: { source: UNKNOWN, step: 0 }, holds: HELD };
    default:
      return before;
  }
}

const HELD = [{ source: UNKNOWN, change: UNKNOWN }];

/** What is in force for one choice of a comparison. */
export function chosenFrom(shared: InForce, choice: Choice): InForce {
  const own = Object.fromEntries(namesOwn(choice).map((name) => [name, choice[name]]));
  return { ...(choice.seed == null ? shared : begunAnew(shared, shared)), ...own };
}

/** What the futures of a comparison share, where it is known what is in force for one of them, and on the whole what was before. */
export function sharedBy(choice: Choice, inForce: InForce, before: InForce): InForce {
  const names = [...namesOwn(choice), ...(choice.seed == null ? [] : (["start", "holds"] as const))];
  return { ...inForce, ...Object.fromEntries(names.map((name) => [name, before[name]])) };
}

/** What is in force where somebody goes from a finished picture: what was asked for over it goes along. */
export function takenAlong(there: InForce, made: InForce, asked: InForce): InForce {
  const names = (Object.keys(NOTHING) as (keyof InForce)[]).filter((name) => !isEqual(made[name], asked[name]));
  return { ...there, ...Object.fromEntries(names.map((name) => [name, asked[name]])) };
}

/** From noise, what a person locked stays, where the size does. */
function begunAnew(before: InForce, { width, height }: Pick<InForce, "width" | "height">): InForce {
  const stays = width === before.width && height === before.height;
  return { ...before, start: null, holds: stays ? before.holds.filter((one) => one.locked) : [] };
}

type Own = Exclude<keyof Choice, "kind" | "version">;

function namesOwn({ kind: _, version: __, ...own }: Choice): Own[] {
  return (Object.keys(own) as Own[]).filter((name) => own[name] != null);
}

function bare(region: Region): Region {
  return { ...region, mask: null };
}

function ruled(before: InForce, { mode, overlap, common_prompt }: Partial<Omit<SetRegionRules, "kind">>): InForce {
  return {
    ...before,
    region_mode: mode ?? before.region_mode,
    overlap: overlap ?? before.overlap,
    common_prompt: common_prompt ?? before.common_prompt,
  };
}

function isEqual(one: unknown, other: unknown): boolean {
  return one === other || JSON.stringify(one) === JSON.stringify(other);
}
