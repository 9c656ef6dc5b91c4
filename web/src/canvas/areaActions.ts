// What is asked of the chosen area.

import { api, pictures } from "../connection/http";
import { fitted } from "../inputs/fitting";
import { notice } from "../parts/notices";
import { wired } from "../regions/edit";
import { edit, sentence, useSession } from "../session/store";
import type { View } from "../session/view";
import type { HeldArea } from "./heldAreas";
import { isEmpty, maskOf } from "./layers";
import { invert } from "./masks/paint";
import { fetchMask } from "./masks/pictures";
import { useOverlays } from "./overlays";
import { AREA, CHANGE } from "./state";

const chosen = () => (isEmpty(AREA) ? null : wired(maskOf(AREA)));

export function keepArea(): void {
  const area = chosen();
  if (area) void edit({ kind: "lock-area", area });
}

/** `seed` of the new content; null = another one than before. */
export async function redoArea(strength: number, seed: number | null): Promise<void> {
  const area = chosen();
  if (!area) return;
  const applied = await edit({ kind: "redo-area", area, strength, seed });
  if (applied) await goOn();
}

export function likeArea(strength: number): void {
  void edit({ kind: "like-area", area: chosen(), strength });
}

export async function dislikeArea(strength: number): Promise<void> {
  if (await edit({ kind: "dislike-area", area: chosen(), strength })) await goOn();
}

/** null = all that is held. */
export function releaseArea(all: boolean): void {
  void edit({ kind: "release-area", area: all ? null : chosen() });
}

export function forgetFeedback(): void {
  void edit({ kind: "forget-feedback" });
}

/** Begin a branch from the picture that is shown, or from a file. */
export async function startFromImage(strength: number, file?: Blob): Promise<void> {
  const { view } = useSession.getState();
  if (!view) return;
  try {
    const { width, height } = view.place.settings;
    // its middle, as of one that is dropped in: the server would press the whole of it into that shape
    const image = file ? await fitted(file, width, height) : await present(view);
    const change_map = isEmpty(CHANGE) ? null : wired(maskOf(CHANGE));
    if (await edit({ kind: "start-from-image", image, strength, change_map })) await goOn();
  } catch (problem) {
    notice.problem(sentence(problem));
  }
}

/** The picture that is shown, to the last bit. */
async function present({ session, place }: View): Promise<Uint8Array> {
  return new Uint8Array(await (await api.blob(pictures.image(session, place.node))).arrayBuffer());
}

/** A new future is made at once. */
async function goOn(): Promise<void> {
  const { view } = useSession.getState();
  if (view?.place.status === "paused") await edit({ kind: "resume" });
}

let pointedKey: string | null = null;

/** Show on the picture which area is meant; null = none. */
export async function pointAt(held: HeldArea | null): Promise<void> {
  pointedKey = held?.key ?? null;
  const { view } = useSession.getState();
  if (!held?.mask || !view) {
    useOverlays.setState({ pointed: null });
    return;
  }
  try {
    const mask = await fetchMask(view.session, held.mask);
    if (held.inverse) invert(mask);
    if (pointedKey === held.key) useOverlays.setState({ pointed: mask });
  } catch {
    // an outline that cannot be shown is none
  }
}
