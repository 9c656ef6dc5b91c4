// The picture that the model is shown, seen on the stage as long as somebody draws into it or there is nothing else to see.

import { useOverlays } from "../canvas/overlays";
import { HOLE, useCanvas } from "../canvas/state";
import { pictures } from "../connection/http";
import { useModels } from "../session/models";
import { useSession } from "../session/store";
import { showsOf } from "./shown";

/** The address of the picture that a session's model is shown; null = none. */
function wantedUrl(): string | null {
  const { view } = useSession.getState();
  const shows = view && showsOf(view);
  const shown = view?.place.settings.shown;
  if (!view || !shown || !shows || shows.kind === "semantic-map") return null;
  const isPainted = shows.kind === "inpainting" && useCanvas.getState().active === HOLE;
  return isPainted || view.place.step === 0 ? pictures.shown(view.session, shown) : null;
}

let url: string | null = null;

/** Keep it on the stage. Returns what ends it. */
export function followGiven(): () => void {
  const look = () => {
    const next = wantedUrl();
    if (next === url) return;
    url = next;
    if (next === null) useOverlays.setState({ given: null });
    else void show(next);
  };
  look();
  const stops = [useSession.subscribe(look), useCanvas.subscribe(look), useModels.subscribe(look)];
  return () => {
    for (const stop of stops) stop();
  };
}

async function show(wanted: string): Promise<void> {
  const image = new Image();
  image.src = wanted;
  await image.decode().catch(() => undefined);
  if (url === wanted && image.naturalWidth > 0) useOverlays.setState({ given: image });
}
