// What the parts of the timeline read of the session.

import { useMemo } from "react";
import { useSession } from "../session/store";
import { type Mark, marksOn, type Story, Teller } from "./story";
import { statesSinceStart, type Way, wayOf } from "./strip";

/** Reads the log of the session that is looked at. */
export const teller = new Teller();

/** The way that is looked at; null without a session. */
export function useWay(): Way | null {
  const nodes = useSession((state) => state.view?.nodes);
  const branches = useSession((state) => state.view?.branches);
  const place = useSession((state) => state.view?.place);
  return useMemo(
    () => (nodes && branches && place ? wayOf({ nodes, branches, place }) : null),
    [nodes, branches, place],
  );
}

/** The log in words. */
export function useStory(): Story {
  return teller.tell(useSession((state) => state.events));
}

/** Where changes took effect on a way. */
export function useMarks(way: Way): Mark[] {
  const { marks } = useStory();
  const view = useSession((state) => state.view);
  return useMemo(() => {
    if (!view) return [];
    const next = (branch: number, node: number) => {
      const tip = view.branches.get(branch)?.tip;
      const states = tip === undefined ? [] : statesSinceStart(view.nodes, tip);
      return states[states.findIndex((one) => one.id === node) + 1]?.id;
    };
    return marksOn(marks, way.states, way.branch, next);
  }, [marks, view, way]);
}
