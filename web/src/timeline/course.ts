// The course of a session: where each cursor stands, what is in force there, and where each change took effect. Pure.

import type { Command } from "../connection/client";
import type { SessionEvent } from "../session/view";
import { chosen } from "./asked";
import { type Asked, type Cursor, Cursors, type Standing } from "./cursors";
import { type Entry, kindOf } from "./entries";
import { Force } from "./force";
import { type InForce, NOTHING, saysSame } from "./inForce";
import { type Mark, Marks } from "./marks";
import { isRemembered } from "./remembered";

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

/** A command that has acted. Only the event after it tells whether that has led elsewhere. */
interface Pending {
  cursor: Cursor;
  event: Applied;
  /** Where it acted. */
  from: Standing;
  mark: Mark | null;
}

/** How a command was told, and whether as a part of the one before it. */
interface Said {
  isPart: boolean;
  text: string;
}

/** Follows a log, event by event. Its lists are the same as long as nothing came to them. */
export class Course {
  comparisons: Comparison[] = [];
  /** Every so many steps are shown. */
  previewEvery = 1;
  /** How branches are called, by those who named them or by what a comparison has chosen for them. */
  names = new Map<number, string>();
  readonly force = new Force();
  readonly cursors = new Cursors();
  private marked = new Marks();
  private pending: Pending | null = null;

  /** `told` finds how an event was told. */
  constructor(private readonly told: (seq: number) => Entry | undefined) {}

  get marks(): readonly Mark[] {
    return this.marked.all;
  }

  /** Whose event the next one is. A command that is not followed by a move has led nowhere else. */
  meet(event: SessionEvent): Cursor | undefined {
    const own = this.cursors.of(event);
    if (event.kind !== "cursor-moved" || this.pending?.cursor !== own) this.settle();
    return own ?? this.cursors.here;
  }

  /** Whether what the last command leads to is still to come. */
  get isUnderWay(): boolean {
    return this.pending !== null;
  }

  /** Take an event in. */
  follow(event: SessionEvent, cursor: Cursor | undefined, said: Said): void {
    const number = event.cursor ?? 0;
    switch (event.kind) {
      case "session-opened": {
        const now = this.force.told(event.settings);
        const step = event.settings.start?.step ?? 0;
        this.force.start(0, { parent: null, step, made: now });
        this.stand(number, { branch: 0, node: 0, step, now });
        break;
      }
      case "command-applied":
        if (cursor) this.apply(cursor, event, said);
        break;
      case "cursor-moved":
        this.move(number, event);
        break;
      case "step-completed":
        if (cursor) this.grow(cursor, event);
        break;
      case "cursor-left":
        this.cursors.leave(number);
        break;
    }
  }

  private stand(number: number, standing: Standing): void {
    this.cursors.begin(number, standing);
    this.force.settle(standing.branch, standing.node, standing.now);
  }

  // --- commands ----------------------------------------------------------------------------------------------------

  private apply(cursor: Cursor, event: Applied, { isPart, text }: Said): void {
    const { command, node, applied_step: step, seq } = event;
    if (command.kind === "set-preview-rate") this.previewEvery = command.every;
    if (command.kind === "name-branch") this.call(command.branch, command.name);
    if (command.kind === "delete-branch") this.cursors.forget(command.branch);
    const kind = kindOf(command);
    if (kind !== "change" && kind !== "travel") return;
    const from = { ...cursor };
    let mark: Mark | null = null;
    if (kind === "change" && !isPart && command.kind !== "undo" && command.kind !== "redo") {
      mark = { seq, node, step, branch: cursor.branch, text };
      this.marked.add(mark);
      if (isRemembered(command)) cursor.remembered.add(cursor.branch, { now: cursor.now, mark });
    }
    if (command.kind === "compare")
      this.comparisons = [...this.comparisons, { seq, node, step, choices: command.choices, branches: [] }];
    if (command.kind === "undo" || command.kind === "redo") mark = this.takeBack(cursor, event);
    else cursor.now = this.after(cursor, event);
    this.pending = { cursor, event, from, mark };
  }

  /** What is in force after a command, wherever it leads. */
  private after({ now }: Standing, { command, left }: Applied): InForce {
    const changed = this.force.changed(now, command);
    if (!left) return changed;
    // of another state than the one it was asked for, something else may be shown
    const isOfHere = kindOf(command) === "change" && command.kind !== "dislike-area" && command.kind !== "compare";
    return this.force.told(left, isOfHere ? changed : undefined);
  }

  /** An undo, or a redo. Returns the mark of what was made again. */
  private takeBack(cursor: Cursor, { command, left }: Applied): Mark | null {
    const { remembered, branch, now } = cursor;
    const kept = (asked: Asked) => ({ ...asked, now });
    const asked = command.kind === "undo" ? remembered.undo(branch, kept) : remembered.redo(branch, kept);
    cursor.now = left ? this.force.told(left, asked?.now) : (asked?.now ?? now);
    if (!asked?.mark) return null;
    if (command.kind === "undo") this.marked.takeBack(asked.mark);
    else this.marked.bringBack(asked.mark);
    return command.kind === "undo" ? null : asked.mark;
  }

