// What the buttons and keys of the timeline do.

import { edit, useSession } from "../session/store";
import { isPrepared } from "../session/view";
import { giveUp, replay, useScrub } from "./scrub";
import { wayOf } from "./strip";

type Able = "play" | "pause" | "step" | "cancel" | "replay";

/** What can be done with the session that is looked at; "replay" is to see once more how it formed. */
export function able(): Able[] {
  const { view } = useSession.getState();
  if (!view) return [];
  const { status, step } = view.place;
  if (status === "running") return ["pause", "cancel"];
  if (status === "finished") return ["replay"];
  if (status === "failed" || step >= wayOf(view).last) return [];
  return status === "paused" && !isPrepared(view) ? ["play", "step", "cancel"] : ["play", "step"];
}

export function playOrPause(): void {
  const can = able();
  const wasHeld = useScrub.getState().step !== null;
  giveUp();
  if (can.includes("pause")) void edit({ kind: "pause" });
  else if (can.includes("play")) void edit({ kind: "resume" });
  else if (can.includes("replay") && !wasHeld) replay();
}

export function stepOnce(): void {
  if (able().includes("step")) void edit({ kind: "step-once" });
}

export function cancel(): void {
  if (able().includes("cancel")) void edit({ kind: "cancel" });
}

/** Go to the end of a branch and on from there. */
export async function continueBranch(branch: number): Promise<void> {
  if (await edit({ kind: "open-branch", branch })) await edit({ kind: "resume" });
}
