// Names of files and presets. Pure.

/** A name for a file that every system takes, made of a prompt. */
export function fileName(words: string, ending: string): string {
  const plain = words
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .replace(/[^a-zA-Z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .toLowerCase()
    .slice(0, 60)
    .replace(/-+$/, "");
  return `${plain || "picture"}.${ending}`;
}

/** A name that nobody has yet: "fox", "fox 2", "fox 3". */
export function freeName(wanted: string, taken: ReadonlySet<string>): string {
  const name = wanted.trim().slice(0, 190) || "preset";
  if (!taken.has(name)) return name;
  for (let number = 2; ; number++) if (!taken.has(`${name} ${number}`)) return `${name} ${number}`;
}