  /** The command before has led nowhere else: what it put in force acts where it stands. */
  private settle(): void {
    if (!this.pending) return;
    const { cursor, event } = this.pending;
    this.pending = null;
    const { branch, node } = cursor;
    if (kindOf(event.command) === "travel") {
      const there = this.force.at(branch, node);
      cursor.now = event.left ? this.force.told(event.left, there) : (there ?? cursor.now);
    }
    this.force.settle(branch, node, cursor.now);
  }

  // --- where they stand --------------------------------------------------------------------------------------------

  private move(number: number, event: Moved): void {
    const { node, branch, step } = event;
    const cursor = this.cursors.of(event);
    if (!cursor) {
      this.stand(number, { branch, node, step, now: this.force.at(branch, node) ?? NOTHING });
      return;
    }
    const { pending } = this;
    this.pending = null;
    Object.assign(cursor, { node, branch, step });
    if (pending?.event.command.kind === "compare") cursor.now = this.compare(pending, pending.event.command, cursor);
    else if (!pending || kindOf(pending.event.command) === "travel") this.travel(cursor, pending);
    else if (beginsAgain(pending.event.command))
      this.force.start(node, { parent: pending.from.node, step, made: cursor.now });
    // the change is in force from there on, on a branch that it may have begun
    if (pending?.mark) this.marked.move(pending.mark, { node, step, branch });
    this.force.settle(branch, node, cursor.now);
  }

  private travel(cursor: Cursor, pending: Pending | null): void {
    const { force } = this;
    const { branch, node } = cursor;
    if (!pending) {
      cursor.now = force.at(branch, node) ?? cursor.now;
      return;
    }
    const { command, left } = pending.event;
    const isNew = !force.knows(branch);
    const there = isNew ? this.place(pending.from, node, command) : force.at(branch, node);
    // where a branch ends that led on from a finished picture, it is not to be seen by the branch whether something came along
    const mayCarry = !isNew && force.isOver(pending.from.node) && force.isTip(branch, node);
    cursor.now = left ? force.told(left, mayCarry ? undefined : there) : (there ?? cursor.now);
    if (command.kind === "branch-off" && command.name) this.call(branch, command.name);
    if (command.kind === "rewind" && (isNew || (there && !saysSame(cursor.now, there)))) this.carry(cursor, pending);
  }

  /** A rewind has taken along what was asked for over a finished picture: that is a change, and acts there. */
  private carry(cursor: Cursor, { event, from }: Pending): void {
    const { node, step, branch } = cursor;
    const entry = this.told(event.seq);
    if (!entry) return;
    entry.text = `${entry.text.replace(/\.$/, "")} and took along what was asked for over the picture.`;
    const mark = { seq: event.seq, node, step, branch, text: entry.text };
    this.marked.add(mark);
    cursor.remembered.add(from.branch, { now: from.now, mark });
    cursor.stroke = null;
  }

  /** What is in force at a state of the branch where somebody stood, for a branch that begins there. */
  private place(from: Standing, node: number, command: Command): InForce {
    if (!("step" in command) || command.step == null) return from.now;
    const there = this.force.at(from.branch, node) ?? from.now;
    const made = this.force.madeWith(from.node);
    return made && node !== from.node && this.force.isOver(from.node)
      ? this.force.carried(there, made, from.now)
      : there;
  }

  /** Branches begin at a state, each with what its choice has of its own. The first is open then: what is in force there. */
  private compare({ event, from }: Pending, { step: at, choices }: Compare, { branch, node, step }: Cursor): InForce {
    const origin = at == null ? from.node : (this.force.nodeAt(from.branch, at) ?? from.node);
    const before = this.place(from, origin, event.command);
    const now = this.force.compare(choices, { branch, node, origin, before, left: event.left });
    choices.forEach((choice, one) => {
      this.call(branch + one, chosen(choice));
    });
    const comparison = this.comparisons.at(-1);
    comparison?.branches.push(...choices.map((_, one) => branch + one));
    if (comparison) Object.assign(comparison, { node, step });
    this.comparisons = [...this.comparisons];
    return now;
  }

  private grow(cursor: Cursor, { node, parent, branch, step, fresh = true }: Completed): void {
    Object.assign(cursor, { node, branch, step });
    if (!fresh) {
      cursor.now = this.force.at(branch, node) ?? cursor.now;
      return;
    }
    this.force.grow(branch, node, { parent, step, made: cursor.now });
    this.marked.settle(branch, parent);
  }

  private call(branch: number, name: string | null): void {
    this.names = new Map(this.names);
    if (name === null) this.names.delete(branch);
    else this.names.set(branch, name);
  }
}

function beginsAgain(command: Command): boolean {
  if (command.kind === "dislike-area") return command.area != null;
  return command.kind === "start-over" || command.kind === "start-from-image" || command.kind === "redo-area";
}
