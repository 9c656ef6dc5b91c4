// What a picture was drawn with: the settings in force are those of the next step, and of a finished picture nothing follows.

import { useSession } from "../session/store";
import type { SessionEvent, View } from "../session/view";
import type { Settings } from "../wire";
import { teller } from "./hooks";
import type { InForce } from "./inForce";
import { statesSinceStart } from "./strip";

export interface Drawn {
  settings: Settings;
  /** Whether it is not known here how its regions were painted, or what the model was shown. */
  isPainted: boolean;
  isShown: boolean;
  /** Whether the same settings drew every state on the way. */
  isSteady: boolean;
}

/** What drew a state. Where the log is not here yet it is what is in force, which may have been changed on the way. */
export function drawnOf({ view, events }: { view: View; events: readonly SessionEvent[] }, node: number): Drawn {
  const { settings } = view.place;
  teller.tell(events);
  const made = teller.madeWith(node);
  if (!made) return { settings, isPainted: false, isShown: false, isSteady: false };
  const { painted, shown, ...told } = made;
  const now = teller.inForce;
  const here = Object.fromEntries(settings.regions?.map(({ id, mask = null }) => [id, mask]) ?? []);
  const masks = teller.masksOf(made) ?? (painted === now.painted ? here : undefined);
  const pictures = teller.shownOf(made) ?? (shown === now.shown ? settings : undefined);
  const regions = told.regions.map((region) => ({ ...region, mask: masks?.[region.id] ?? null }));
  // of what was in force where it began only the noise is in the picture
  const steps = statesSinceStart(view.nodes, node).filter(({ origin }) => origin === "step");
  const states = steps.map(({ id }) => teller.madeWith(id) ?? made);
  return {
    settings: { ...settings, ...told, regions, shown: pictures?.shown ?? null, hole: pictures?.hole ?? null },
    isPainted: masks === undefined,
    isShown: pictures === undefined,
    isSteady: states.every((one) => isSame(one, made)),
  };
}

/** The words that the picture was drawn with, once it is finished; those in force before. */
export function drawingWords(
  view: View,
  events: readonly SessionEvent[],
): Pick<Settings, "prompt" | "negative_prompt"> {
  teller.tell(events);
  const made = view.place.status === "finished" ? teller.madeWith(view.place.node) : undefined;
  return made ?? view.place.settings;
}

/** What drew the finished picture that is looked at, of the words; undefined where there is none. */
export function useDrawnWords(name: "prompt" | "negative_prompt"): string | undefined {
  return useSession(({ view, events }) =>
    view?.place.status === "finished" ? (drawingWords(view, events)[name] ?? "") : undefined,
  );
}

function isSame(one: InForce, other: InForce): boolean {
  const names = Object.keys(one) as (keyof InForce)[];
  return one === other || names.every((name) => JSON.stringify(one[name]) === JSON.stringify(other[name]));
}
