/** What is seen before there is a picture. */
export function Welcome() {
  return null;
}
