// The strip of states: which way through the tree it shows, and which state each of its cells does. Pure.

import { lineage, type Nodes } from "../session/tree";
import type { View } from "../session/view";
import type { NodeView } from "../wire";

/** The way that is looked at, as far as it goes, and as far as it is to go. */
export interface Way {
  branch: number;
  /** The states from where it began, one for each step. */
  states: readonly NodeView[];
  /** How many steps were done at its first state; more than 0 where it began from a picture. */
  first: number;
  /** The last step there is. */
  tip: number;
  /** The last step there will be. */
  last: number;
}

/** The states since the last beginning: what lies before that is another picture's past. */
export function statesSinceStart(nodes: Nodes, tip: number): NodeView[] {
  const all = lineage(nodes, tip);
  const begun = all.findLastIndex((node) => node.origin === "start");
  return all.slice(Math.max(0, begun));
}

export function wayOf({ nodes, branches, place }: Pick<View, "nodes" | "branches" | "place">): Way {
  const tip = branches.get(place.branch)?.tip ?? place.node;
  const states = statesSinceStart(nodes, tip);
  const first = states[0]?.step ?? 0;
  const reached = first + Math.max(0, states.length - 1);
  return { branch: place.branch, states, first, tip: reached, last: Math.max(place.settings.num_steps, reached) };
}

/** The state after so many steps, where it is there. */
export function stateAt(way: Way, step: number): NodeView | undefined {
  return way.states[step - way.first];
}

export interface Cell {
  /** The steps it stands for. */
  from: number;
  to: number;
}

/** Cells that fill a width: one for each step, or fewer where there is no room. */
export function cellsOf(last: number, width: number, narrowest: number): Cell[] {
  const steps = last + 1;
  const count = Math.max(1, Math.min(steps, Math.floor(width / narrowest)));
  return Array.from({ length: count }, (_, at) => ({
    from: Math.floor((at * steps) / count),
    to: Math.floor(((at + 1) * steps) / count) - 1,
  }));
}

/** The state that a cell shows: the furthest of those it stands for. */
export function shownIn(way: Way, { from, to }: Cell): NodeView | undefined {
  const step = Math.min(to, way.tip);
  return step >= from ? stateAt(way, step) : undefined;
}

/** Where in a strip the middle of a step is, as a share of its width. */
export function middleOf(step: number, last: number): number {
  return (Math.min(step, last) + 0.5) / (last + 1);
}

/** The step at a share of the width, of those that there are. */
export function stepAt(share: number, way: Way): number {
  const step = Math.floor(share * (way.last + 1));
  return Math.max(way.first, Math.min(way.tip, step));
}
