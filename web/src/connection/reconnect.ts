// When to try again after a lost connection: at once, then ever later, at most every five seconds; at once too when the machine wakes up.

const LONGEST = 5000;

/** Milliseconds before the attempt of that number (from 0); a little by chance, so that pages do not all come at once. */
export function delayBefore(attempt: number, chance = Math.random()): number {
  return attempt === 0 ? 0 : Math.min(LONGEST, 250 * 2 ** (attempt - 1)) * (0.75 + 0.5 * chance);
}

/** Have something done later, or as soon as the network is back or the page is looked at again. Returns what calls it off. */
export function soon(work: () => void, milliseconds: number): () => void {
  const timer = setTimeout(now, milliseconds);
  function now() {
    stop();
    work();
  }
  function seen() {
    if (document.visibilityState === "visible") now();
  }
  function stop() {
    clearTimeout(timer);
    window.removeEventListener("online", now);
    document.removeEventListener("visibilitychange", seen);
  }
  window.addEventListener("online", now);
  document.addEventListener("visibilitychange", seen);
  return stop;
}
