// How branches, states and methods are called. Pure.

import { capital, quoted } from "../parts/phrases";
import { SAMPLERS } from "../prompt/samplers";

/** How a branch is called: by its name, or its number; one of a comparison by what was chosen for it. */
export function branchName(id: number, name: string | null | undefined, names?: ReadonlyMap<number, string>): string {
  if (!name) return `Branch ${id + 1}`;
  return /^choice \d+$/.test(name) ? capital(names?.get(id) ?? name) : name;
}

/** A branch within a sentence: by its name in quotes, or its number. */
export function branchCalled(id: number, branches: ReadonlyMap<number, string>): string {
  const name = branches.get(id);
  return name ? quoted(name) : `branch ${id + 1}`;
}

/** A method by its short name. */
export function methodName(sampler: string): string {
  const known = SAMPLERS.find((one) => one.value === sampler)?.label;
  return known?.split(" - ")[0] ?? quoted(sampler);
}
