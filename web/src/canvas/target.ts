// The layer that a tool paints on now; a region is made where there is none yet.

import { notice } from "../parts/notices";
import { addRegion } from "../regions/edit";
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
  if (active === null) {
    const id = addRegion();
    activate(id);
    return id;
  }
  if (locked.has(active)) {
    notice.info("This region is locked. Unlock it in the list of regions to paint on it.");
    return null;
  }
  return active;
}
