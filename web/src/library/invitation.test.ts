import { describe, expect, it } from "vitest";
import { invitationFor } from "./invitation";

describe("the invitation of an empty stage", () => {
  it("has examples where the model draws from words alone", () => {
    expect(invitationFor(undefined).hasExamples).toBe(true);
    expect(invitationFor({ reads: "text", shows: null }).hasExamples).toBe(true);
  });

  it("says what else a model takes", () => {
    expect(invitationFor({ reads: "class", shows: null })).toMatchObject({ hasExamples: false });
    expect(invitationFor({ reads: "class", shows: null }).title).toContain("class");
    expect(invitationFor({ reads: "layout", shows: null }).title).toContain("draw where");
    expect(invitationFor({ reads: null, shows: null }).title).toContain("by itself");
    const shows = { names: [], factor: null };
    expect(invitationFor({ reads: null, shows: { ...shows, kind: "semantic-map" } }).title).toContain("Paint");
    expect(invitationFor({ reads: "text", shows: { ...shows, kind: "inpainting" } }).title).toContain("draw into it");
    expect(invitationFor({ reads: null, shows: { ...shows, kind: "low-resolution" } }).title).toContain("larger");
  });
});
