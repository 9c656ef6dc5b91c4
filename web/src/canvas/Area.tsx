/** Area. */
export function Area() {
  return null;
}
