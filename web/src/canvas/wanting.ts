// A region that has just got its first shape wants words: what is typed next is meant for it, and not for the keys of the page.

import { create } from "zustand";
import { mayTakeFocus } from "../parts/keyboard";

/** The region whose words are to be written; null = none. */
export const useWanting = create<{ region: string | null }>(() => ({ region: null }));

export function wantWords(region: string): void {
  if (mayTakeFocus()) useWanting.setState({ region });
}

/** They are being written, or something else is painted by now. */
export function wantNothing(): void {
  useWanting.setState({ region: null });
}
