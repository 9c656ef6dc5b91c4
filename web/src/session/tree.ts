// Ways through the tree of states. Pure.

import type { BranchView, NodeView } from "../wire";

export type Nodes = ReadonlyMap<number, NodeView>;
export type Branches = ReadonlyMap<number, BranchView>;

/** The states from the beginning to one, in order. */
export function lineage(nodes: Nodes, tip: number): NodeView[] {
  const found: NodeView[] = [];
  for (let node = nodes.get(tip); node; node = node.parent === null ? undefined : nodes.get(node.parent))
    found.push(node);
  return found.reverse();
}

/** The states of a branch, from the beginning to its tip. */
export function statesOf(nodes: Nodes, branches: Branches, branch: number): NodeView[] {
  const known = branches.get(branch);
  return known ? lineage(nodes, known.tip) : [];
}

export interface Lane {
  branch: BranchView;
  /** The state it left another branch at; null for the first. */
  from: NodeView | null;
  /** The states that are its own. */
  own: NodeView[];
  depth: number;
}

/** Branches as lanes under each other: each shows only the states that no earlier lane has. Older branches come first. */
export function lanesOf(nodes: Nodes, branches: Branches): Lane[] {
  const laneOf = new Map<number, Lane>();
  const lanes: Lane[] = [];
  for (const branch of [...branches.values()].sort((a, b) => a.id - b.id)) {
    const path = lineage(nodes, branch.tip);
    const first = path.findIndex((node) => !laneOf.has(node.id));
    const own = first < 0 ? [] : path.slice(first);
    const from = (first < 0 ? path.at(-1) : path[first - 1]) ?? null;
    const lane: Lane = { branch, from, own, depth: from ? (laneOf.get(from.id)?.depth ?? 0) + 1 : 0 };
    for (const node of own) laneOf.set(node.id, lane);
    lanes.push(lane);
  }
  return lanes;
}
