import { describe, expect, it } from "vitest";
import { difference } from "./wording";

describe("the difference between two texts", () => {
  it.each([
    ["a cat", "a lion", "'a cat' became 'a lion'"],
    ["a cat on a hill", "a lion on a hill", "'a cat' became 'a lion'"],
    ["a cat", "a cat with a hat", "'with a hat' was added"],
    ["a big cat", "a cat", "'big' was taken out"],
    ["a red apple on a table", "a green apple on a table", "'a red apple' became 'a green apple'"],
    ["red, round apple", "green, round apple", "'red,' became 'green,'"],
    ["one two", "three four", "'one two' became 'three four'"],
    ["a a a", "a a", "'a' was taken out"],
    ["a  cat", "a cat", "nothing changed"],
  ])("of %s and %s is %s", (old, now, said) => {
    expect(difference(old, now)).toBe(said);
  });
});
