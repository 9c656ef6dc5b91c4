// Names found by a part of them. Pure.

/** The names with that in them, the nearest first: the name itself, those that begin with it, those with a word that does, all others. */
export function found<Option extends { label: string }>(options: readonly Option[], typed: string): Option[] {
  const wanted = typed.trim().toLowerCase();
  if (wanted === "") return [...options];
  const ranked = options.map((option) => ({ option, rank: rankOf(option.label.toLowerCase(), wanted) }));
  return ranked
    .filter(({ rank }) => rank < Infinity)
    .sort((one, other) => one.rank - other.rank)
    .map(({ option }) => option);
}

function rankOf(name: string, wanted: string): number {
  const at = name.indexOf(wanted);
  if (at < 0) return Infinity;
  if (at === 0) return name === wanted ? 0 : 1;
  return name.includes(` ${wanted}`) ? 2 : 3;
}
