// What the buttons and keys of the timeline do.

import { isPrepared } from "../session/actions";
import { edit, useSession } from "../session/store";
import { giveUp, replay, useScrub } from "./scrub";
import { wayOf } from "./strip";

/** What can be done now. */
export interface Able {
  play: boolean;
  pause: boolean;
  step: boolean;
  cancel: boolean;
  /** To see how it formed once more. */
  replay: boolean;
}

const NOTHING: Able = { play: false, pause: false, step: false, cancel: false, replay: false };

/** What can be done with the session that is looked at. */
export function able(): Able {
  const { view } = useSession.getState();
  if (!view) return NOTHING;
  const { status } = view.place;
  const way = wayOf(view);
  const running = status === "running";
  const left = view.place.step < way.last;
  return {
    play: !running && left && status !== "failed",
    pause: running,
    step: !running && left && status !== "failed",
    cancel: running || (status === "paused" && left && !isPrepared()),
    replay: status === "finished",
  };
}

export function playOrPause(): void {
  const can = able();
  const wasHeld = useScrub.getState().step !== null;
  giveUp();
  if (can.pause) void edit({ kind: "pause" });
  else if (can.play) void edit({ kind: "resume" });
  else if (can.replay && !wasHeld) replay();
}

export function stepOnce(): void {
  if (able().step) void edit({ kind: "step-once" });
}

export function cancel(): void {
  if (able().cancel) void edit({ kind: "cancel" });
}

/** Go to the end of a branch and on from there. */
export async function continueBranch(branch: number): Promise<void> {
  if (await edit({ kind: "open-branch", branch })) await edit({ kind: "resume" });
}
