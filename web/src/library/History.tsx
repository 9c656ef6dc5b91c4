/** History. */
export function History() {
  return null;
}
