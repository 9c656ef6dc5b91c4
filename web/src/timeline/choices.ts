// The cells of a comparison: every combination of the values of one or two settings. Pure.

import { quoted } from "../parts/phrases";
import type { Choice } from "../wire";
import { methodName } from "./called";

export type Setting = "prompt" | "negative_prompt" | "guidance_scale" | "sampler" | "num_steps" | "seed";
type Value = string | number;

/** The most pictures that one comparison may have. */
export const MOST_CHOICES = 64;

export interface Axis {
  setting: Setting;
  values: readonly Value[];
}

export const SETTINGS: { value: Setting; label: string }[] = [
  { value: "prompt", label: "What it shows" },
  { value: "negative_prompt", label: "What it avoids" },
  { value: "guidance_scale", label: "How strongly to follow the words" },
  { value: "sampler", label: "Method" },
  { value: "num_steps", label: "Steps" },
  { value: "seed", label: "Seed" },
];

const NUMBERS: Partial<Record<Setting, { least: number; most: number; isWhole: boolean; called: string }>> = {
  guidance_scale: { least: 0, most: 100, isWhole: false, called: "a strength" },
  num_steps: { least: 1, most: 1000, isWhole: true, called: "a number of steps" },
  seed: { least: 0, most: Number.MAX_SAFE_INTEGER, isWhole: true, called: "a seed" },
};

/** What a person typed as the values of a setting: a line each for words, otherwise with commas or blanks between. */
export function valuesIn(setting: Setting, text: string): { values: Value[]; problem: string | null } {
  const parts = setting === "prompt" || setting === "negative_prompt" ? text.split("\n") : text.split(/[\s,;]+/);
  const said = [...new Set(parts.map((part) => part.trim()).filter(Boolean))];
  const kind = NUMBERS[setting];
  if (!kind) return { values: said, problem: null };
  const values = [...new Set(said.map(Number))];
  const isRight = (one: number) => one >= kind.least && one <= kind.most && (!kind.isWhole || Number.isInteger(one));
  const wrong = said.find((one) => !isRight(Number(one)));
  return wrong === undefined
    ? { values, problem: null }
    : { values: [], problem: `${quoted(wrong)} is not ${kind.called}.` };
}

/** A choice for every combination, the last setting varying fastest. */
export function combinations(axes: readonly Axis[]): Choice[] {
  return axes.reduce<Choice[]>(
    (made, { setting, values }) =>
      made.flatMap((choice) => values.map((value) => ({ ...choice, [setting]: value }) as Choice)),
    [{ kind: "choice" }],
  );
}

export interface Table {
  rows: string[];
  columns: string[];
  /** Which choice stands where, row by row. */
  cells: number[][];
}

/** How to lay choices out: a table where two settings vary fully, otherwise one row. */
export function tableOf(choices: readonly Choice[]): Table {
  const varied = SETTINGS.map(({ value }) => value).filter((setting) => {
    const values = new Set(choices.map((choice) => choice[setting] ?? null));
    return values.size > 1;
  });
  const [one, other] = varied;
  if (one && other && varied.length === 2) {
    const rows = [...new Set(choices.map((choice) => choice[one] ?? null))];
    const columns = [...new Set(choices.map((choice) => choice[other] ?? null))];
    const cells = rows.map((row) =>
      columns.map((column) =>
        choices.findIndex((choice) => (choice[one] ?? null) === row && (choice[other] ?? null) === column),
      ),
    );
    if (rows.length * columns.length === choices.length && cells.flat().every((at) => at >= 0))
      return { rows: rows.map((row) => said(one, row)), columns: columns.map((column) => said(other, column)), cells };
  }
  return {
    rows: [""],
    columns: choices.map((choice) => varied.map((setting) => said(setting, choice[setting] ?? null)).join(", ")),
    cells: [choices.map((_, at) => at)],
  };
}

function said(setting: Setting, value: Value | null): string {
  if (value === null) return "as it is";
  if (setting === "sampler") return methodName(String(value));
  if (setting === "guidance_scale") return `strength ${value}`;
  if (setting === "seed") return `seed ${value}`;
  return setting === "num_steps" ? `${value} steps` : quoted(String(value));
}
