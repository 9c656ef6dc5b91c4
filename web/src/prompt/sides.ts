// Which sides a picture can have. Pure.

const MOST = 2048;

/** Why this is no side; null = it can be one, or the nearest that fits. `now` is what is used in its place. */
export function sideProblem(typed: number | string, stride: number, now: number): string | null {
  if (typeof typed === "number" && typed >= stride && typed <= MOST) return null;
  return `From ${stride} to ${MOST} px, in steps of ${stride}. It stays ${now} px.`;
}

/** The side made of whole cells that is nearest. */
export function fittingSide(side: number, stride: number): number {
  return Math.min(MOST, Math.max(stride, Math.round(side / stride) * stride));
}
