/** Presets. */
export function Presets() {
  return null;
}
