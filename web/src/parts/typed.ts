// What is being written and not said yet, kept over a reload of the page; each tab has its own.

const NAME = "ildm-typed";

/** What was written into a box when the page was left; null = nothing. */
export function typedIn(box: string): string | null {
  return all()[box] ?? null;
}

/** null = it is said, or dropped. */
export function keepTyped(box: string, text: string | null): void {
  const { [box]: former, ...others } = all();
  if (text === (former ?? null)) return;
  try {
    sessionStorage.setItem(NAME, JSON.stringify(text === null ? others : { ...others, [box]: text }));
  } catch {
    // where a browser keeps nothing, a reload begins anew
  }
}

function all(): Record<string, string> {
  try {
    return JSON.parse(sessionStorage.getItem(NAME) ?? "{}") as Record<string, string>;
  } catch {
    return {};
  }
}
