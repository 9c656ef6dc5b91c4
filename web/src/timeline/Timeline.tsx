/** Timeline. */
export function Timeline() {
  return null;
}
