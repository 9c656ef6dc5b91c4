// How a session stands, in words. Pure.

import { isPrepared, type SessionEvent, type View } from "../session/view";

type Standing = "waiting" | "starting" | "prepared" | "running" | "paused" | "finished" | "cancelled" | "failed";

export interface Status {
  standing: Standing;
  text: string;
  /** 0 to 1; null where there is nothing to measure. */
  share: number | null;
}

/** What the line under the picture says. */
export function statusOf(
  view: View | null,
  waiting: number | null,
  problem: string | null,
  events: readonly SessionEvent[],
  looked: number | null,
): Status {
  if (problem) return { standing: "failed", text: `It could not begin. ${problem}`, share: null };
  if (waiting !== null) {
    const before = waiting - 1;
    const text = before === 0 ? "Waiting for its turn: it is the next." : `Waiting for its turn: ${before} before it.`;
    return { standing: "waiting", text, share: null };
  }
  if (!view) return { standing: "starting", text: "Starting ...", share: null };
  const { status, step, settings } = view.place;
  const at = `step ${step} of ${settings.num_steps}`;
  const share = step / settings.num_steps;
  const peek = looked !== null && looked !== step && status !== "running" ? ` (step ${looked} is shown)` : "";
  if (isPrepared(view)) return { standing: "prepared", text: "Ready: paint, then make it.", share: 0 };
  if (status === "failed") return { standing: status, text: `Stopped at ${at}. ${reasonOf(events)}`, share };
  const words = { running: "Running", paused: "Paused", finished: "Finished", cancelled: "Stopped" }[status];
  return { standing: status, text: `${words}, ${at}${peek}`, share };
}

function reasonOf(events: readonly SessionEvent[]): string {
  const last = events.findLast((event) => event.kind === "run-failed");
  return last?.kind === "run-failed" ? last.text : "It cannot go on; begin another picture.";
}
