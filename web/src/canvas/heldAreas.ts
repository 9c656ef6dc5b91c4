// What is kept, liked and disliked now, in words. Pure.

import type { Settings } from "../wire";

export interface HeldArea {
  key: string;
  text: string;
  /** Hash of its mask; null = the whole picture. */
  mask: string | null;
  /** Whether the mask says where it may change, not where it is kept. */
  inverse: boolean;
}

export function heldAreas({ holds = [], feedback = [] }: Settings): HeldArea[] {
  const held = holds.map((hold, index) => ({
    key: `hold-${index}-${hold.change}`,
    text: hold.locked
      ? "Kept as it is"
      : hold.until == null
        ? "Held as in the picture it came from"
        : `Held until step ${hold.until}`,
    mask: hold.change,
    inverse: true,
  }));
  const judged = feedback.map(({ liked, area = null, strength = 1 }, index) => ({
    key: `feedback-${index}-${area}`,
    text: `${liked ? "More like" : "Other than"} ${area ? "this area" : "the whole picture"}${strength === 1 ? "" : `, strength ${strength}`}`,
    mask: area,
    inverse: false,
  }));
  return [...held, ...judged];
}
