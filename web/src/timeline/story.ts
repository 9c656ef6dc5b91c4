// A session's log as a story: each event in words, given what was in force before it, and where each change took effect. Pure.

import type { Happened } from "./words";
import { type Asked, type Before, chosen, happened, NOTHING_BEFORE } from "./words";

type Kind = "change" | "travel" | "name" | "flow" | "step" | "refused" | "problem" | "milestone";

export interface Entry {
  seq: number;
  /** Seconds since 1970. */
  at: number;
  kind: Kind;
  text: string;
  /** The state it happened at. */
  node: number | null;
  step: number;
  /** Whether it says only that a step was made, saved or passed. */
  plain: boolean;
}

/** A change and where it took effect: the steps of `branch` after `node`. */
export interface Mark {
  seq: number;
  node: number;
  step: number;
  branch: number;
  text: string;
}

/** Futures that were begun together to be compared, in the order of their choices. */
export interface Comparison {
  seq: number;
  node: number;
  step: number;
  choices: Extract<Asked, { kind: "compare" }>["choices"];
  branches: number[];
}

/** The same lists as long as nothing came to them; but for `entries`, which grow in place. */
export interface Story {
  entries: readonly Entry[];
  marks: readonly Mark[];
  comparisons: readonly Comparison[];
  /** Every so many steps are shown. */
  previewEvery: number;
  /** How branches are called, by those who named them or by what a comparison has chosen for them. */
  names: ReadonlyMap<number, string>;
}

const TRAVEL = new Set(["rewind", "open-node", "open-branch", "branch-off"]);
const FLOW = new Set(["pause", "resume", "step-once", "cancel", "set-preview-rate"]);
/** What is said again by what follows it. */
const OF_ITSELF = new Set(["pause", "resume", "step-once"]);
const NAMING = new Set(["name-node", "name-branch", "delete-branch"]);
const BEGINS_AGAIN = new Set(["start-over", "start-from-image", "redo-area"]);

/** Reads a log as it grows: what it has read already it does not read again. */
export class Teller {
  private events: readonly Happened[] = [];
  private entries: Entry[] = [];
  private marks: Mark[] = [];
  private comparisons: Comparison[] = [];
  private previewEvery = 1;
  private before: Before = NOTHING_BEFORE;
  private names = new Map<number, string>();
  private branch = 0;
  private node = 0;
  private step = 0;
  private made = new Map<number, Before>();
  private parents = new Map<number, number>();
  private tips = new Map<number, { node: number; inForce: Before }>();
  private undone: Before[] = [];
  private done: Before[] = [];
  /** Marks that no step has followed yet: an undo takes the last one away. */
  private fresh: Mark[] = [];
  private taken: Mark[] = [];
  /** Whether a branch has just been finished: the next one of a comparison is then opened by itself. */
  private hasFinished = false;
  private story: Story = { entries: [], marks: [], comparisons: [], previewEvery: 1, names: new Map() };

  /** The story of a log. The same value as long as the log is the same. */
  tell(events: readonly Happened[]): Story {
    const known = this.events.length;
    const continues = events.length >= known && (known === 0 || events[known - 1] === this.events[known - 1]);
    if (!continues || events[0] !== this.events[0]) this.forget();
    if (events.length === this.events.length) return this.story;
    for (let at = this.events.length; at < events.length; at++) this.read(events[at] as Happened, events[at - 1]);
    this.events = events;
    const { entries, marks, comparisons, previewEvery, names } = this;
    this.story = { entries, marks, comparisons, previewEvery, names };
    return this.story;
  }

  private forget(): void {
    Object.assign(this, new Teller());
  }

  private read(event: Happened, former: Happened | undefined): void {
    const entry = this.entryOf(event, former);
    switch (event.kind) {
      case "session-opened":
        this.before = { ...this.before, ...known(event.settings) };
        this.tips.set(0, { node: 0, inForce: this.before });
        break;
      case "command-applied":
        this.apply(event.command, event, entry.text);
        break;
      case "cursor-moved":
        this.move(event, former);
        break;
      case "step-completed":
        this.grow(event);
        break;
    }
    if (event.kind !== "state-saved") this.hasFinished = event.kind === "run-finished";
    this.entries.push({ ...entry, node: entry.node ?? this.node });
  }

