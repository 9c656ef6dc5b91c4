// A text that is the person's own while they write it, and everybody's otherwise.

import { useEffect, useRef, useState } from "react";

interface Unsaid {
  text: string;
  setText(text: string): void;
  /** Whether there is something that was not said yet. */
  isUnsaid: boolean;
  /** Say it; where it is as before, nothing is said. */
  finish(): void;
  /** Have it as it was, and leave the field, so that the keys are the studio's again. */
  drop(field: HTMLElement): void;
}

/**
 * What somebody else says comes in as long as nothing unsaid is there.
 *
 * `of` is what it is said of: where that changes, everything begins anew.
 */
export function useUnsaid(said: string, say: (text: string) => void, of: string | null = null): Unsaid {
  const [text, setText] = useState(said);
  const before = useRef(said);
  const former = useRef(of);
  const isDropped = useRef(false);
  useEffect(() => {
    if (former.current === of) return;
    former.current = of;
    setText(said);
    before.current = said;
  }, [of, said]);
  useEffect(() => {
    if (text === before.current) setText(said);
    before.current = said;
  }, [said, text]);
  return {
    text,
    setText,
    isUnsaid: text !== said,
    finish() {
      if (isDropped.current) return;
      if (text !== said) say(text);
    },
    drop(field) {
      setText(said);
      before.current = said;
      // a field that is left says its words otherwise
      isDropped.current = true;
      field.blur();
      isDropped.current = false;
    },
  };
}
