// Keeps the title of the page as the session is.

import { useSession } from "../session/store";
import { drawingWords } from "../timeline/drawn";
import { titleOf } from "./title";

/** Milliseconds between two titles: browsers do much for each, and a run has many steps a second. */
const PAUSE = 500;

/** From now on. Returns what stops it. */
export function followTitle(): () => void {
  let timer: ReturnType<typeof setTimeout> | null = null;
  const write = () => {
    timer = null;
    const { view, waiting, events } = useSession.getState();
    const title = titleOf(view, waiting, view ? drawingWords(view, events).prompt : undefined);
    if (document.title !== title) document.title = title;
  };
  write();
  const unsubscribe = useSession.subscribe(() => {
    timer ??= setTimeout(write, PAUSE);
  });
  return () => {
    unsubscribe();
    if (timer !== null) clearTimeout(timer);
  };
}
