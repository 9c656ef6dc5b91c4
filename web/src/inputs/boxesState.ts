// The boxes of a layout model: the prompt says them, and a hand may be changing them just now.

import { create } from "zustand";
import { change, useControl } from "../session/actions";
import { useSession } from "../session/store";
import { isForNext } from "../session/view";
import { type Box, layoutText, readLayout } from "./layout";

interface Boxes {
  /** As they will be: what a hand is changing, and what was said and is not in the settings yet. */
  wished: readonly Box[] | null;
  /** Which of them is chosen. */
  chosen: number | null;
  /** What the next box is. */
  label: string | null;
}

export const useBoxes = create<Boxes>(() => ({ wished: null, chosen: null, label: null }));

const NONE: readonly Box[] = [];
const SETTLED = 2000;
let timer: ReturnType<typeof setTimeout> | undefined;

/** The boxes as they are seen. */
export function useBoxesNow(): readonly Box[] {
  const said = useControl("prompt");
  const wished = useBoxes((state) => state.wished);
  return wished ?? readLayout(said) ?? NONE;
}

/** Show them so, and say nothing yet. */
export function holdBoxes(boxes: readonly Box[] | null): void {
  clearTimeout(timer);
  useBoxes.setState({ wished: boxes });
}

/** Have the picture show these, from the next step on; after a while where more may follow. */
export function sayBoxes(boxes: readonly Box[], wait = 0): void {
  holdBoxes(boxes);
  if (wait > 0) timer = setTimeout(() => void say(boxes), wait);
  else void say(boxes);
}

async function say(boxes: readonly Box[]): Promise<void> {
  const text = layoutText(boxes);
  if (await change("prompt", text)) await whenSaid(text);
  if (useBoxes.getState().wished === boxes) useBoxes.setState({ wished: null });
}

/** Resolves once the settings have it: they come a moment after the answer. */
function whenSaid(text: string): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      stop();
      clearTimeout(patience);
      resolve();
    };
    const look = () => {
      const { view } = useSession.getState();
      if (isForNext(view) || view?.place.settings.prompt === text) end();
    };
    const patience = setTimeout(() => end(), SETTLED);
    let stop = () => {};
    stop = useSession.subscribe(look);
    look();
  });
}

useSession.subscribe(({ id }, before) => {
  if (id === before.id) return;
  holdBoxes(null);
  useBoxes.setState({ chosen: null });
});
