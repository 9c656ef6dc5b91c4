// One event of a log as a line of its story. Pure.

import type { Command } from "../connection/client";
import { capital } from "../parts/phrases";
import type { SessionEvent } from "../session/view";
import type { Before } from "./asked";
import { branchCalled } from "./called";
import { happened } from "./happened";

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

const TRAVEL = new Set(["rewind", "open-node", "open-branch", "branch-off"]);
const FLOW = new Set(["pause", "resume", "step-once", "cancel", "set-preview-rate"]);
/** What is said again by what follows it. */
const OF_ITSELF = new Set(["pause", "resume", "step-once"]);
const NAMING = new Set(["name-node", "name-branch", "delete-branch"]);

/** What kind of thing a command asks for. */
export function kindOf({ kind }: Command): Kind {
  if (TRAVEL.has(kind)) return "travel";
  if (FLOW.has(kind)) return "flow";
  return NAMING.has(kind) ? "name" : "change";
}

/** What has led to an event. */
interface Past {
  /** The event before it. */
  former: SessionEvent | undefined;
  before: Before;
  /** The step that is open. */
  step: number;
  /** The last line that is not plain. */
  lastText: string | undefined;
  /** Whether it goes on with what the change before it has begun: a further patch of the same stroke. */
  isPart: boolean;
  /** Whether a branch has just been finished: the next one of a comparison is then opened by itself. */
  hasFinished: boolean;
  /** The branch on which it happened, where that was in another session of the tree, which stayed behind; null for the one that is looked at. */
  elsewhere: number | null;
}

/** An event as a line. `node` is null where it happened at the state that is open. */
export function entryOf(
  event: SessionEvent,
  { former, before, step, lastText, isPart, hasFinished, elsewhere }: Past,
): Entry {
  const { seq, at = 0 } = event;
  const said = happened(event, before);
  const text = elsewhere === null ? said : saidElsewhere(event, said, branchCalled(elsewhere, before.branches));
  const base = { seq, at, text, node: null, step, plain: false };
  switch (event.kind) {
    case "step-completed":
      return { ...base, kind: "step", plain: true, node: event.node, step: event.step };
    case "state-saved":
      return { ...base, kind: "step", plain: true, node: event.node };
    case "cursor-moved":
      return { ...base, kind: "travel", plain: former?.kind === "command-applied", node: event.node, step: event.step };
    case "command-applied":
      return {
        ...base,
        kind: kindOf(event.command),
        plain: isPart || OF_ITSELF.has(event.command.kind) || (event.command.kind === "open-branch" && hasFinished),
        node: event.node,
        step: event.applied_step,
      };
    case "command-rejected":
      return { ...base, kind: "refused" };
    case "run-failed":
      return { ...base, kind: "problem" };
    case "run-paused":
      // step by step, it pauses after each
      return { ...base, kind: event.reason ? "problem" : "flow", plain: lastText === base.text };
    case "run-resumed":
      return {
        ...base,
        kind: "flow",
        plain: step === 0 || (former?.kind === "command-applied" && kindOf(former.command) === "change"),
      };
    case "run-cancelled":
    case "cursor-left":
      return { ...base, kind: "flow", plain: true };
    case "session-opened":
      return { ...base, kind: "milestone" };
    case "run-finished":
      return { ...base, kind: "milestone", node: event.node };
  }
}

/** A sentence of another session of the tree. */
function saidElsewhere(event: SessionEvent, said: string, branch: string): string {
  if (event.kind === "run-finished") return said; // it names the branch itself
  if (event.kind === "cursor-moved") return `Another session of this tree went on at step ${event.step} of ${branch}.`;
  return said.startsWith("Step ") ? `${capital(branch)}, step ${said.slice(5)}` : `${capital(branch)}: ${said}`;
}
