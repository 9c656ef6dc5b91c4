import { describe, expect, it } from "vitest";
import { found } from "./finding";

const options = ["monkey face", "red key", "keyboard", "fox", "key"].map((label) => ({ label }));
const labels = (typed: string) => found(options, typed).map(({ label }) => label);

describe("names found by a part of them", () => {
  it("have the name itself first, then those that begin so", () => {
    expect(labels("key")).toEqual(["key", "keyboard", "red key", "monkey face"]);
    expect(labels(" KEY")).toEqual(labels("key"));
  });

  it("are all where nothing is typed, and none that have nothing of it", () => {
    expect(labels("")).toHaveLength(5);
    expect(labels("owl")).toEqual([]);
  });
});
