// Boxes as a prompt and back, as `ildm.conditioning.layout` reads them: `fox 0.1 0.2 0.5 0.6; key 0.6 0.6 0.9 0.9`. Pure.

import { escaped, unescaped } from "./escaping";

/** A thing and where it is, in shares of the picture's sides. */
export interface Box {
  label: string;
  left: number;
  top: number;
  right: number;
  bottom: number;
}

const PLACED = /^(.+?)((?:\s+[-+]?[\d.]+(?:e-?\d+)?){4})$/i;
const DIGITS = 4;

/** Boxes as a prompt. */
export function layoutText(boxes: readonly Box[]): string {
  return escaped(boxes.map((box) => [box.label, ...sidesOf(box).map(written)].join(" ")).join("; "));
}

/** The boxes of a prompt; null = it is none. */
export function readLayout(prompt: string): Box[] | null {
  const boxes: Box[] = [];
  for (const part of unescaped(prompt).split(";")) {
    if (part.trim() === "") continue;
    const found = PLACED.exec(part.trim());
    const box = found?.[1] && found[2] ? boxOf(found[1], found[2].trim().split(/\s+/).map(Number)) : null;
    if (!box) return null;
    boxes.push(box);
  }
  return boxes;
}

/** Boxes as the JSON that `ildm generate --boxes` reads. */
export function layoutJson(boxes: readonly Box[]): string {
  return `${JSON.stringify(
    boxes.map((box) => ({ label: box.label, box: sidesOf(box).map((side) => Number(written(side))) })),
    null,
    2,
  )}\n`;
}

/** The boxes of such a JSON text; null = it is something else. */
export function readLayoutJson(text: string): Box[] | null {
  try {
    const rows: unknown = JSON.parse(text);
    if (!Array.isArray(rows)) return null;
    const boxes = rows.map((row) =>
      typeof row?.label === "string" && Array.isArray(row.box) ? boxOf(row.label, row.box.map(Number)) : null,
    );
    return boxes.every((box) => box !== null) ? boxes : null;
  } catch {
    return null;
  }
}

function sidesOf({ left, top, right, bottom }: Box): number[] {
  return [left, top, right, bottom];
}

function written(side: number): string {
  return String(Number(side.toFixed(DIGITS)));
}

function boxOf(label: string, sides: number[]): Box | null {
  const [left, top, right, bottom] = sides;
  if (sides.length !== 4 || left === undefined || top === undefined || right === undefined || bottom === undefined)
    return null;
  if (!sides.every((side) => side >= 0 && side <= 1) || right <= left || bottom <= top) return null;
  return { label, left, top, right, bottom };
}
