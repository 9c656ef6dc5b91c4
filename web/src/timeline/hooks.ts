// What the parts of the timeline read of the session.

import { useEffect, useMemo, useRef } from "react";
import { useSession } from "../session/store";
import { type Mark, marksOn } from "./marks";
import { type Story, Teller } from "./story";
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

/** One part of it: a component that reads a list or a number is left alone by every step that does not change it. */
export function useStoryPart<Name extends keyof Story>(name: Name): Story[Name] {
  return useSession((state) => teller.tell(state.events)[name]);
}

/** Where changes took effect on a way. The same value as long as they are the same. */
export function useMarks(way: Way): Mark[] {
  const marks = useStoryPart("marks");
  const view = useSession((state) => state.view);
  const next = (branch: number, node: number) => {
    const tip = view?.branches.get(branch)?.tip;
    const states = view && tip !== undefined ? statesSinceStart(view.nodes, tip) : [];
    return states[states.findIndex((one) => one.id === node) + 1]?.id;
  };
  return useSame(
    marksOn(marks, way.states, way.branch, next),
    (one, other) => one.length === other.length && one.every((mark, at) => mark === other[at]),
  );
}

/** The former value while the new one is the same. */
export function useSame<Value>(value: Value, isSame: (one: Value, other: Value) => boolean): Value {
  const kept = useRef(value);
  const same = isSame(kept.current, value) ? kept.current : value;
  useEffect(() => {
    kept.current = same;
  }, [same]);
  return same;
}
