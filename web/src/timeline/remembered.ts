// What a session can take back and make again, as its log tells it: in step with the engine's own memory. Pure.

import type { Command } from "../connection/client";
import { kindOf } from "./entries";

/** The engine remembers no more. */
const MOST = 500;

/** Whether an undo takes a command back. A rewind is taken back where it took something along, which is not to be seen by itself. */
export function isRemembered(command: Command): boolean {
  return kindOf(command) === "change" && !["undo", "redo", "compare"].includes(command.kind);
}

/** A change that was made: where, and whatever else is to be known of it. */
interface Change<What> {
  branch: number;
  what: What;
}

/** The changes of one cursor. */
export class Remembered<What> {
  private done: Change<What>[] = [];
  private undone: Change<What>[] = [];

  /** Something was changed on a branch. */
  add(branch: number, what: What): void {
    this.done = [...this.done.slice(1 - MOST), { branch, what }];
    this.undone = [];
  }

  /** The change that an undo on a branch takes back; `kept` makes of it what the redo is to know. */
  undo(branch: number, kept: (what: What) => What = (what) => what): What | undefined {
    const former = this.done.pop();
    if (former) this.undone.push({ branch, what: kept(former.what) });
    return former?.what;
  }

  /** The change that a redo on a branch makes again. */
  redo(branch: number, kept: (what: What) => What = (what) => what): What | undefined {
    const later = this.undone.pop();
    if (later) this.done.push({ branch, what: kept(later.what) });
    return later?.what;
  }

  /** A branch was deleted: what was changed where it stood cannot be come back to. */
  forget(branch: number): void {
    this.done = this.done.filter((one) => one.branch !== branch);
    this.undone = this.undone.filter((one) => one.branch !== branch);
  }

  /** What can be taken back, and what can be made again; the next to be met last. */
  get all(): { done: What[]; undone: What[] } {
    return { done: this.done.map(({ what }) => what), undone: this.undone.map(({ what }) => what) };
  }
}
