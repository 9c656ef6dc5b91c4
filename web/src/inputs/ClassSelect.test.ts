import { describe, expect, it } from "vitest";
import { choices } from "./ClassSelect";

describe("choices", () => {
  const names = ["fox", "cat", "key"];

  it("keep their places where a model has learned only some", () => {
    expect(choices(names, ["key", "cat", "shoe"])).toEqual([
      { value: "1", label: "cat" },
      { value: "2", label: "key" },
    ]);
  });

  it("are all where nothing is said", () => {
    expect(choices(names, []).map(({ label }) => label)).toEqual(names);
  });
});
