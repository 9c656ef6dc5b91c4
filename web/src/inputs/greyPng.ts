// PNG files of one channel whose pixels are numbers, 8 or 16 bits each: a canvas can neither write nor read these. Pure.

import { unzlibSync, zlibSync } from "fflate";

/** Numbers, row by row. */
export interface Numbers {
  width: number;
  height: number;
  values: Uint16Array;
}

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const GREY = 0;
const PALETTE = 3;
const MOST_PIXELS = 2 ** 26;

/** A greyscale PNG of so many bits a pixel. */
export function greyPng({ width, height, values }: Numbers, bits: 8 | 16): Uint8Array {
  const bytes = bits / 8;
  const rows = new Uint8Array(height * (1 + width * bytes)); // each begins with its filter: none
  let at = 0;
  for (let y = 0; y < height; y++) {
    at++;
    for (let x = 0; x < width; x++) {
      const value = values[y * width + x] ?? 0;
      if (bits === 16) rows[at++] = value >> 8;
      rows[at++] = value & 255;
    }
  }
  const header = new Uint8Array(13);
  const fields = new DataView(header.buffer);
  fields.setUint32(0, width);
  fields.setUint32(4, height);
  header[8] = bits;
  header[9] = GREY;
  const chunks = [chunk("IHDR", header), chunk("IDAT", zlibSync(rows, { level: 6 })), chunk("IEND", new Uint8Array())];
  return joined([Uint8Array.from(SIGNATURE), ...chunks]);
}

/** The numbers of a PNG of one channel, greyscale or palette; null where it is anything else, or interlaced. */
export function numbersIn(file: Uint8Array): Numbers | null {
  if (!SIGNATURE.every((byte, index) => file[index] === byte)) return null;
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const data: Uint8Array[] = [];
  let header: Uint8Array | null = null;
  for (let at = 8; at + 12 <= file.length; ) {
    const length = view.getUint32(at);
    const kind = String.fromCharCode(...file.subarray(at + 4, at + 8));
    const content = file.subarray(at + 8, at + 8 + length);
    if (kind === "IHDR") header = content;
    if (kind === "IDAT") data.push(content);
    at += 12 + length;
  }
  if (header?.length !== 13) return null;
  const fields = new DataView(header.buffer, header.byteOffset, 13);
  const [width, height] = [fields.getUint32(0), fields.getUint32(4)];
  const [bits = 0, colour = 0, , , interlace = 0] = header.subarray(8);
  if ((colour !== GREY && colour !== PALETTE) || interlace !== 0 || width * height > MOST_PIXELS) return null;
  return { width, height, values: unpacked(unzlibSync(joined(data)), width, height, bits) };
}

function unpacked(filtered: Uint8Array, width: number, height: number, bits: number): Uint16Array {
  const length = Math.ceil((width * bits) / 8);
  const reach = Math.max(1, bits / 8);
  const values = new Uint16Array(width * height);
  let above = new Uint8Array(length);
  for (let y = 0; y < height; y++) {
    const start = y * (length + 1);
    const row = filtered.slice(start + 1, start + 1 + length);
    unfilter(row, above, filtered[start] ?? 0, reach);
    for (let x = 0; x < width; x++) values[y * width + x] = valueAt(row, x, bits);
    above = row;
  }
  return values;
}

/** What the filters of the PNG specification (section 9) have taken away. */
function unfilter(row: Uint8Array, above: Uint8Array, filter: number, reach: number): void {
  for (let index = 0; index < row.length; index++) {
    const left = row[index - reach] ?? 0;
    const up = above[index] ?? 0;
    const corner = index < reach ? 0 : (above[index - reach] ?? 0);
    const guess = [0, left, up, (left + up) >> 1, nearest(left, up, corner)][filter] ?? 0;
    row[index] = ((row[index] ?? 0) + guess) & 255;
  }
}

function nearest(left: number, up: number, corner: number): number {
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
}

function valueAt(row: Uint8Array, x: number, bits: number): number {
  if (bits === 16) return ((row[2 * x] ?? 0) << 8) | (row[2 * x + 1] ?? 0);
  if (bits === 8) return row[x] ?? 0;
  const perByte = 8 / bits;
  const shift = 8 - bits * (1 + (x % perByte));
  return ((row[Math.floor(x / perByte)] ?? 0) >> shift) & (2 ** bits - 1);
}

const CHECKS = Uint32Array.from({ length: 256 }, (_, index) => {
  let check = index;
  for (let bit = 0; bit < 8; bit++) check = check & 1 ? 0xedb88320 ^ (check >>> 1) : check >>> 1;
  return check;
});

function chunk(kind: string, content: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(12 + content.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, content.length);
  for (let index = 0; index < 4; index++) bytes[4 + index] = kind.charCodeAt(index);
  bytes.set(content, 8);
  let check = 0xffffffff;
  for (const byte of bytes.subarray(4, 8 + content.length)) check = (CHECKS[(check ^ byte) & 255] ?? 0) ^ (check >>> 8);
  view.setUint32(8 + content.length, ~check);
  return bytes;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
