// The keys that concern the whole page.

import { saveImage } from "../library/saving";
import { bind } from "../parts/keyboard";
import { openPage } from "../parts/pages";
import { focusPrompt } from "../prompt/focus";
import { close } from "../session/store";

/** Bind them. Returns what lets them go. */
export function bindGlobalKeys(): () => void {
  const bound = [
    bind("Enter", "Make the picture, or change it where it forms", "Words", null),
    bind("Mod+Enter", "Make the picture, from anywhere", "Words", makeFromAnywhere, { whileTyping: true }),
    bind("/", "Go to the words", "Words", focusPrompt),
    bind("n", "New picture", "Picture", close),
    bind("Mod+s", "Save the picture", "Picture", () => void saveImage(), { whileTyping: true }),
    bind("?", "This map", "Help", () => openPage("keyboard")),
    bind("h", "Help", "Help", () => openPage("help")),
  ];
  return () => {
    for (const free of bound) free();
  };
}

/** The words that are being written are said first, as when one clicks. */
function makeFromAnywhere(): void {
  const button = document.getElementById("generate");
  if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
  button?.click();
}
