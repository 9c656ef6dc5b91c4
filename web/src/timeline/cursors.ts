// The places of a tree from which it is steered: a log has several where sessions of a script share their tree. Pure.

import type { Command } from "../connection/client";
import type { SessionEvent } from "../session/view";
import { kindOf } from "./entries";
import type { InForce } from "./inForce";
import type { Mark } from "./marks";
import { Remembered } from "./remembered";

export interface Standing {
  branch: number;
  node: number;
  step: number;
  /** What makes the next step. */
  now: InForce;
}

/** A change that can be taken back or made again. */
export interface Asked {
  /** What that leads to, on the whole. */
  now: InForce;
  mark: Mark | null;
}

export interface Cursor extends Standing {
  /** The stroke that the last change is a part of. */
  stroke: string | null;
  remembered: Remembered<Asked>;
}

/** Events that name their cursor. The others are about the session as a whole. */
const OF_CURSORS = new Set(["command-applied", "cursor-moved", "step-completed", "run-finished"]);

export class Cursors {
  /** The one that did something last is the last one. */
  private cursors = new Map<number, Cursor>();
  /** Those that the log tells to have stayed behind: they worked elsewhere. */
  private leaving: ReadonlySet<number> = new Set();

  /** Take note of who leaves in the course of a log. */
  foresee(events: readonly SessionEvent[]): void {
    this.leaving = new Set(events.flatMap((event) => (event.kind === "cursor-left" ? (event.cursor ?? 0) : [])));
  }

  /** The one that is looked at. */
  get here(): Cursor | undefined {
    return [...this.cursors.values()].at(-1);
  }

  /** Whose an event is. */
  of({ cursor = 0 }: SessionEvent): Cursor | undefined {
    return this.cursors.get(cursor);
  }

  begin(number: number, standing: Standing): void {
    this.cursors.set(number, { ...standing, stroke: null, remembered: new Remembered() });
  }

  leave(number: number): void {
    this.cursors.delete(number);
  }

  /** An event has happened: who did it is looked at from now on, unless somebody else does something. */
  note(event: SessionEvent): void {
    const cursor = this.of(event);
    if (!cursor || !OF_CURSORS.has(event.kind) || cursor === this.here) return;
    this.cursors.delete(event.cursor ?? 0);
    this.cursors.set(event.cursor ?? 0, cursor);
  }

  /** A branch was deleted. */
  forget(branch: number): void {
    for (const one of this.cursors.values()) one.remembered.forget(branch);
  }

  /** The branch of what another session of the tree did that stayed behind, as long as there were several; null = it happened here. */
  elsewhere(event: SessionEvent): number | null {
    const number = event.cursor ?? 0;
    const isAlone = this.cursors.size === (this.cursors.has(number) ? 1 : 0);
    if (!this.leaving.has(number) || !OF_CURSORS.has(event.kind) || isAlone) return null;
    return "branch" in event ? event.branch : (this.of(event)?.branch ?? null);
  }
}

/** Whether a command is a further patch of the stroke that was the last change: an undo takes them back together. */
export function isPartOf(cursor: Cursor, command: Command): boolean {
  if (kindOf(command) !== "change" || command.kind === "compare") return false;
  const former = cursor.stroke;
  cursor.stroke = command.kind === "paint-region" && command.stroke != null ? `${command.id} ${command.stroke}` : null;
  return cursor.stroke !== null && cursor.stroke === former;
}
