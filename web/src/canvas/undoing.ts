// Undo and redo: one row of changes in the order they were made, most of them kept by the session, some by this page alone.

import { allShown, dropUnshown } from "../inputs/shown";
import { edit, useSession } from "../session/store";
import { history, paintedNow, useLayers } from "./layers";
import { changesSince } from "./masks/order";
import { redoStroke, retrace, undoStroke } from "./strokes";
import { allSent, isInStep, noteOwn } from "./sync";

/** How long a page waits to hear where an undo has led, at most. */
const PATIENCE = 1000;

/** They act one after the other, however fast the key is pressed: what can be undone is known only after the one before. */
let turn: Promise<void> = Promise.resolve();

export function undo(): void {
  queue(back);
}

export function redo(): void {
  queue(forth);
}

/** What buttons need to know. */
export function useUndoable(): { canUndo: boolean; canRedo: boolean } {
  const canUndo = useSession((state) => state.view?.place.can_undo ?? false);
  const canRedo = useSession((state) => state.view?.place.can_redo ?? false);
  useLayers((state) => state.revisions);
  return { canUndo: canUndo || history.length > 0, canRedo: canRedo || history.canRedo };
}

function queue(work: () => Promise<void>): void {
  turn = turn.then(async () => {
    if (paintedNow() !== null) return;
    // what was painted a moment ago is a change of the session only once it is there
    await allSent();
    await allShown();
    await work();
  });
}

/** A stroke of the page comes first where the session stands as it did when it was made, or before that. */
async function back(): Promise<void> {
  if (dropUnshown()) return;
  const { events, view } = useSession.getState();
  const last = history.lastDone;
  if (last && changesSince(events, last.mark).balance <= 0 && undoStroke()) return;
  if (view?.place.can_undo) await move("undo");
  else undoStroke();
}

/** The other way round: the session goes on until it stands as it did when the stroke was made. */
async function forth(): Promise<void> {
  const { events, view } = useSession.getState();
  const next = history.lastUndone;
  if (next && changesSince(events, next.mark).balance === 0 && redoStroke()) return;
  if (view?.place.can_redo) await move("redo");
  else redoStroke();
}

/** Resolves once it is known where that has led. */
async function move(kind: "undo" | "redo"): Promise<void> {
  const { done, undone } = changesSince(useSession.getState().events, 0);
  const stroke = (kind === "undo" ? done : undone).at(-1);
  const isHere = stroke && isInStep(stroke.region);
  if (!(await edit({ kind }))) return;
  if (isHere && retrace(kind, stroke)) noteOwn(stroke.region);
  const before = useSession.getState().view?.place.settings;
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer);
      stop();
      resolve();
    };
    const timer = setTimeout(done, PATIENCE);
    const stop = useSession.subscribe(({ view }) => view?.place.settings !== before && done());
  });
}
