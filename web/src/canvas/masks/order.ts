// The order of a session's changes, as its log tells it: what an undo takes back, and what of it came before something else. Pure.

import type { Command } from "../../connection/client";
import type { SessionEvent } from "../../session/view";
import { kindOf } from "../../timeline/entries";
import { isRemembered, Remembered } from "../../timeline/remembered";

/** A stroke into a region's mask. */
export interface RegionStroke {
  region: string;
  number: number;
}

/** null = a change of another kind. */
type Change = RegionStroke | null;

interface Order {
  /** What is in force, and what was taken back; the next to be met last. */
  done: Change[];
  undone: Change[];
  /** How many changes came, less those that were taken back: below 0 where some from before are not in force any more. */
  balance: number;
}

/** What came since a moment (a `seq`). */
export function changesSince(events: readonly SessionEvent[], since: number): Order {
  const reader = new Reader(since);
  events.forEach((event, at) => {
    reader.read(event, events[at - 1]);
  });
  return reader.order;
}

/** The changes of one cursor. */
class Row {
  branch = 0;
  goesOn: Change = null;
  changes = new Remembered<Change>();
  balance = 0;
}

class Reader {
  /** The one that has moved last is the last one. */
  private rows = new Map<number, Row>();
  private branches = new Set([0]);
  private isWhole = false;

  constructor(private readonly since: number) {}

  /** Of the cursor that is looked at. */
  get order(): Order {
    const row = [...this.rows.values()].at(-1) ?? new Row();
    return { ...row.changes.all, balance: row.balance };
  }

  read(event: SessionEvent, former: SessionEvent | undefined): void {
    const number = event.cursor ?? 0;
    if (event.kind === "session-opened") this.isWhole = true;
    if (event.kind === "cursor-left") this.rows.delete(number);
    if (event.kind !== "command-applied" && event.kind !== "cursor-moved" && event.kind !== "step-completed") return;
    const row = this.rows.get(number) ?? new Row();
    this.rows.delete(number);
    this.rows.set(number, row);
    if (event.kind === "command-applied") this.apply(row, event.command, event.seq);
    else if (event.kind === "step-completed") row.branch = event.branch;
    else this.move(row, event, former?.cursor === event.cursor ? former : undefined);
  }

  private apply(row: Row, command: Command, seq: number): void {
    if (command.kind === "delete-branch") for (const one of this.rows.values()) one.changes.forget(command.branch);
    if (kindOf(command) !== "change" || command.kind === "compare") return;
    const former = row.goesOn;
    row.goesOn = strokeOf(command);
    if (seq < this.since) return;
    if (command.kind === "undo") {
      row.changes.undo(row.branch);
      row.balance--;
    } else if (command.kind === "redo") {
      row.changes.redo(row.branch);
      row.balance++;
    } else if (isRemembered(command) && !isSame(former, row.goesOn)) {
      row.changes.add(row.branch, row.goesOn);
      row.balance++;
    }
  }

  private move(row: Row, { branch, seq }: Moved, former: SessionEvent | undefined): void {
    const cause = former?.kind === "command-applied" ? former.command : null;
    const isNew = this.isWhole && !this.branches.has(branch);
    if (isNew && cause?.kind === "rewind") {
      // it took along what was asked for over a finished picture, which is a change
      row.goesOn = null;
      if (seq >= this.since) {
        row.changes.add(row.branch, null);
        row.balance++;
      }
    }
    const begun = cause?.kind === "compare" ? cause.choices.length : 1;
    for (let one = branch; one < branch + begun; one++) this.branches.add(one);
    row.branch = branch;
  }
}

type Moved = Extract<SessionEvent, { kind: "cursor-moved" }>;

function strokeOf(command: Command): Change {
  if (command.kind !== "paint-region" || command.stroke == null) return null;
  return { region: command.id, number: command.stroke };
}

/** Whether both are patches of one stroke, which are taken back together. */
function isSame(one: Change, other: Change): boolean {
  return one !== null && other !== null && one.region === other.region && one.number === other.number;
}
