// What an empty stage says, by what the model takes. Pure.

import type { ModelInfo } from "../connection/http";

interface Invitation {
  title: string;
  text: string;
  /** Whether the examples in words can be made with it. */
  hasExamples: boolean;
}

const WORDS: Invitation = {
  title: "Say what you would like to see, and change your mind while it appears.",
  text: "Write it down and press Enter. Or see how it goes:",
  hasExamples: true,
};

/** The one for a model. */
export function invitationFor(model: Pick<ModelInfo, "reads" | "shows"> | undefined): Invitation {
  if (!model) return WORDS;
  const text = "All of it can be changed while the picture appears.";
  const invite = (title: string): Invitation => ({ title, text, hasExamples: false });
  switch (model.shows?.kind) {
    case "semantic-map":
      return invite("Paint what lies where, and make the picture.");
    case "low-resolution":
      return invite("Choose a small picture, and have it drawn larger.");
    case "inpainting":
      return invite("Choose a picture, and mark where to draw into it.");
  }
  switch (model.reads) {
    case "class":
      return invite("Choose a class, and make the picture.");
    case "layout":
      return invite("Say what is to be seen, draw where, and make the picture.");
    case null:
      return invite("Make a picture: this model decides by itself what it shows.");
    default:
      return WORDS;
  }
}
