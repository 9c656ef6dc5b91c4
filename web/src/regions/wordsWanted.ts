import { useEffect, useRef } from "react";
import { paintedNow } from "../canvas/layers";
import { useWanting, wantNothing } from "../canvas/wanting";

/** The box for a region's words, with the cursor in it once they are wanted; Escape, or painting on, takes it away again. */
export function useWordsWanted(id: string, prompt: string) {
  const box = useRef<HTMLInputElement>(null);
  const isWanted = useWanting((state) => state.region === id);
  useEffect(() => {
    if (!isWanted) return;
    wantNothing();
    if (prompt === "" && paintedNow() === null) box.current?.focus();
  }, [isWanted, prompt]);
  return box;
}
