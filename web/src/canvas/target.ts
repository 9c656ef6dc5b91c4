// The layer that a tool paints on now; a region is made where there is none yet.

import { notice } from "../parts/notices";
import { addRegion } from "../regions/edit";
import { toldModel } from "../session/models";
import { useSession } from "../session/store";
import { useOverlays } from "./overlays";
import { activate, useCanvas } from "./state";

/** null = nothing can be painted on, and the person knows why. */
export function targetLayer(): string | null {
  const { active, locked, overlay } = useCanvas.getState();
  if (!useSession.getState().view) return null;
  if (!overlay) useCanvas.setState({ overlay: true });
  // while it is seen where a word acts, nothing that is painted would be
  useOverlays.setState({ heat: null });
  if (active === null) return firstLayer();
  if (locked.has(active)) {
    notice.info("This region is locked. Unlock it in the list of regions to paint on it.");
    return null;
  }
  return active;
}

/** Where nothing was chosen: a region, or what a model has in its place that reads no words. */
function firstLayer(): string | null {
  const model = toldModel();
  if (model?.reads !== null) {
    const id = addRegion();
    activate(id);
    return id;
  }
  if (model.shows?.kind === "semantic-map") notice.info("Choose under Map what to paint.");
  else
    notice.info(
      "This model reads no words, so it knows no regions. What can be painted on begins with Mark, as under Area.",
    );
  return null;
}
