// A session of the model that the panels speak for: painting without one prepares it.

import { prepare } from "../session/actions";
import { nextModel } from "../session/models";
import { close, useSession } from "../session/store";
import { isForNext } from "../session/view";

/** Whether there is one. A finished picture of another model stays in the history. */
export async function ready(): Promise<boolean> {
  const { id, view, problem } = useSession.getState();
  if (view && (!isForNext(view) || view.model === nextModel()?.id)) return true;
  // one that could not begin is in the way too
  if (id !== null && (view || problem)) close();
  return prepare();
}
