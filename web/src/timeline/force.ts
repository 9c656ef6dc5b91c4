// What is in force in a session: now, at each of its states, and before and after what was undone. Pure.

import type { Command } from "../connection/client";
import type { Choice, Region } from "../wire";

/** What acts on a picture, as far as sentences speak of it. */
export interface InForce {
  prompt: string;
  negative_prompt: string;
  guidance_scale: number;
  sampler: string;
  num_steps: number;
  common_prompt: string;
  regions: readonly Pick<Region, "id" | "name" | "prompt" | "negative_prompt" | "strength" | "guidance_scale">[];
}

export const NOTHING: InForce = {
  prompt: "",
  negative_prompt: "",
  guidance_scale: Number.NaN,
  sampler: "",
  num_steps: 0,
  common_prompt: "",
  regions: [],
};

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

  /** A session is opened. */
  begin(settings: Partial<InForce>): void {
    this.now = known(settings);
    this.settle(0, 0);
  }

  /** A command takes effect at a state of a branch. */
  change(command: Command, branch: number, node: number): void {
    this.done.push(this.now);
    this.undone = [];
    this.now = changed(this.now, command);
    if (this.tips.get(branch)?.node === node) this.settle(branch, node);
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
      this.tips.set(first + at, { node, inForce });
      if (at === 0) this.now = inForce;
    });
  }

  /** A state of a branch is open now. */
  open(branch: number, node: number): void {
    this.now = this.at(branch, node);
  }

  /** What is in force at a state of a branch: at its tip what comes next, before it what made the state after. */
  private at(branch: number, node: number): InForce {
    const tip = this.tips.get(branch);
    if (!tip || tip.node === node) return tip?.inForce ?? this.made.get(node) ?? this.now;
    let after = tip.node;
    for (let at: number | undefined = after; at !== undefined && at !== node; at = this.parents.get(at)) after = at;
    return this.made.get(after) ?? this.now;
  }
}

function known(settings: Partial<InForce>): InForce {
  const { prompt = "", negative_prompt = "", guidance_scale = Number.NaN, sampler = "", num_steps = 0 } = settings;
  const { common_prompt = "", regions = [] } = settings;
  return { prompt, negative_prompt, guidance_scale, sampler, num_steps, common_prompt, regions };
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
    case "replace-regions":
      return {
        ...before,
        regions: command.regions.map((one) => one.region),
        prompt: command.prompt ?? before.prompt,
        negative_prompt: command.negative_prompt ?? before.negative_prompt,
        common_prompt: command.common_prompt ?? before.common_prompt,
      };
    case "set-region-rules":
      return { ...before, common_prompt: command.common_prompt ?? before.common_prompt };
    default:
      return before;
  }
}
