// With which settings each state of a session's tree was made, and which make what comes next on each of its branches. Pure.

import type { Command } from "../connection/client";
import type { Choice, Settings } from "../wire";
import { Contents } from "./contents";
import { changed, chosenFrom, type InForce, saysSame, sharedBy, takenAlong, toldOf } from "./inForce";

const PAINTS = new Set(["paint-region", "add-region", "add-region-from-word", "replace-regions"]);

type Shown = Required<Pick<Settings, "shown" | "hole">>;

interface State {
  /** null for the first of a tree. A first state of another picture has the one where a person stood. */
  parent: number | null;
  step: number;
  /** Whether it was made from its settings alone. */
  isStart: boolean;
  made: InForce;
}

interface Begun {
  before: InForce;
  left?: Settings | null;
}

export class Force {
  private states = new Map<number, State>();
  /** The last state of each branch, and what makes the one after it. */
  private tips = new Map<number, { node: number; inForce: InForce }>();
  private masks = new Contents();
  private shown = new Contents();

  /** What is in force after a command, as far as it says that itself. */
  changed(before: InForce, command: Command): InForce {
    const after = changed(before, command);
    if (PAINTS.has(command.kind)) return { ...after, painted: this.masks.next() };
    return command.kind === "show-image" ? { ...after, shown: this.shown.next() } : after;
  }

  /**
   * Settings that are told as a whole. They tell which masks and pictures these are, too: also of all that was made with `likely`, which
   * is taken to be the same where it says the same.
   */
  told(settings: Partial<Settings>, likely?: InForce): InForce {
    const told = toldOf(settings);
    const { shown = null, hole = null, regions = [] } = settings;
    const masks = Object.fromEntries(regions.map(({ id, mask = null }) => [id, mask]));
    const same = likely && saysSame(told, likely) ? likely : undefined;
    return {
      ...told,
      painted: this.masks.numberOf(masks, same?.painted),
      shown: this.shown.numberOf({ shown, hole }, same?.shown),
    };
  }

  /** What is in force at a state where what was asked for over a finished picture is taken along to it. */
  carried(there: InForce, made: InForce, asked: InForce): InForce {
    const along = takenAlong(there, made, asked);
    const isSame = made.painted === asked.painted && along.regions === there.regions;
    // some masks are those of the one, some those of the other
    return isSame ? along : { ...along, painted: this.masks.next() };
  }

  /** What made a state; undefined where it was made by nothing that the log tells of. */
  madeWith(node: number): InForce | undefined {
    return this.states.get(node)?.made;
  }

  /** The masks of regions by their ids; undefined where they are not known. */
  masksOf({ painted, regions }: InForce): Readonly<Record<string, string | null>> | undefined {
    const masks = this.masks.of(painted);
    return regions.every(({ id }) => id in masks) ? masks : undefined;
  }

  /** What the model is shown; undefined where that is not known. */
  shownOf({ shown: number }: InForce): Shown | undefined {
    const { shown, hole } = this.shown.of(number);
    return shown === undefined || hole === undefined ? undefined : { shown, hole };
  }

  knows(branch: number): boolean {
    return this.tips.has(branch);
  }

  isTip(branch: number, node: number): boolean {
    return this.tips.get(branch)?.node === node;
  }

  /** Whether a state is a finished picture. */
  isOver(node: number): boolean {
    const state = this.states.get(node);
    return state !== undefined && state.step >= state.made.num_steps;
  }

  /** A state is made from its settings alone. */
  start(node: number, state: Omit<State, "isStart">): void {
    this.states.set(node, { ...state, isStart: true });
  }

  /** A branch grows by a state. */
  grow(branch: number, node: number, state: Omit<State, "isStart">): void {
    this.states.set(node, { ...state, isStart: false });
    this.tips.set(branch, { node, inForce: state.made });
  }

  /** A state is the last of its branch, unless that is known to go on from there; this makes what comes after it. */
  settle(branch: number, node: number, inForce: InForce): void {
    if ((this.tips.get(branch)?.node ?? node) === node) this.tips.set(branch, { node, inForce });
  }

  /**
   * Branches begin to be compared. Returns what is in force on the first of them.
   *
   * `branch` and `node` are where that stands, `origin` is the state where those go on that do not begin anew, `before` is what is in force
   * there, as far as is known, and `left` what the log says of the first.
   */
  compare(
    choices: readonly Choice[],
    { branch, node, origin, before, left }: Record<"branch" | "node" | "origin", number> & Begun,
  ): InForce {
    const [first = { kind: "choice" }] = choices;
    const chosen = chosenFrom(before, first);
    const now = left ? this.told(left, chosen) : chosen;
    const shared = left ? sharedBy(first, now, before) : before;
    let next = first.seed == null ? Math.max(-1, ...this.states.keys()) + 1 : node;
    choices.forEach((choice, at) => {
      const made = at === 0 ? now : chosenFrom(shared, choice);
      const tip = choice.seed == null ? origin : next++;
      if (choice.seed != null) this.start(tip, { parent: origin, step: 0, made });
      this.settle(branch + at, tip, made);
    });
    return now;
  }

  /** What is in force at a state of a branch: at its tip what comes next, before it what made the state after. */
  at(branch: number, node: number): InForce | undefined {
    const tip = this.tips.get(branch);
    if (!tip || tip.node === node) return tip?.inForce ?? this.madeWith(node);
    const way = this.way(branch);
    const after = this.states.get(way[way.indexOf(node) - 1] ?? -1);
    return after && !after.isStart ? after.made : this.madeWith(node);
  }

  /** The latest state of a branch with so many steps done. */
  nodeAt(branch: number, step: number): number | undefined {
    return this.way(branch).find((node) => this.states.get(node)?.step === step);
  }

  /** The states of a branch, the last one first. */
  private way(branch: number): number[] {
    const way: number[] = [];
    let at: number | null = this.tips.get(branch)?.node ?? null;
    while (at !== null) {
      way.push(at);
      at = this.states.get(at)?.parent ?? null;
    }
    return way;
  }
}
