/** Scroll a list, and nothing around it, until a row of it can be seen. */
export function bringIntoSight(list: Element | null | undefined, row: Element | null | undefined): void {
  if (!list || !row) return;
  const [box, inside] = [list.getBoundingClientRect(), row.getBoundingClientRect()];
  if (inside.top < box.top) list.scrollTop -= box.top - inside.top;
  else if (inside.bottom > box.bottom) list.scrollTop += inside.bottom - box.bottom;
}
