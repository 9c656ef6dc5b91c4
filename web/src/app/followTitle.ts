// Keeps the title of the page as the session is.

import { useSession } from "../session/store";
import { titleOf } from "./title";

/** From now on. Returns what stops it. */
export function followTitle(): () => void {
  const write = () => {
    const { view, waiting } = useSession.getState();
    const title = titleOf(view, waiting);
    if (document.title !== title) document.title = title;
  };
  write();
  return useSession.subscribe(write);
}
