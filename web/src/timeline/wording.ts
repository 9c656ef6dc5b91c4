// What is different between two texts, in words. Pure.

import { quoted } from "../parts/phrases";

const ARTICLE = /^(a|an|the|some|two|three)$/i;
const ENDS =
  /^(on|in|at|of|with|and|or|to|from|by|under|over|near|behind|beside|before|above|below|next|made|is|are|AND|BREAK)$|^[[(]/i;

/** What is different between two texts: "'a cat' became 'a lion'". Only the words between those that both share. */
export function difference(before: string, after: string): string {
  const old = before.trim().split(/\s+/).filter(Boolean);
  const now = after.trim().split(/\s+/).filter(Boolean);
  let first = 0;
  while (first < old.length && first < now.length && old[first] === now[first]) first++;
  let last = 0;
  while (last < old.length - first && last < now.length - first && old.at(-1 - last) === now.at(-1 - last)) last++;
  // "a red apple" is easier to read than "red"
  const swaps = old.length - first - last > 0 && now.length - first - last > 0;
  if (swaps && first > 0 && ARTICLE.test(old[first - 1] ?? "")) first--;
  const end = old[old.length - last - 1] ?? "";
  if (swaps && last > 0 && /\w$/.test(end) && !ENDS.test(old[old.length - last] ?? "")) last--;
  const gone = old.slice(first, old.length - last).join(" ");
  const come = now.slice(first, now.length - last).join(" ");
  if (!gone && !come) return "nothing changed";
  if (!gone) return `${quoted(come)} was added`;
  if (!come) return `${quoted(gone)} was taken out`;
  return `${quoted(gone)} became ${quoted(come)}`;
}
