// The form follows the session that is looked at, so that the next picture begins where this one is.

import { type Controls, controlsOf, draftOf } from "./draft";
import { useSession } from "./store";

const NAME = "ildm-followed";

interface Followed {
  session: string;
  controls: Controls;
}

/** Keep the form as the session has it. What the person has chosen for the next picture stays, over a reload too. */
export function followSession(): () => void {
  let last = kept();
  const follow = (followed: Followed | null) => {
    last = followed;
    keep(followed);
  };
  return useSession.subscribe(({ id, view }, before) => {
    if (id === null && before.id !== null) follow(null);
    if (!view || view === before.view) return;
    const controls = controlsOf(view.place.settings);
    const then = last?.session === view.session ? last.controls : undefined;
    if (then && Object.entries(controls).every(([name, value]) => value === then[name as keyof Controls])) return;
    draftOf(view.model, controls, then);
    follow({ session: view.session, controls });
  });
}

function kept(): Followed | null {
  try {
    return JSON.parse(sessionStorage.getItem(NAME) ?? "null") as Followed | null;
  } catch {
    return null;
  }
}

function keep(followed: Followed | null): void {
  try {
    sessionStorage.setItem(NAME, JSON.stringify(followed));
  } catch {
    // where a browser keeps nothing, a reload takes all over from the session
  }
}
