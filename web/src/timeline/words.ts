// What was asked for and what happened, as a person would say it. Pure: plain values in, sentences out.

import type { Command } from "../connection/client";
import { SAMPLERS } from "../prompt/samplers";
import type { SessionEvent } from "../session/view";
import type { Choice, Region } from "../wire";
import { type InForce, NOTHING } from "./force";

/** What was in force before a command, and how branches and states are called. */
export interface Before extends InForce {
  branches: ReadonlyMap<number, string>;
}

export const NOTHING_BEFORE: Before = { ...NOTHING, branches: new Map() };

const MOST_LETTERS = 90;
const ARTICLE = /^(a|an|the|some|two|three)$/i;
const ENDS =
  /^(on|in|at|of|with|and|or|to|from|by|under|over|near|behind|beside|before|above|below|next|made|is|are|AND|BREAK)$|^[[(]/i;

/** Somebody's words in one line, in quotes, cut after some letters. */
export function quoted(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return `'${line.length <= MOST_LETTERS ? line : `${line.slice(0, MOST_LETTERS - 3)}...`}'`;
}

/** How a branch is called: by its name, or its number; one of a comparison by what was chosen for it. */
export function branchName(id: number, name: string | null | undefined, names?: ReadonlyMap<number, string>): string {
  if (!name) return `Branch ${id + 1}`;
  return /^choice \d+$/.test(name) ? capital(names?.get(id) ?? name) : name;
}

/** What is different between two texts: "'a cat' became 'a lion'". Only the words between those that both share. */
export function difference(before: string, after: string): string {
  const old = before.trim().split(/\s+/).filter(Boolean);
  const now = after.trim().split(/\s+/).filter(Boolean);
  let first = 0;
  while (first < old.length && first < now.length && old[first] === now[first]) first++;
  let last = 0;
  while (last < old.length - first && last < now.length - first && old.at(-1 - last) === now.at(-1 - last)) last++;
  // "a red apple" is easier to read than "red"
  const swaps = old.length - first - last > 0 && now.length - first - last > 0;
  if (swaps && first > 0 && ARTICLE.test(old[first - 1] ?? "")) first--;
  const end = old[old.length - last - 1] ?? "";
  if (swaps && last > 0 && /\w$/.test(end) && !ENDS.test(old[old.length - last] ?? "")) last--;
  const gone = old.slice(first, old.length - last).join(" ");
  const come = now.slice(first, now.length - last).join(" ");
  if (!gone && !come) return "nothing changed";
  if (!gone) return `${quoted(come)} was added`;
  if (!come) return `${quoted(gone)} was taken out`;
  return `${quoted(gone)} became ${quoted(come)}`;
}

/** A command as what it changed: a clause without a full stop. */
export function asked(command: Command, before: Before = NOTHING_BEFORE): string {
  switch (command.kind) {
    case "set-prompt":
      if (!before.prompt.trim()) return `the picture is to show ${quoted(command.text)}`;
      if (!command.text.trim()) return "the words were taken away";
      return command.text === before.prompt ? "the words stayed as they were" : difference(before.prompt, command.text);
    case "set-negative-prompt":
      if (!command.text.trim()) return "nothing is avoided any more";
      if (!before.negative_prompt.trim()) return `${quoted(command.text)} is to be avoided`;
      return `to be avoided: ${difference(before.negative_prompt, command.text)}`;
    case "set-guidance": {
      const { scale, rescale } = command;
      const rescaled = rescale == null ? "" : `, softened by ${short(rescale)}`;
      const way = scale > before.guidance_scale ? "more" : scale < before.guidance_scale ? "less" : "";
      const from = Number.isNaN(before.guidance_scale) ? "" : ` instead of ${short(before.guidance_scale)}`;
      return way
        ? `the words are followed ${way} strongly: ${short(scale)}${from}${rescaled}`
        : `the words are followed with strength ${short(scale)}${rescaled}`;
    }
    case "set-sampler":
      return `the method became ${methodName(command.name)}`;
    case "set-num-steps":
      return `the picture takes ${count(command.num_steps, "step")}${before.num_steps ? ` instead of ${before.num_steps}` : ""}`;
    case "pause":
      return "a pause was asked for";
    case "resume":
      return "it was to go on";
    case "step-once":
      return "one step was asked for";
    case "cancel":
      return "it was stopped";
    case "rewind":
      return `it went to step ${command.step}`;
    case "open-node":
      return "another state was opened";
    case "open-branch":
      return `${branchCalled(command.branch, before)} was opened`;
    case "branch-off": {
      const where = command.step == null ? "here" : `at step ${command.step}`;
      return `a branch began ${where}${command.name ? `, called ${quoted(command.name)}` : ""}`;
    }
    case "name-node":
      return command.name === null ? "a state lost its name" : `this state was called ${quoted(command.name)}`;
    case "name-branch":
      return command.name === null
        ? `${branchCalled(command.branch, before)} lost its name`
        : `${branchCalled(command.branch, before)} was called ${quoted(command.name)}`;
    case "delete-branch":
      return `${branchCalled(command.branch, before)} was deleted`;
    case "undo":
      return "the last change was undone";
    case "redo":
      return "the change was made again after all";
    case "start-over": {
      const { seed, width, height } = command;
      const size = width == null && height == null ? "" : `, ${width ?? "as"} x ${height ?? "as before"} px`;
      return `it began again from ${seed == null ? "noise" : `the noise of seed ${seed}`}${size}`;
    }
    case "start-from-image": {
      const part = command.change_map ? "the painted part of " : "";
      return `it began from ${part}a picture, to be changed by ${percent(command.strength ?? 0.6)}`;
    }
    case "lock-area":
      return "an area was locked";
    case "release-area":
      return command.area ? "an area was let go" : "all that was locked was let go";
    case "redo-area": {
      const seed = command.seed == null ? "" : `, seed ${command.seed}`;
      return `an area was made anew by ${percent(command.strength ?? 0.7)}${seed}`;
    }
    case "like-area":
      return `more like ${command.area ? "this area" : "the whole picture"}${strength(command.strength)}`;
    case "dislike-area":
      return `something else for ${command.area ? "an area" : "the whole picture"}${strength(command.strength)}`;
    case "forget-feedback":
      return "all likes and dislikes were taken back";
    case "compare": {
      const where = command.step == null ? "from here" : `from step ${command.step}`;
      const choices = command.choices.slice(0, 4).map(chosen).join("; ");
      return `${count(command.choices.length, "picture")} ${where} to compare: ${choices}${command.choices.length > 4 ? "; ..." : ""}`;
    }
    case "set-preview-rate":
      if (command.every === 0) return "only the end is shown";
      return command.every === 1 ? "every step is shown" : `one step in ${command.every} is shown`;
    case "add-region":
      return `the region ${regionCalled(command.region)} came${says(command.region)}`;
    case "add-region-from-word":
      return `the region ${regionCalled(command.region)} came where ${quoted(command.word)} is${says(command.region)}`;
    case "change-region":
      return regionChanged(command.region, before);
    case "remove-region":
      return `the region ${regionById(command.id, before)} went`;
    case "reorder-regions":
      return "the regions lie on each other in another order";
    case "replace-regions":
      return command.regions.length === 0
        ? "all regions went"
        : `other regions came: ${command.regions.map((one) => regionCalled(one.region)).join(", ")}`;
    case "paint-region":
      return `the region ${regionById(command.id, before)} ${command.erase ? "lost" : "gained"} some ground`;
    case "set-region-rules":
      return rules(command, before);
  }
}

/** One cell of a comparison, by what it has of its own. */
export function chosen(choice: Choice): string {
  const parts = [
    choice.prompt == null ? null : quoted(choice.prompt),
    choice.negative_prompt == null ? null : `without ${quoted(choice.negative_prompt)}`,
    choice.guidance_scale == null ? null : `strength ${short(choice.guidance_scale)}`,
    choice.sampler == null ? null : methodName(choice.sampler),
    choice.num_steps == null ? null : count(choice.num_steps, "step"),
  ];
  return parts.filter((part) => part !== null).join(", ") || "as it is";
}

/** Commands for which it does not matter at which step they came. */
const ANYWHERE = new Set(["open-node", "open-branch", "name-branch", "delete-branch", "set-preview-rate"]);

/** An event as a sentence. */
export function happened(event: SessionEvent, before: Before = NOTHING_BEFORE): string {
  switch (event.kind) {
    case "session-opened": {
      const { prompt = "", num_steps, sampler, guidance_scale, seed, width, height } = event.settings;
      const what = prompt.trim() ? quoted(prompt) : "a picture without words";
      return (
        `Began with ${what}: ${count(num_steps, "step")}, ${methodName(sampler)}, strength ${short(guidance_scale)}, ` +
        `seed ${seed}, ${width} x ${height} px, ${event.model}.`
      );
    }
    case "command-applied": {
      const { command, applied_step: step } = event;
      if (command.kind === "rewind")
        return `Went ${command.step > step ? "on" : "back"} from step ${step} to step ${command.step}.`;
      return ANYWHERE.has(command.kind)
        ? `${capital(asked(command, before))}.`
        : `Step ${step}: ${asked(command, before)}.`;
    }
    case "command-rejected":
      return event.code === "superseded"
        ? "Not done: a later change took its place."
        : `Not done: ${sentenced(event.text)}`;
    case "step-completed":
      return `Step ${event.step} of ${event.num_steps}${event.fresh === false ? ", as before" : ""}.`;
    case "state-saved":
      return "A state was saved.";
    case "cursor-moved":
      return `Now at step ${event.step} of ${branchCalled(event.branch, before)}.`;
    case "run-finished":
      return `${capital(branchCalled(event.branch, before))} is finished.`;
    case "run-paused":
      return event.reason ? `Paused: ${sentenced(event.reason)}` : "Paused.";
    case "run-resumed":
      return "Went on.";
    case "run-cancelled":
      return "Stopped before the end.";
    case "run-failed":
      return `It cannot go on: ${sentenced(event.text)}`;
  }
}

/** A method by its short name. */
export function methodName(sampler: string): string {
  const known = SAMPLERS.find((one) => one.value === sampler)?.label;
  return known?.split(" - ")[0] ?? quoted(sampler);
}

function regionChanged(region: Region, before: Before): string {
  const former = before.regions.find((one) => one.id === region.id);
  const called = regionCalled(region);
  if (!former) return `the region ${called} changed${says(region)}`;
  const was = former.prompt ?? "";
  const is = region.prompt ?? "";
  if (is !== was) return `in the region ${called}, ${was ? difference(was, is) : `${quoted(is)} is to be seen`}`;
  if ((former.name ?? "") !== (region.name ?? "")) return `the region ${regionCalled(former)} is called ${called} now`;
  if ((former.strength ?? 1) !== (region.strength ?? 1))
    return `the region ${called} acts with strength ${short(region.strength ?? 1)} instead of ${short(former.strength ?? 1)}`;
  return `the region ${called} changed`;
}

function rules(
  { mode, overlap, common_prompt }: Extract<Command, { kind: "set-region-rules" }>,
  before: Before,
): string {
  const said = [
    mode == null ? null : `the regions are drawn ${mode === "latent" ? "each by itself" : "together"}`,
    overlap == null ? null : `where regions overlap, ${OVERLAPS[overlap]}`,
    common_prompt == null || common_prompt === before.common_prompt
      ? null
      : `all regions share ${quoted(common_prompt)}`,
  ].filter((one) => one !== null);
  return said.join("; ") || "the regions act as before";
}

const OVERLAPS = {
  normalise: "they share the place",
  add: "both act fully",
  "z-order": "the upper one wins",
} as const;

function branchCalled(id: number, before: Before): string {
  const name = before.branches.get(id);
  return name ? quoted(name) : `branch ${id + 1}`;
}

function regionById(id: string, before: Before): string {
  return regionCalled(before.regions.find((one) => one.id === id) ?? { id });
}

function regionCalled(region: Pick<Region, "id" | "name" | "prompt">): string {
  return quoted(region.name || region.prompt || region.id);
}

function says(region: Region): string {
  return region.prompt && region.name && region.prompt !== region.name ? `: ${quoted(region.prompt)}` : "";
}

function strength(value: number | undefined): string {
  return value === undefined || value === 1 ? "" : `, strength ${short(value)}`;
}

function count(number: number, noun: string): string {
  return number === 1 ? `1 ${noun}` : `${number} ${noun}s`;
}

function short(value: number): string {
  return String(Number(value.toFixed(2)));
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function sentenced(text: string): string {
  const line = capital(text.trim());
  return /[.!?]$/.test(line) ? line : `${line}.`;
}
