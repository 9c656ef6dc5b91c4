// What was asked of regions, as a person would say it. Pure.

import type { Command } from "../connection/client";
import { quoted, short } from "../parts/phrases";
import type { Region } from "../wire";
import type { InForce } from "./inForce";
import { difference } from "./wording";

type Kind =
  | "add-region"
  | "add-region-from-word"
  | "change-region"
  | "remove-region"
  | "reorder-regions"
  | "replace-regions"
  | "paint-region"
  | "set-region-rules";

/** A command about regions as what it changed: a clause without a full stop. */
export function askedOfRegions(command: Extract<Command, { kind: Kind }>, before: InForce): string {
  switch (command.kind) {
    case "add-region":
      return `${regionCalled(command.region)} came${says(command.region)}`;
    case "add-region-from-word":
      return `${regionCalled(command.region)} came where ${quoted(command.word)} is${says(command.region)}`;
    case "change-region":
      return regionChanged(command.region, before);
    case "remove-region":
      return `${regionById(command.id, before)} went`;
    case "reorder-regions":
      return "the regions lie on each other in another order";
    case "replace-regions":
      return command.regions.length === 0
        ? "all regions went"
        : `other regions came: ${command.regions.map((one) => regionCalled(one.region)).join(", ")}`;
    case "paint-region":
      return `${regionById(command.id, before)} ${command.erase ? "lost" : "gained"} some ground`;
    case "set-region-rules":
      return rules(command, before);
  }
}

function regionChanged(region: Region, before: InForce): string {
  const former = before.regions.find((one) => one.id === region.id);
  const called = regionCalled(region);
  if (!former) return `${called} changed${says(region)}`;
  const was = former.prompt ?? "";
  const is = region.prompt ?? "";
  if (is !== was) return `in ${regionCalled(former)}, ${was ? difference(was, is) : `${quoted(is)} is to be seen`}`;
  if ((former.name ?? "") !== (region.name ?? "")) return `${regionCalled(former)} is called ${called} now`;
  if ((former.strength ?? 1) !== (region.strength ?? 1))
    return `${called} acts with strength ${short(region.strength ?? 1)} instead of ${short(former.strength ?? 1)}`;
  return `${called} changed`;
}

function rules(
  { mode, overlap, common_prompt }: Extract<Command, { kind: "set-region-rules" }>,
  before: InForce,
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

function regionById(id: string, before: InForce): string {
  return regionCalled(before.regions.find((one) => one.id === id) ?? { id });
}

/** The ids that the page gives: a number, and some signs by chance. */
const NUMBERED = /^region-(\d+)-/;

/** A region within a sentence: by its name or its words in quotes, else by its number. */
function regionCalled({ id, name, prompt }: Pick<Region, "id" | "name" | "prompt">): string {
  if (name || prompt) return `the region ${quoted(name || prompt || "")}`;
  const number = NUMBERED.exec(id)?.[1];
  return number ? `region ${number}` : `the region ${quoted(id)}`;
}

function says(region: Region): string {
  return region.prompt && region.name && region.prompt !== region.name ? `: ${quoted(region.prompt)}` : "";
}
