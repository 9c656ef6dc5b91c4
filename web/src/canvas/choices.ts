// What the person has chosen about the regions of a session: kept by the tab, so that it outlives a reload.

import { useCanvas } from "./state";

const NAME = "ildm-regions:";

interface Choices {
  solo: string | null;
  locked: ReadonlySet<string>;
  muted: ReadonlyMap<string, number>;
}

/** Those of a session; none are there at first. */
export function choicesOf(session: string | null): Choices {
  const kept = session && sessionStorage.getItem(NAME + session);
  const { solo = null, locked = [], muted = [] } = kept ? JSON.parse(kept) : {};
  return { solo, locked: new Set(locked), muted: new Map(muted) };
}

/** Keep what is chosen from now on for the session that is looked at then. */
export function keepChoices(sessionNow: () => string | null): () => void {
  return useCanvas.subscribe(({ solo, locked, muted }, before) => {
    const session = sessionNow();
    if (!session || (solo === before.solo && locked === before.locked && muted === before.muted)) return;
    if (solo === null && locked.size + muted.size === 0) sessionStorage.removeItem(NAME + session);
    else sessionStorage.setItem(NAME + session, JSON.stringify({ solo, locked: [...locked], muted: [...muted] }));
  });
}
