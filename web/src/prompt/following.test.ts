import { describe, expect, it } from "vitest";
import { followed } from "./following";

describe("what a model follows", () => {
  it("is what it reads, or what it is shown", () => {
    expect(followed(undefined)).toBe("the words");
    expect(followed({ reads: "layout", shows: null })).toBe("the boxes");
    expect(followed({ reads: null, shows: { kind: "semantic-map", names: [], factor: null } })).toBe("the map");
    expect(followed({ reads: null, shows: null })).toBeNull();
  });
});
