// Pictures brought to the size that a model is shown, or begins from, as PNG files.

import { cropped } from "../library/incoming";

export interface Part {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** A picture's file as something that can be drawn. Throws a sentence where it is none. */
export async function readPicture(file: Blob): Promise<ImageBitmap> {
  return createImageBitmap(file).catch(() => {
    throw new Error("This picture cannot be read: save it once more as PNG.");
  });
}

/** The middle of a picture in another size. */
export async function fitted(file: Blob, width: number, height: number): Promise<Uint8Array> {
  const picture = await readPicture(file);
  const png = await pngOfPart(picture, cropped(picture, { width, height }), width, height);
  picture.close();
  return png;
}

/** A part of a picture at another size; what is clear of it is white. */
export async function pngOfPart(picture: ImageBitmap, part: Part, width: number, height: number): Promise<Uint8Array> {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  if (!context) throw new Error("This browser cannot draw here: close other pages, and load this one again.");
  context.imageSmoothingQuality = "high";
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(picture, part.left, part.top, part.width, part.height, 0, 0, width, height);
  return new Uint8Array(await (await canvas.convertToBlob({ type: "image/png" })).arrayBuffer());
}
