/** RegionsPanel. */
export function RegionsPanel() {
  return null;
}
