import { describe, expect, it, vi } from "vitest";

vi.mock("../session/actions", () => ({ begin: async () => null }));
vi.mock("../session/store", () => ({ edit: async () => null, useSession: { subscribe: () => () => {} } }));
vi.mock("../parts/notices", () => ({ notice: { info: () => {} } }));

const { subject, wordingFor } = await import("./examples");

describe("the examples", () => {
  it("are of what the model knows", () => {
    const concepts = ["red apple", "strawberry", "sunflower", "dolphin", "fox"];
    expect(wordingFor({ concepts }).single).toContain("red apple");
    expect(wordingFor({ concepts: ["fox"] }).single).toContain("lighthouse");
    expect(wordingFor(undefined).single).toContain("lighthouse");
  });

  it("are told by what they are about", () => {
    expect(subject("a red apple on a plain blue background")).toBe("a red apple");
    expect(subject("a fox")).toBe("a fox");
  });
});
