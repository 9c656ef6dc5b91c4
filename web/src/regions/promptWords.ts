// The words of a prompt that can be looked for in the picture. Pure.

const SMALL = new Set("a an and the of on in at to with by for from is are its it as over under near".split(" "));

/** Each word once, in order, without the signs of the prompt's syntax and words that stand for nothing. */
export function wordsOf(prompt: string): string[] {
  const plain = prompt
    .replace(/\b(BREAK|AND|ADDCOMM|ADDBASE|ADDCOL|ADDROW)\b/g, " ")
    .replace(/:\s*\d+(\.\d+)?/g, " ")
    .replace(/[^\p{L}\p{N}' -]/gu, " ");
  const words = plain.split(/\s+/).filter((word) => word.length > 1 && !SMALL.has(word.toLowerCase()));
  return [...new Set(words)];
}
