// The title of the page: how far the picture is, and what it shows, so that a tab tells it from afar.

import type { View } from "../session/view";

const NAME = "ildm studio";

/** "9/25 a red apple - ildm" while it forms; without the numbers once it is done. `prompt` is what drew it, where that is not in force any more. */
export function titleOf(view: Pick<View, "place"> | null, waiting: number | null, prompt?: string): string {
  if (waiting !== null) return `Waiting - ${NAME}`;
  if (!view) return NAME;
  const { status, step, settings } = view.place;
  const words = (prompt ?? settings.prompt)?.trim() || "A picture";
  const progress = status === "finished" ? "" : `${step}/${settings.num_steps} `;
  return `${progress}${words.length > 60 ? `${words.slice(0, 59)}…` : words} - ildm`;
}
