// What of a prompt a model can read: words, the name of a class, boxes, or nothing at all. Pure.

import type { ModelInfo } from "../connection/http";
import { unescaped } from "./escaping";
import { readLayout } from "./layout";

type Reader = Pick<ModelInfo, "reads" | "classes">;

/** The class that a prompt names, as the model spells it; null = none. */
export function classIn(prompt: string, { classes }: Pick<ModelInfo, "classes">): string | null {
  const wanted = unescaped(prompt).trim().toLowerCase();
  const named = classes.find((name) => name.toLowerCase() === wanted);
  return named ?? (/^\d+$/.test(wanted) ? (classes[Number(wanted)] ?? null) : null);
}

/** The same prompt where the model can read it, else the empty one: a form is kept when another model is chosen. */
export function readable(prompt: string, model: Reader | undefined): string {
  switch (model?.reads) {
    case null:
      return "";
    case "class":
      return model.classes.length === 0 || classIn(prompt, model) !== null ? prompt : "";
    case "layout":
      // what looks like boxes and is none is for the server to explain
      return readLayout(prompt) === null && !/\d/.test(prompt) ? "" : prompt;
    default:
      return prompt;
  }
}
