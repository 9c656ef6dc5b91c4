// What presets are made of, and what comes of them: files, commands, openings. Pure.

import { zlibSync } from "fflate";
import type { Draft } from "../session/draft";
import type { Mask, Placed, Region, ReplaceRegions } from "../wire";

export type PresetKind = "settings" | "regions";
export type Content = Record<string, unknown>;

/** A region of a preset, as far as it differs from one of a session. */
interface PresetRegion extends Partial<Omit<Region, "id" | "mask">> {
  /** left, top, right, bottom in fractions of the picture's sides. */
  box?: [number, number, number, number] | null;
  /** A PNG as a data URI. */
  mask?: string | null;
}

type Rules = Pick<ReplaceRegions, "prompt" | "negative_prompt" | "mode" | "overlap" | "common_prompt">;
export interface RegionContent extends Rules {
  regions?: PresetRegion[];
}

const FORMATS = { regions: "ildm-regions", settings: "ildm-settings" } as const;

/** The one command that puts a preset's regions in the place of all others. `read` makes a mask of a PNG. */
export async function replaceWith(
  { regions = [], prompt, negative_prompt, mode, overlap, common_prompt }: RegionContent,
  width: number,
  height: number,
  read: (uri: string, width: number, height: number) => Promise<Mask>,
): Promise<ReplaceRegions> {
  const placed = regions.map(async ({ box, mask, ...fields }, index): Promise<Placed> => {
    const region: Region = { id: String(index + 1), ...fields };
    if (box) return { region, mask: rectangle(width, height, box) };
    return { region, mask: mask ? await read(mask, width, height) : null };
  });
  const rules = { prompt: prompt ?? null, negative_prompt: negative_prompt ?? null, mode: mode ?? "attention" };
  return {
    kind: "replace-regions",
    regions: await Promise.all(placed),
    ...rules,
    overlap: overlap ?? "normalise",
    common_prompt: common_prompt ?? "",
  };
}

/** 255 inside a box, which has a row and a column at least; as `Mask.rectangle` of the server has it. */
export function rectangle(width: number, height: number, [l, t, r, b]: [number, number, number, number]): Mask {
  const left = Math.min(Math.round(l * width), width - 1);
  const top = Math.min(Math.round(t * height), height - 1);
  const right = Math.max(Math.round(r * width), left + 1);
  const bottom = Math.max(Math.round(b * height), top + 1);
  const values = new Uint8Array(width * height);
  for (let row = top; row < bottom; row++) values.fill(255, row * width + left, row * width + right);
  return { width, height, data: zlibSync(values) };
}

/** The text of a preset's file. */
export function presetText(kind: PresetKind, name: string, content: Content): string {
  return `${JSON.stringify({ format: FORMATS[kind], version: 1, ...content, name }, null, 1)}\n`;
}

/** The preset in a file's text. Throws a sentence where there is none. */
export function presetIn(text: string, fileName: string): { kind: PresetKind; name: string; content: Content } {
  const given = parsed(text, fileName);
  const fallback = fileName.replace(/\.json$/i, "");
  if (given.format === FORMATS.regions) return { kind: "regions", name: nameIn(given, fallback), content: given };
  const { format, version: _, name: __, ...content } = given;
  const isSettings =
    format === FORMATS.settings || (format === undefined && ("prompt" in given || "num_steps" in given));
  if (!isSettings)
    throw new Error(`${fileName} is no preset: one begins with "format": "ildm-regions" or "ildm-settings".`);
  return { kind: "settings", name: nameIn(given, fallback), content };
}

/** What of a preset of settings a form can take. */
export function draftIn(content: object): Partial<Draft> {
  const fields = new Map<string, unknown>(Object.entries(content));
  const told = ["num_steps", "guidance_scale", "seed", "width", "height"].filter((key) => isNumber(fields.get(key)));
  const said = ["model", "prompt", "negative_prompt", "sampler"].filter((key) => typeof fields.get(key) === "string");
  return Object.fromEntries([...told, ...said].map((key) => [key, fields.get(key)]));
}

function parsed(text: string, fileName: string): Content {
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    throw new Error(`${fileName} is no JSON: it was cut or changed, so export it once more.`);
  }
  if (typeof given !== "object" || given === null || Array.isArray(given)) throw new Error(`${fileName} is no preset.`);
  return given as Content;
}

function nameIn(given: Content, fallback: string): string {
  return typeof given.name === "string" && given.name.trim() ? given.name.trim() : fallback;
}

function isNumber(value: unknown): boolean {
  return typeof value === "number" && Number.isFinite(value);
}
