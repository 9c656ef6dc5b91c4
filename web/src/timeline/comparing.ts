// What is compared, and how: the page over the studio that shows states side by side.

import { create } from "zustand";

export type Manner = "slider" | "beside" | "difference" | "grid";

export type Comparing =
  | { page: "pair"; manner: Manner; left: number; right: number }
  | { page: "several"; seq: number }
  | { page: "choose"; step: number };

export const useComparing = create<{ now: Comparing | null }>(() => ({ now: null }));

export function compare(now: Comparing | null): void {
  useComparing.setState({ now });
}

/** How a branch is asked about before it is deleted, or which one gets a name. */
export type Asking =
  | { what: "delete"; branch: number }
  | { what: "name"; branch: number }
  | { what: "name-state"; node: number }
  | null;

export const useAsking = create<{ now: Asking }>(() => ({ now: null }));

export function ask(now: Asking): void {
  useAsking.setState({ now });
}
