// What was asked for, as a person would say it. Pure: plain values in, clauses out.

import type { Command } from "../connection/client";
import { counted, percent, quoted, short } from "../parts/phrases";
import type { Choice } from "../wire";
import { askedOfRegions } from "./askedOfRegions";
import { branchCalled, methodName } from "./called";
import { type InForce, NOTHING } from "./inForce";
import { difference } from "./wording";

/** What was in force before a command, and how branches and states are called. */
export interface Before extends InForce {
  branches: ReadonlyMap<number, string>;
}

export const NOTHING_BEFORE: Before = { ...NOTHING, branches: new Map() };

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
      return `the picture takes ${counted(command.num_steps, "step")}${before.num_steps ? ` instead of ${before.num_steps}` : ""}`;
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
      return `${branchCalled(command.branch, before.branches)} was opened`;
    case "branch-off": {
      const where = command.step == null ? "here" : `at step ${command.step}`;
      return `a branch began ${where}${command.name ? `, called ${quoted(command.name)}` : ""}`;
    }
    case "name-node":
      return command.name === null ? "a state lost its name" : `this state was called ${quoted(command.name)}`;
    case "name-branch":
      return command.name === null
        ? `${branchCalled(command.branch, before.branches)} lost its name`
        : `${branchCalled(command.branch, before.branches)} was called ${quoted(command.name)}`;
    case "delete-branch":
      return `${branchCalled(command.branch, before.branches)} was deleted`;
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
    case "show-image": {
      if (!command.image)
        return command.mask ? "an area was chosen to draw into" : "the model was shown nothing any more";
      return command.mask ? "the model was shown a picture to draw into" : "the model was shown another picture or map";
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
      return `${counted(command.choices.length, "picture")} ${where} to compare: ${choices}${command.choices.length > 4 ? "; ..." : ""}`;
    }
    case "set-preview-rate":
      if (command.every === 0) return "only the end is shown";
      return command.every === 1 ? "every step is shown" : `one step in ${command.every} is shown`;
    default:
      return askedOfRegions(command, before);
  }
}

/** One cell of a comparison, by what it has of its own. */
export function chosen(choice: Choice): string {
  const parts = [
    choice.prompt == null ? null : quoted(choice.prompt),
    choice.negative_prompt == null ? null : `without ${quoted(choice.negative_prompt)}`,
    choice.guidance_scale == null ? null : `strength ${short(choice.guidance_scale)}`,
    choice.sampler == null ? null : methodName(choice.sampler),
    choice.num_steps == null ? null : counted(choice.num_steps, "step"),
    choice.seed == null ? null : `seed ${choice.seed}`,
  ];
  return parts.filter((part) => part !== null).join(", ") || "as it is";
}

function strength(value: number | undefined): string {
  return value === undefined || value === 1 ? "" : `, strength ${short(value)}`;
}
