// What is in force in a session: now, at each of its states, and before and after what was undone. Pure.

import type { Command } from "../connection/client";
import type { Choice, Region, SetRegionRules, Settings } from "../wire";

type Words = "prompt" | "negative_prompt" | "common_prompt";
type Numbers = "guidance_scale" | "num_steps" | "seed" | "width" | "height";

/** The state of a branch that nobody has told of yet. */
const UNHEARD = -1;

interface Told extends Required<Pick<Settings, Words | Numbers | "sampler" | "overlap" | "region_mode">> {
  regions: readonly Region[];
}

/** What acts on a picture, but for the contents of pictures and masks. */
export interface InForce extends Told {
  /** Another number wherever masks of regions are others. */
  painted: number;
  /** Another number wherever the model is shown something else. */
  shown: number;
}

export const NOTHING: InForce = {
  prompt: "",
  negative_prompt: "",
  guidance_scale: Number.NaN,
  sampler: "",
  num_steps: 0,
  seed: 0,
  width: 0,
  height: 0,
  common_prompt: "",
  overlap: "normalise",
  region_mode: "attention",
  regions: [],
  painted: 0,
  shown: 0,
};

const PAINTS = new Set(["paint-region", "add-region", "add-region-from-word", "replace-regions"]);

export class Force {
  /** What makes the next step. */
  now = NOTHING;
  /** What each state was made with. */
  private made = new Map<number, InForce>();
  private parents = new Map<number, number>();
  /** The last state of each branch, and what makes the one after it. */
  private tips = new Map<number, { node: number; inForce: InForce }>();
  private undone: InForce[] = [];
  private done: InForce[] = [];
  private changes = 0;

  /** A session is opened. */
  begin(settings: Partial<Told>): void {
    const { painted, shown, ...told } = NOTHING;
    const given = Object.entries(settings).filter(([name, value]) => name in told && value != null);
    this.now = { ...told, ...Object.fromEntries(given), painted, shown };
    this.settle(0, 0);
  }

  /** A command takes effect at a state of a branch. */
  change(command: Command, branch: number, node: number): void {
    this.done.push(this.now);
    this.undone = [];
    this.now = this.numbered(changed(this.now, command), command);
    if (this.tips.get(branch)?.node === node) this.settle(branch, node);
  }

  /** The change before takes effect a little more: a further patch of a stroke. */
  goOn(command: Command, branch: number, node: number): void {
    this.now = this.numbered(this.now, command);
    if (this.tips.get(branch)?.node === node) this.settle(branch, node);
  }

  /** What made a state; undefined where it was made by nothing that the log tells of. */
  madeWith(node: number): InForce | undefined {
    return this.made.get(node);
  }

  /** Whether there was a change to take back. */
  undo(): boolean {
    const former = this.done.pop();
    if (!former) return false;
    this.undone.push(this.now);
    this.now = former;
    return true;
  }

  /** Whether there was a change to make again. */
  redo(): boolean {
    const later = this.undone.pop();
    if (!later) return false;
    this.done.push(this.now);
    this.now = later;
    return true;
  }

  /** What is in force now makes what comes after a state, the last of its branch. */
  settle(branch: number, node: number): void {
    this.tips.set(branch, { node, inForce: this.now });
  }

  /** A branch grows by a state. */
  grow(branch: number, node: number, parent: number): void {
    this.parents.set(node, parent);
    this.make(node);
    this.settle(branch, node);
  }

  /** A state is made with what is in force now. */
  make(node: number): void {
    this.made.set(node, this.now);
  }

  /** A branch begins at a state of the branch `from`, unless it is there already. */
  branchOff(branch: number, node: number, from: number): void {
    if (!this.tips.has(branch)) this.tips.set(branch, { node, inForce: this.at(from, node) });
  }

  /** Branches begin at a state of the branch `from`, each with what its choice has of its own. The first is open then. */
  compare(choices: readonly Choice[], first: number, node: number, from: number): void {
    const shared = this.at(from, node);
    choices.forEach((choice, at) => {
      const own = Object.entries(choice).filter(([name, value]) => value != null && name in shared);
      const inForce = { ...shared, ...Object.fromEntries(own) };
      // one with a seed begins at a state of its own, which is heard of when the branch is opened
      const isOwn = choice.seed != null && at > 0;
      this.tips.set(first + at, { node: isOwn ? UNHEARD : node, inForce });
      if (at === 0) this.now = inForce;
    });
  }

  /** A state of a branch is open now. */
  open(branch: number, node: number): void {
    this.now = this.at(branch, node);
  }

  private numbered(inForce: InForce, { kind }: Command): InForce {
    if (PAINTS.has(kind)) return { ...inForce, painted: ++this.changes };
    return kind === "show-image" ? { ...inForce, shown: ++this.changes } : inForce;
  }

  /** What is in force at a state of a branch: at its tip what comes next, before it what made the state after. */
  private at(branch: number, node: number): InForce {
    const tip = this.tips.get(branch);
    if (!tip || tip.node === node || tip.node === UNHEARD) return tip?.inForce ?? this.made.get(node) ?? this.now;
    let after = tip.node;
    for (let at: number | undefined = after; at !== undefined && at !== node; at = this.parents.get(at)) after = at;
    return this.made.get(after) ?? this.now;
  }
}

function changed(before: InForce, command: Command): InForce {
  switch (command.kind) {
    case "set-prompt":
      return { ...before, prompt: command.text };
    case "set-negative-prompt":
      return { ...before, negative_prompt: command.text };
    case "set-guidance":
      return { ...before, guidance_scale: command.scale };
    case "set-sampler":
      return { ...before, sampler: command.name };
    case "set-num-steps":
      return { ...before, num_steps: command.num_steps };
    case "add-region":
    case "add-region-from-word":
      return { ...before, regions: [...before.regions, command.region] };
    case "change-region":
      return { ...before, regions: before.regions.map((one) => (one.id === command.region.id ? command.region : one)) };
    case "remove-region":
      return { ...before, regions: before.regions.filter((one) => one.id !== command.id) };
    case "reorder-regions":
      return { ...before, regions: command.ids.flatMap((id) => before.regions.find((one) => one.id === id) ?? []) };
    case "replace-regions":
      return {
        ...ruled(before, command),
        regions: command.regions.map((one) => one.region),
        prompt: command.prompt ?? before.prompt,
        negative_prompt: command.negative_prompt ?? before.negative_prompt,
      };
    case "set-region-rules":
      return ruled(before, command);
    case "start-over": {
      const { seed, width, height } = command;
      return { ...before, seed: seed ?? before.seed, width: width ?? before.width, height: height ?? before.height };
    }
    default:
      return before;
  }
}

function ruled(before: InForce, { mode, overlap, common_prompt }: Partial<Omit<SetRegionRules, "kind">>): InForce {
  return {
    ...before,
    region_mode: mode ?? before.region_mode,
    overlap: overlap ?? before.overlap,
    common_prompt: common_prompt ?? before.common_prompt,
  };
}
