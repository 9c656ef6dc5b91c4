// A session's log as a story: each event in words, given what was in force before it, and where each change took effect. Pure.

import type { Command } from "../connection/client";
import type { SessionEvent } from "../session/view";
import { type Before, chosen } from "./asked";
import { type Entry, entryOf, kindOf } from "./entries";
import { Force, type InForce } from "./force";
import { type Mark, Marks } from "./marks";

type Compare = Extract<Command, { kind: "compare" }>;
type Applied = Extract<SessionEvent, { kind: "command-applied" }>;
type Moved = Extract<SessionEvent, { kind: "cursor-moved" }>;
type Completed = Extract<SessionEvent, { kind: "step-completed" }>;

/** Futures that were begun together to be compared, in the order of their choices. */
export interface Comparison {
  seq: number;
  node: number;
  step: number;
  choices: Compare["choices"];
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

const BEGINS_AGAIN = new Set(["start-over", "start-from-image", "redo-area"]);

/** Reads a log as it grows: what it has read already it does not read again. */
export class Teller {
  private events: readonly SessionEvent[] = [];
  private entries: Entry[] = [];
  private marks = new Marks();
  private comparisons: Comparison[] = [];
  private previewEvery = 1;
  private names = new Map<number, string>();
  private force = new Force();
  private branch = 0;
  private node = 0;
  private step = 0;
  private lastText: string | undefined = undefined;
  private hasFinished = false;
  private stroke: string | null = null;
  private story: Story = { entries: [], marks: [], comparisons: [], previewEvery: 1, names: new Map() };

  /** The story of a log. The same value as long as the log is the same. */
  tell(events: readonly SessionEvent[]): Story {
    const known = this.events.length;
    const continues = events.length >= known && (known === 0 || events[known - 1] === this.events[known - 1]);
    if (!continues || events[0] !== this.events[0]) this.forget();
    if (events.length === this.events.length) return this.story;
    for (let at = this.events.length; at < events.length; at++) this.read(events[at] as SessionEvent, events[at - 1]);
    this.events = events;
    const { entries, comparisons, previewEvery, names } = this;
    this.story = { entries, marks: this.marks.all, comparisons, previewEvery, names };
    return this.story;
  }

  /** What made a state of the log that was told last, as far as the log says it. */
  madeWith(node: number): InForce | undefined {
    return this.force.madeWith(node);
  }

  /** What makes the next step. */
  get inForce(): InForce {
    return this.force.now;
  }

  private forget(): void {
    Object.assign(this, new Teller());
  }

  private read(event: SessionEvent, former: SessionEvent | undefined): void {
    const { step, lastText, hasFinished } = this;
    const before: Before = { ...this.force.now, branches: this.names };
    const isPart = this.isPart(event);
    const entry = entryOf(event, { former, before, step, lastText, isPart, hasFinished });
    switch (event.kind) {
      case "session-opened":
        this.force.begin(event.settings);
        break;
      case "command-applied":
        if (isPart) this.force.goOn(event.command, this.branch, event.node);
        else this.apply(event, entry.text);
        break;
      case "cursor-moved":
        this.move(event, former);
        break;
      case "step-completed":
        this.grow(event);
        break;
    }
    if (event.kind !== "state-saved") this.hasFinished = event.kind === "run-finished";
    if (!entry.plain) this.lastText = entry.text;
    this.entries.push({ ...entry, node: entry.node ?? this.node });
  }

  /** Whether an event is a further patch of the stroke that was the last change: an undo takes them back together. */
  private isPart(event: SessionEvent): boolean {
    if (event.kind !== "command-applied") return false;
    const { command } = event;
    if (kindOf(command) !== "change") return false;
    const former = this.stroke;
    this.stroke = command.kind === "paint-region" && command.stroke != null ? `${command.id} ${command.stroke}` : null;
    return this.stroke !== null && this.stroke === former;
  }

  private apply({ command, node, applied_step: step, seq }: Applied, text: string): void {
    if (command.kind === "set-preview-rate") this.previewEvery = command.every;
    if (command.kind === "name-branch") this.call(command.branch, command.name);
    if (command.kind === "compare") this.comparisons.push({ seq, node, step, choices: command.choices, branches: [] });
    if (command.kind === "undo") {
      if (this.force.undo()) this.marks.takeBack();
    } else if (command.kind === "redo") {
      if (this.force.redo()) this.marks.bringBack();
    } else if (kindOf(command) === "change") {
      this.force.change(command, this.branch, node);
      this.marks.add({ seq, node, step, branch: this.branch, text });
    }
  }

  private move(event: Moved, former: SessionEvent | undefined): void {
    const { node, branch, step } = event;
    const cause = former?.kind === "command-applied" ? former.command : null;
    if (former && cause && kindOf(cause) === "change") {
      // the change is in force from there on, on a branch that it may have begun
      this.marks.moveLast(former.seq, { node, step, branch });
      if (cause.kind === "compare") this.begin(cause, event);
      else this.force.settle(branch, node);
      if (BEGINS_AGAIN.has(cause.kind)) this.force.make(node);
    } else {
      this.force.branchOff(branch, node, this.branch);
      if (cause?.kind === "branch-off" && cause.name) this.call(branch, cause.name);
      this.force.open(branch, node);
    }
    Object.assign(this, { node, branch, step });
  }

  private begin({ choices }: Compare, { branch: first, node, step }: Moved): void {
    this.force.compare(choices, first, node, this.branch);
    choices.forEach((choice, at) => {
      this.call(first + at, chosen(choice));
    });
    const comparison = this.comparisons.at(-1);
    comparison?.branches.push(...choices.map((_, at) => first + at));
    if (comparison) Object.assign(comparison, { node, step });
    this.comparisons = [...this.comparisons];
  }

  private grow({ node, parent, branch, step, fresh = true }: Completed): void {
    Object.assign(this, { node, branch, step });
    if (!fresh) {
      this.force.open(branch, node);
      return;
    }
    this.force.grow(branch, node, parent);
    this.marks.settle();
  }

  private call(branch: number, name: string | null): void {
    this.names = new Map(this.names);
    if (name === null) this.names.delete(branch);
    else this.names.set(branch, name);
  }
}
