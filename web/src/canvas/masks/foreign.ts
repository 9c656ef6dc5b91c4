// Whether a region's mask may have changed by something else than this page's own strokes. Pure.

import type { SessionEvent } from "../../session/view";

/** What changes masks, or goes to a state where they are others. */
const CHANGES = new Set([
  "paint-region",
  "add-region",
  "add-region-from-word",
  "replace-regions",
  "undo",
  "redo",
  "rewind",
  "open-node",
  "open-branch",
  "branch-off",
]);

/** Whether any event from `since` on is such, and none of our own strokes (by their `seq`). */
export function isForeign(events: readonly SessionEvent[], since: number, own: ReadonlySet<number>): boolean {
  for (let index = events.length - 1; index >= 0; index--) {
    const event = events[index];
    if (!event || event.seq < since) return false;
    if (event.kind === "cursor-moved") return true;
    if (event.kind === "command-applied" && CHANGES.has(event.command.kind) && !own.has(event.seq)) return true;
  }
  // the log does not reach back so far
  return events.length === 0 || (events[0]?.seq ?? 0) > since;
}
