// Beginning to paint from a panel: on a narrow page the picture is a long way from there.

import { activate } from "./state";

/** Paint on a layer from now on, with the picture in sight. */
export function paintOn(layer: string): void {
  activate(layer);
  showStage();
}

/** Scroll the page as far as needed to see the picture; where it is in sight already, not at all. */
export function showStage(): void {
  document.querySelector("main")?.scrollIntoView({ block: "nearest" });
}
