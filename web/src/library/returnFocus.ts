import { type RefObject, useEffect, useRef } from "react";

/** Brings the keyboard back to a row's menu once what the menu had opened in its place is done. */
export function useReturnFocus<Row extends HTMLElement>(isResting: boolean): RefObject<Row | null> {
  const row = useRef<Row>(null);
  const rested = useRef(isResting);
  useEffect(() => {
    const isBack = isResting && !rested.current;
    rested.current = isResting;
    if (isBack && document.activeElement === document.body)
      row.current?.querySelector<HTMLElement>("[aria-haspopup=menu]")?.focus();
  }, [isResting]);
  return row;
}

/** Before a row goes: the keyboard to its neighbour. */
export function focusNeighbour(row: Element | null | undefined): void {
  const neighbour = row?.nextElementSibling ?? row?.previousElementSibling;
  neighbour?.querySelector("button")?.focus();
}
