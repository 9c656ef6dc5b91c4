// Pieces of sentences. Pure.

const MOST_LETTERS = 90;

/** Somebody's words in one line, in quotes, cut after some letters. */
export function quoted(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return `'${line.length <= MOST_LETTERS ? line : `${line.slice(0, MOST_LETTERS - 3)}...`}'`;
}

/** "1 step", "2 steps". */
export function counted(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** "this", "this and that", "this, that and more". */
export function listed(parts: readonly string[]): string {
  const last = parts.at(-1) ?? "";
  return parts.length < 2 ? last : `${parts.slice(0, -1).join(", ")} and ${last}`;
}

/** A number with two decimals at most. */
export function short(value: number): string {
  return String(Number(value.toFixed(2)));
}

/** A share of 1 in percent. */
export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** With a capital letter. */
export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** With a capital letter and a full stop. */
export function sentence(text: string): string {
  const line = capital(text.trim());
  return /[.!?]$/.test(line) ? line : `${line}.`;
}
