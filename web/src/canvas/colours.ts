// One colour for each region: twelve hues that can be told apart, by most colour-blind people too. Pure.

const PALETTE = [
  "#e69f00",
  "#56b4e9",
  "#009e73",
  "#cc79a7",
  "#f0e442",
  "#0072b2",
  "#d55e00",
  "#aa4499",
  "#44aa99",
  "#882255",
  "#999933",
  "#5b4bd1",
] as const;

export const AREA_COLOUR = "#ffffff";
export const CHANGE_COLOUR = "#ff7f50";
export const HOLE_COLOUR = "#ff4fa3";

/** An id for a new region that says how many came before it, so that every page gives it the same colour. */
export function newRegionId(ids: readonly string[], chance = Math.random()): string {
  const number = Math.max(0, ...ids.map((id) => numberOf(id) ?? 0)) + 1;
  return `region-${number}-${Math.floor(chance * 36 ** 4).toString(36)}`;
}

/** Places in the palette: by the number in the id, or else the first that is free. What is known already stays. */
export function placesOf(ids: readonly string[], known: ReadonlyMap<string, number>): Map<string, number> {
  const places = new Map<string, number>();
  for (const id of ids) {
    const number = numberOf(id);
    const place = known.get(id) ?? (number === null ? undefined : number - 1);
    if (place !== undefined) places.set(id, place);
  }
  const taken = new Set(places.values());
  for (const id of ids) {
    if (places.has(id)) continue;
    let free = 0;
    while (taken.has(free)) free++;
    taken.add(free);
    places.set(id, free);
  }
  return places;
}

export function colourAt(place: number): string {
  return PALETTE[place % PALETTE.length] ?? PALETTE[0];
}

/** The red, green and blue of "#rrggbb". */
export function rgbOf(colour: string): [number, number, number] {
  const value = Number.parseInt(colour.slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}

function numberOf(id: string): number | null {
  const found = /^region-(\d+)-/.exec(id);
  return found?.[1] ? Number(found[1]) : null;
}