  private entryOf(event: Happened, former: Happened | undefined): Entry {
    const { seq, at = 0 } = event;
    const base = { seq, at, text: happened(event, this.before), node: null, step: this.step, plain: false };
    switch (event.kind) {
      case "step-completed":
        return { ...base, kind: "step", plain: true, node: event.node, step: event.step };
      case "state-saved":
        return { ...base, kind: "step", plain: true, node: event.node };
      case "cursor-moved":
        return {
          ...base,
          kind: "travel",
          plain: former?.kind === "command-applied",
          node: event.node,
          step: event.step,
        };
      case "command-applied":
        return {
          ...base,
          kind: kindOf(event.command),
          plain: OF_ITSELF.has(event.command.kind) || (event.command.kind === "open-branch" && this.hasFinished),
          node: event.node,
          step: event.applied_step,
        };
      case "command-rejected":
        return { ...base, kind: "refused" };
      case "run-failed":
        return { ...base, kind: "problem" };
      case "run-paused":
        return {
          ...base,
          kind: event.reason ? "problem" : "flow",
          // step by step, it pauses after each
          plain: this.entries.findLast((one) => !one.plain)?.text === base.text,
        };
      case "run-resumed":
        return {
          ...base,
          kind: "flow",
          plain: this.step === 0 || (former?.kind === "command-applied" && kindOf(former.command) === "change"),
        };
      case "run-cancelled":
        return { ...base, kind: "flow", plain: true };
      case "session-opened":
        return { ...base, kind: "milestone" };
      case "run-finished":
        return { ...base, kind: "milestone", node: event.node };
    }
  }

  private apply(command: Asked, event: Extract<Happened, { kind: "command-applied" }>, text: string): void {
    const { node, applied_step: step, seq } = event;
    if (command.kind === "set-preview-rate") this.previewEvery = command.every;
    if (command.kind === "name-branch") this.call(command.branch, command.name);
    if (command.kind === "undo") this.takeBack();
    if (command.kind === "redo") this.bringBack();
    if (command.kind === "compare") this.comparisons.push({ seq, node, step, choices: command.choices, branches: [] });
    if (kindOf(command) !== "change" || command.kind === "undo" || command.kind === "redo") return;
    this.done.push(this.before);
    this.undone = [];
    this.taken = [];
    this.before = changed(this.before, command);
    const mark = { seq, node, step, branch: this.branch, text };
    this.marks = [...this.marks, mark];
    this.fresh.push(mark);
    const tip = this.tips.get(this.branch);
    if (tip?.node === node) this.tips.set(this.branch, { node, inForce: this.before });
  }

  private move(event: Extract<Happened, { kind: "cursor-moved" }>, former: Happened | undefined): void {
    const { node, branch, step } = event;
    const cause = former?.kind === "command-applied" ? former.command : null;
    if (cause && kindOf(cause) === "change") {
      // the change is in force from there on, on a branch that it may have begun
      const mark = this.marks.at(-1);
      if (mark && mark.seq === former?.seq) {
        Object.assign(mark, { node, step, branch });
        this.marks = [...this.marks];
      }
      if (cause.kind === "compare") this.begin(cause, event);
      else this.tips.set(branch, { node, inForce: this.before });
      if (BEGINS_AGAIN.has(cause.kind)) this.made.set(node, this.before);
    } else if (cause?.kind === "undo" || cause?.kind === "redo") this.tips.set(branch, { node, inForce: this.before });
    else {
      if (!this.tips.has(branch)) this.tips.set(branch, { node, inForce: this.inForce(this.branch, node) });
      if (cause?.kind === "branch-off" && cause.name) this.call(branch, cause.name);
      this.before = { ...this.inForce(branch, node), branches: this.names };
    }
    Object.assign(this, { node, branch, step });
  }

