// Going back and forth along a way: what is looked at follows the hand at once, the session follows when it is let go.

import { create } from "zustand";
import { pictures } from "../connection/http";
import { frameOf, peekAt, useFrames } from "../session/frames";
import { edit, useSession } from "../session/store";
import type { NodeView } from "../wire";
import { stateAt, wayOf } from "./strip";

/** The step that is held, or waited for; null where the session stands. */
export const useScrub = create<{ step: number | null }>(() => ({ step: null }));

const KEY_PAUSE = 140;
const FRAME_PATIENCE = 350;
const MOVE_PATIENCE = 1000;
const REPLAY_TIME = 4000;
/** One grey pixel, for what is noise alone. */
const NOISE = "data:image/gif;base64,R0lGODlhAQABAIAAAH9/f////yH5BAAAAAAALAAAAAABAAEAAAICRAEAOw==";
let waiting: ReturnType<typeof setTimeout> | undefined;
let asked = 0;
/** The rewind that was sent last, until it is known where it led. */
let going: { session: string; step: number } | null = null;

/** Take hold of a step; whatever was on its way there ends. */
export function grasp(step: number): void {
  asked++;
  clearTimeout(waiting);
  holdStep(step);
}

/** Look at a step; the session stays where it is. */
export function holdStep(step: number): void {
  const { view } = useSession.getState();
  if (!view) return;
  const state = stateAt(wayOf(view), step);
  if (!state) return;
  useScrub.setState({ step });
  look(view.session, state);
}

/** Have the session go to the step that is held. A run that goes on waits there, so that something can be changed. */
export async function letGo(): Promise<void> {
  const { step } = useScrub.getState();
  const { view } = useSession.getState();
  clearTimeout(waiting);
  if (step === null || !view) return;
  const mine = ++asked;
  if (view.place.status === "running") void edit({ kind: "pause" });
  const ahead = going?.session === view.session ? going.step : view.place.step;
  if (ahead !== step || view.place.status === "running") {
    const journey = { session: view.session, step };
    going = journey;
    // where it stands now is told right after; a key that is pressed in between counts from there
    if (await edit({ kind: "rewind", step })) await whenMoved(step);
    if (going === journey) going = null;
  }
  if (mine === asked) forget();
}

/** Resolves once this page has heard where the session stands: at that step, or where somebody took it right after. */
function whenMoved(step: number): Promise<void> {
  return new Promise((resolve) => {
    const from = useSession.getState().view?.place.node;
    const look = () => {
      const place = useSession.getState().view?.place;
      if (!place || place.step === step || place.node !== from) end();
    };
    const end = () => {
      clearTimeout(late);
      stop();
      resolve();
    };
    // the connection may be lost before it is told
    const late = setTimeout(end, MOVE_PATIENCE);
    const stop = useSession.subscribe(look);
    look();
  });
}

/** Stay where the session is after all. */
export function giveUp(): void {
  asked++;
  clearTimeout(waiting);
  forget();
}

/** See it form once more: through the pictures that are there, while the session stays where it is. */
export function replay(): void {
  const { view } = useSession.getState();
  if (!view) return;
  const way = wayOf(view);
  const { session } = view;
  const pause = Math.max(16, Math.min(160, REPLAY_TIME / Math.max(1, way.tip - way.first)));
  let step = way.first + 1;
  giveUp();
  const mine = asked;
  const show = () => {
    if (mine !== asked || useSession.getState().view?.session !== session) return;
    if (step > way.tip) {
      giveUp();
      return;
    }
    holdStep(step++);
    waiting = setTimeout(show, pause);
  };
  show();
}

/** So many steps on or back; several in a row are one journey. */
export function moveBy(steps: number): void {
  const { view } = useSession.getState();
  if (!view) return;
  const way = wayOf(view);
  const from = useScrub.getState().step ?? view.place.step;
  const to = from + steps;
  if (to > way.tip && way.tip < way.last && steps > 0 && view.place.status !== "running" && from === way.tip) {
    void edit({ kind: "step-once" });
    return;
  }
  moveTo(Math.max(way.first, Math.min(way.tip, to)));
}

/** To a step, by keys: the session follows when they rest. */
export function moveTo(step: number): void {
  grasp(step);
  waiting = setTimeout(() => void letGo(), KEY_PAUSE);
}

export function moveToStart(): void {
  const { view } = useSession.getState();
  if (view) moveTo(wayOf(view).first);
}

export function moveToEnd(): void {
  const { view } = useSession.getState();
  if (view) moveTo(wayOf(view).tip);
}

/** Have the stage show where the session stands, also where no frame came of that state. Until what comes back is called. */
export function followStanding(): () => void {
  let late: ReturnType<typeof setTimeout> | undefined;
  function stand() {
    clearTimeout(late);
    const { view } = useSession.getState();
    const { newest } = useFrames.getState();
    if (useScrub.getState().step !== null) return;
    if (!view || view.place.status === "running" || newest?.node === view.place.node || view.nodes.size === 1) {
      peekAt(null);
      return;
    }
    const { node } = view.place;
    const url = view.place.step === 0 ? NOISE : frameOf(view.session, node);
    if (url) peekAt({ node, url });
    // its frame may be on the way
    else late = setTimeout(() => void draw(view.session, node), FRAME_PATIENCE);
  }
  const changed = useSession.subscribe(({ id }, before) => {
    if (id !== before.id) giveUp();
  });
  const stops = [changed, useSession.subscribe(stand), useFrames.subscribe(stand), useScrub.subscribe(stand)];
  stand();
  return () => {
    clearTimeout(late);
    for (const stop of stops) stop();
  };
}

function look(session: string, { id, step }: NodeView): void {
  const url = step === 0 ? NOISE : frameOf(session, id);
  if (url) peekAt({ node: id, url });
  else void draw(session, id);
}

/** Show a state once its picture is here, if it is still the one to show. */
async function draw(session: string, node: number): Promise<void> {
  const url = pictures.image(session, node, "jpeg");
  const image = new Image();
  image.src = url;
  const came = await image.decode().then(
    () => true,
    () => false,
  );
  const { view } = useSession.getState();
  const { step } = useScrub.getState();
  if (!came || view?.session !== session) return;
  const wanted = step === null ? view.place.node : stateAt(wayOf(view), step)?.id;
  if (wanted === node && (step !== null || view.place.status !== "running")) peekAt({ node, url });
}

function forget(): void {
  if (useScrub.getState().step !== null) useScrub.setState({ step: null });
}
