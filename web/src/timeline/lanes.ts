// Branches as rows of a tree: which are shown, in which order, and which lines pass them by. Pure.

import type { Lane } from "../session/tree";

export interface Row {
  branch: number;
  tip: number;
  name: string | null;
  depth: number;
  /** The step at which it left another; null for one that did not. */
  from: number | null;
  /** The steps of its own states; null where it has none yet. */
  own: { first: number; last: number } | null;
  /** Steps at which lines to later rows pass this one. */
  passing: number[];
  /** How many branches came of it, shown or not. */
  children: number;
  isFolded: boolean;
}

/** The rows of all branches that are not folded away, each under the one it came from. */
export function rowsOf(lanes: readonly Lane[], folded: ReadonlySet<number>): Row[] {
  const owner = new Map(lanes.flatMap((lane) => lane.own.map((node) => [node.id, lane] as const)));
  const children = new Map<Lane | undefined, Lane[]>();
  for (const lane of lanes) {
    const parent = lane.from ? owner.get(lane.from.id) : undefined;
    const key = parent === lane ? undefined : parent;
    children.set(key, [...(children.get(key) ?? []), lane]);
  }
  const rows: Row[] = [];
  const parents: number[] = [];
  const visit = (lane: Lane, depth: number, parent: number) => {
    const { branch, own, from } = lane;
    const at = rows.length;
    const below = children.get(lane) ?? [];
    const first = own[0];
    const last = own.at(-1);
    parents.push(parent);
    rows.push({
      branch: branch.id,
      tip: branch.tip,
      name: branch.name ?? null,
      depth,
      from: from && first?.origin !== "start" ? from.step : null,
      own: first && last ? { first: first.step, last: last.step } : null,
      passing: [],
      children: count(children, lane),
      isFolded: folded.has(branch.id),
    });
    if (!folded.has(branch.id)) for (const child of below) visit(child, depth + 1, at);
  };
  for (const root of children.get(undefined) ?? []) visit(root, 0, -1);
  rows.forEach((row, at) => {
    const { from } = row;
    if (from === null) return;
    for (let between = (parents[at] ?? at) + 1; between < at; between++) {
      const passed = rows[between];
      if (passed && !passed.passing.includes(from)) passed.passing.push(from);
    }
  });
  return rows;
}

function count(children: ReadonlyMap<Lane | undefined, Lane[]>, lane: Lane): number {
  const below = children.get(lane) ?? [];
  return below.length + below.reduce((sum, child) => sum + count(children, child), 0);
}
