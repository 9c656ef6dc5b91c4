// Masks as pictures: read from the server and from files, and written as PNG.

import { api, pictures } from "../../connection/http";
import type { Mask } from "./mask";

const PATIENCE = [150, 400, 1000, 2000];

/** A mask that the settings name. A mask is on the disk a moment after it acts, so it is asked for again. */
export async function fetchMask(session: string, hash: string): Promise<Mask> {
  for (const wait of PATIENCE) {
    try {
      return greyOf(await pixelsOf(await api.blob(pictures.mask(session, hash))));
    } catch {
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
  return greyOf(await pixelsOf(await api.blob(pictures.mask(session, hash))));
}

/** The pixels of a picture's file; scaled where a size is given. */
export async function pixelsOf(file: Blob, width?: number, height?: number): Promise<ImageData> {
  const bitmap = await createImageBitmap(file, { premultiplyAlpha: "none", colorSpaceConversion: "none" });
  const canvas = new OffscreenCanvas(width ?? bitmap.width, height ?? bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("This browser cannot draw here: close other pages, and load this one again.");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

/** How bright it is. */
function greyOf({ width, height, data }: ImageData): Mask {
  const values = new Uint8Array(width * height);
  for (let index = 0; index < values.length; index++) values[index] = data[4 * index] ?? 0;
  return { width, height, values };
}

/** A mask from any picture: its alpha where any of it is transparent, else how bright it is. */
export async function maskOfFile(file: Blob, width: number, height: number): Promise<Mask> {
  const { data } = await pixelsOf(file, width, height);
  const values = new Uint8Array(width * height);
  let transparent = false;
  for (let index = 3; index < data.length && !transparent; index += 4) transparent = (data[index] ?? 255) < 255;
  for (let index = 0; index < values.length; index++) {
    const at = 4 * index;
    values[index] = transparent
      ? (data[at + 3] ?? 0)
      : Math.round(0.299 * (data[at] ?? 0) + 0.587 * (data[at + 1] ?? 0) + 0.114 * (data[at + 2] ?? 0));
  }
  return { width, height, values };
}

/** A grey PNG, white = inside. */
export async function pngOf({ width, height, values }: Mask): Promise<Blob> {
  const canvas = new OffscreenCanvas(width, height);
  const pixels = new ImageData(width, height);
  const words = new Uint32Array(pixels.data.buffer);
  for (let index = 0; index < words.length; index++) words[index] = 0xff000000 | ((values[index] ?? 0) * 0x010101);
  canvas.getContext("2d")?.putImageData(pixels, 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}

/** Give the person a file. */
export function download(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
