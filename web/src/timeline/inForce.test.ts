import { describe, expect, it } from "vitest";
import type { Command } from "../connection/client";
import { changed, chosenFrom, NOTHING, sharedBy, takenAlong, toldOf } from "./inForce";

const before = { ...NOTHING, prompt: "a cat", guidance_scale: 3, guidance_rescale: 0.5, width: 8, height: 8 };
const held = { source: "h", change: "m", locked: true };

describe("a command", () => {
  it("about regions has its effect on them", () => {
    let now = before;
    const names = () => now.regions.map((one) => one.name);
    now = changed(now, { kind: "add-region", region: { id: "a", name: "sky" } } as Command);
    now = changed(now, { kind: "add-region", region: { id: "b", name: "sea" } } as Command);
    now = changed(now, { kind: "change-region", region: { id: "a", name: "cloud" } } as Command);
    expect(names()).toEqual(["cloud", "sea"]);
    now = changed(now, { kind: "remove-region", id: "b" } as Command);
    expect(names()).toEqual(["cloud"]);
  });

  it("that binds a region to where a word is gives it that word", () => {
    const words = (prompt: string) =>
      changed(before, { kind: "add-region-from-word", word: "fox", region: { id: "a", prompt } }).regions[0]?.prompt;
    expect([words(""), words("a red fox")]).toEqual(["fox", "a red fox"]);
  });

  it("leaves what it says nothing of", () => {
    expect(changed(before, { kind: "set-guidance", scale: 5 })).toEqual({ ...before, guidance_scale: 5 });
    expect(changed(before, { kind: "set-guidance", scale: 5, rescale: 0 }).guidance_rescale).toBe(0);
  });

  it("that begins from noise keeps what was locked, where the size stays", () => {
    const kept = { ...before, holds: [held, { ...held, locked: false }], start: { source: "h", step: 2 } };
    expect(changed(kept, { kind: "start-over", seed: 4 })).toMatchObject({ seed: 4, start: null, holds: [held] });
    expect(changed(kept, { kind: "start-over", width: 16 })).toMatchObject({ width: 16, height: 8, holds: [] });
  });
});

it("a choice has what it says, and the rest of what all share", () => {
  const [guided, worded] = [
    { kind: "choice", guidance_scale: 7 } as const,
    { kind: "choice", prompt: "a dog" } as const,
  ];
  const first = chosenFrom(before, guided);
  expect(first).toEqual({ ...before, guidance_scale: 7 });
  const shared = sharedBy(guided, { ...first, negative_prompt: "a hat" }, before);
  expect(chosenFrom(shared, worded)).toEqual({ ...before, negative_prompt: "a hat", prompt: "a dog" });
});

it("only what was asked for over a finished picture goes along", () => {
  const there = { ...before, prompt: "a fox" };
  expect(takenAlong(there, before, { ...before, guidance_scale: 7 })).toEqual({ ...there, guidance_scale: 7 });
});

it("settings that are told as a whole lack nothing", () => {
  expect(toldOf({ prompt: "a cat", start: null, regions: [{ id: "a", mask: "m" }] })).toMatchObject({
    ...{ prompt: "a cat", negative_prompt: "", holds: [], overlap: "normalise" },
    regions: [{ id: "a", mask: null }],
  });
});
