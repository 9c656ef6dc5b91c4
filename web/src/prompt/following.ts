// What guidance makes a picture follow, in the words of a person. Pure.

import type { ModelInfo } from "../connection/http";

const SHOWN = {
  "semantic-map": "the map",
  "low-resolution": "the small picture",
  inpainting: "the picture",
};
const READ = { text: "the words", class: "the class", layout: "the boxes" };

/** What a model follows; null = nothing, so there is nothing to be said about it. */
export function followed(model: Pick<ModelInfo, "reads" | "shows"> | undefined): string | null {
  if (!model) return READ.text;
  const { reads, shows } = model;
  return reads ? READ[reads] : shows ? SHOWN[shows.kind] : null;
}
