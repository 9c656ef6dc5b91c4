/** Events. */
export function Events() {
  return null;
}
