// Prompt syntax: how names with brackets are written in it, and read from it. The same as `ildm.conditioning.prompt`. Pure.

const TO_ESCAPE = /[\\()[\]]|\b(?:BREAK|AND)\b|:(?=\s*[+-]?(?:\d+(?:\.\d*)?|\.\d+)\s*$)/g;

/** A prompt that means the text itself. */
export function escaped(text: string): string {
  return text.replace(TO_ESCAPE, "\\$&");
}

/** The text that was meant. */
export function unescaped(prompt: string): string {
  return prompt.replace(/\\(.)/gs, "$1");
}
