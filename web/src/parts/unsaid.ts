// A text that is the person's own while they write it, and everybody's otherwise.

import { useEffect, useRef, useState } from "react";
import { keepTyped, typedIn } from "./typed";

interface Unsaid {
  text: string;
  setText(text: string): void;
  /** Whether it is something else than what acts. */
  isUnsaid: boolean;
  /** Say it; where it is as before, nothing is said. */
  finish(): void;
  /** Have what acts again, and leave the field, so that the keys are the studio's again. */
  drop(field: HTMLElement): void;
}

interface Words {
  /** As it was said last, by whomever: it comes in as long as nothing unsaid is there. */
  said: string;
  /** What the picture that is there was made with, where what was said came too late for it. */
  acts?: string;
  say(text: string): void;
  /** What it is said of: where that changes, everything begins anew, but for what is being written on the same words. */
  of: string | null;
  /** Tells the boxes of one picture apart. */
  box: string;
}

export function useUnsaid({ said, acts = said, say, of, box }: Words): Unsaid {
  const place = `${of ?? "next"} ${box}`;
  const [text, setText] = useState(() => typedIn(place) ?? said);
  const before = useRef(said);
  const former = useRef(place);
  const isDropped = useRef(false);
  useEffect(() => {
    if (former.current === place) return;
    keepTyped(former.current, null);
    former.current = place;
    // a picture that has begun with these words: somebody writes on before it is there
    if (text !== before.current && said === before.current) return;
    setText(typedIn(place) ?? said);
    before.current = said;
  }, [place, said, text]);
  useEffect(() => {
    if (text === before.current) setText(said);
    before.current = said;
  }, [said, text]);
  useEffect(() => keepTyped(place, text === said ? null : text), [place, text, said]);
  return {
    text,
    setText,
    isUnsaid: text !== acts,
    finish() {
      if (isDropped.current) return;
      if (text !== said) say(text);
    },
    drop(field) {
      setText(acts);
      if (acts !== said) say(acts);
      before.current = said;
      // a field that is left says its words otherwise
      isDropped.current = true;
      field.blur();
      isDropped.current = false;
    },
  };
}