  private begin(
    command: Extract<Asked, { kind: "compare" }>,
    { branch: first, node, step }: Extract<Happened, { kind: "cursor-moved" }>,
  ): void {
    const comparison = this.comparisons.at(-1);
    const shared = this.inForce(this.branch, node);
    command.choices.forEach((choice, at) => {
      const given = Object.fromEntries(
        Object.entries(choice).filter(([name, value]) => value != null && name in shared),
      );
      const inForce = { ...shared, ...given };
      this.tips.set(first + at, { node, inForce });
      this.call(first + at, chosen(choice));
      comparison?.branches.push(first + at);
      if (at === 0) this.before = inForce;
    });
    this.before = { ...this.before, branches: this.names };
    if (comparison) Object.assign(comparison, { node, step });
    this.comparisons = [...this.comparisons];
  }

  private grow({ node, parent, branch, step, fresh = true }: Extract<Happened, { kind: "step-completed" }>): void {
    Object.assign(this, { node, branch, step });
    if (!fresh) {
      this.before = { ...this.inForce(branch, node), branches: this.names };
      return;
    }
    this.fresh = [];
    this.taken = [];
    this.parents.set(node, parent);
    this.made.set(node, this.before);
    this.tips.set(branch, { node, inForce: this.before });
  }

  /** What is in force at a state of a branch: at its tip what comes next, before it what made the state after. */
  private inForce(branch: number, node: number): Before {
    const tip = this.tips.get(branch);
    if (!tip || tip.node === node) return tip?.inForce ?? this.made.get(node) ?? this.before;
    let after = tip.node;
    for (let at: number | undefined = after; at !== undefined && at !== node; at = this.parents.get(at)) after = at;
    return this.made.get(after) ?? this.before;
  }

  private takeBack(): void {
    const former = this.done.pop();
    if (!former) return;
    this.undone.push(this.before);
    this.before = { ...former, branches: this.names };
    const mark = this.fresh.pop();
    if (!mark) return;
    this.taken.push(mark);
    this.marks = this.marks.filter((one) => one !== mark);
  }

  private bringBack(): void {
    const later = this.undone.pop();
    if (!later) return;
    this.done.push(this.before);
    this.before = { ...later, branches: this.names };
    const mark = this.taken.pop();
    if (!mark) return;
    this.marks = [...this.marks, mark];
    this.fresh.push(mark);
  }

  private call(branch: number, name: string | null): void {
    this.names = new Map(this.names);
    if (name === null) this.names.delete(branch);
    else this.names.set(branch, name);
    this.before = { ...this.before, branches: this.names };
  }
}

/** What kind of thing a command asks for. */
function kindOf({ kind }: Asked): Kind {
  if (TRAVEL.has(kind)) return "travel";
  if (FLOW.has(kind)) return "flow";
  return NAMING.has(kind) ? "name" : "change";
}

/** Marks that belong to a way through the tree: those whose effect is in the states of that way. */
export function marksOn(
  marks: readonly Mark[],
  way: readonly { id: number }[],
  branch: number,
  nextOn: (branch: number, node: number) => number | undefined,
): Mark[] {
  const place = new Map(way.map((node, at) => [node.id, at]));
  return marks.filter((mark) => {
    const at = place.get(mark.node);
    if (at === undefined) return false;
    if (mark.branch === branch) return true;
    const next = way[at + 1]?.id;
    return next !== undefined && next === nextOn(mark.branch, mark.node);
  });
}

function known(settings: Partial<Before>): Partial<Before> {
  const { prompt = "", negative_prompt = "", guidance_scale = Number.NaN, sampler = "", num_steps = 0 } = settings;
  const { common_prompt = "", regions = [] } = settings;
  return { prompt, negative_prompt, guidance_scale, sampler, num_steps, common_prompt, regions };
}

function changed(before: Before, command: Asked): Before {
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
