// The order of a session's changes, as its log tells it: what an undo takes back, and what of it came before something else. Pure.

import type { Command } from "../../connection/client";
import type { SessionEvent } from "../../session/view";
import { kindOf } from "../../timeline/entries";

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
  const order: Order = { done: [], undone: [], balance: 0 };
  const { done, undone } = order;
  let goesOn: Change = null;
  for (const event of events) {
    if (event.seq < since || event.kind !== "command-applied" || kindOf(event.command) !== "change") continue;
    const { command } = event;
    const former: Change = goesOn;
    goesOn = strokeOf(command);
    if (command.kind === "undo") {
      undone.push(done.pop() ?? null);
      order.balance--;
    } else if (command.kind === "redo") {
      done.push(undone.pop() ?? null);
      order.balance++;
    } else if (!isSame(former, goesOn)) {
      done.push(goesOn);
      undone.length = 0;
      order.balance++;
    }
  }
  return order;
}

function strokeOf(command: Command): Change {
  if (command.kind !== "paint-region" || command.stroke == null) return null;
  return { region: command.id, number: command.stroke };
}

/** Whether both are patches of one stroke, which are taken back together. */
function isSame(one: Change, other: Change): boolean {
  return one !== null && other !== null && one.region === other.region && one.number === other.number;
}
