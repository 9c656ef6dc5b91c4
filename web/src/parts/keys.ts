// Names of keys as the keyboard map writes them, and what of the keyboard belongs to something else. Pure.

/** What an event of the keyboard must be like; `alt` is never part of ours. */
export interface Pressed {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  shiftKey: boolean;
}

/** The name of what was pressed: "b", "?", "Shift+B", "Mod+s", "ArrowLeft", "Space". Mod is Ctrl, and Command on a Mac. */
export function nameOf({ key, ctrlKey, metaKey, altKey, shiftKey }: Pressed): string {
  const isSign = key.length === 1 && key !== " " && key.toLowerCase() === key.toUpperCase();
  // on many keyboards a sign as "[" is typed with AltGr, which some systems tell as Ctrl and Alt
  if (altKey) return isSign && ctrlKey ? key : "";
  const plain = key === " " ? "Space" : key.length === 1 ? key.toLowerCase() : key;
  const isLetter = plain.length === 1 && plain !== plain.toUpperCase();
  // Shift is in a sign already: "?" is not told as "Shift+?"
  const shift = shiftKey && (isLetter || plain.length > 1) ? "Shift+" : "";
  return `${ctrlKey || metaKey ? "Mod+" : ""}${shift}${plain}`;
}

/** The same name, however it was written: "Ctrl+Z" and "Mod+z" are one. */
export function canonical(key: string): string {
  const parts = key === "+" || key.endsWith("++") ? [...key.slice(0, -2).split("+"), "+"] : key.split("+");
  const last = parts.at(-1) ?? "";
  const held = new Set(parts.slice(0, -1).map((part) => (/^(ctrl|cmd|mod)$/i.test(part) ? "Mod" : part)));
  const plain = last === " " ? "Space" : last.length === 1 ? last.toLowerCase() : last;
  return `${held.has("Mod") ? "Mod+" : ""}${held.has("Shift") ? "Shift+" : ""}${plain}`;
}

const SHOWN: Record<string, string> = {
  ArrowLeft: "←",
  ArrowRight: "→",
  ArrowUp: "↑",
  ArrowDown: "↓",
  Escape: "Esc",
  Mod: "Ctrl",
};

/** The caps of a key, one after the other, as they are printed on a keyboard. */
export function caps(key: string, isMac: boolean): string[] {
  const name = canonical(key);
  const parts =
    name.endsWith("++") || name === "+" ? [...name.slice(0, -1).split("+").filter(Boolean), "+"] : name.split("+");
  return parts.map((part) =>
    part === "Mod" && isMac ? "⌘" : (SHOWN[part] ?? (part.length === 1 ? part.toUpperCase() : part)),
  );
}
