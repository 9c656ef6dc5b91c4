import { describe, expect, it } from "vitest";
import type { Command } from "../connection/client";
import { asked, type Before, chosen, NOTHING_BEFORE } from "./asked";

const before: Before = {
  ...NOTHING_BEFORE,
  prompt: "a cat on a green hill",
  guidance_scale: 3,
  sampler: "euler",
  num_steps: 25,
  regions: [{ id: "r1", name: "sky", prompt: "a blue sky" }],
  branches: new Map([[2, "the red one"]]),
};

describe("a command", () => {
  const commands: [Command, string][] = [
    [{ kind: "set-prompt", text: "a lion on a green hill" }, "'a cat' became 'a lion'"],
    [{ kind: "set-prompt", text: "" }, "the words were taken away"],
    [{ kind: "set-negative-prompt", text: "people" }, "'people' is to be avoided"],
    [{ kind: "set-guidance", scale: 5 }, "the words are followed more strongly: 5 instead of 3"],
    [{ kind: "set-guidance", scale: 1.5 }, "the words are followed less strongly: 1.5 instead of 3"],
    [{ kind: "set-sampler", name: "dpmpp-2m" }, "the method became DPM++ 2M"],
    [{ kind: "set-num-steps", num_steps: 40 }, "the picture takes 40 steps instead of 25"],
    [{ kind: "rewind", step: 4 }, "it went to step 4"],
    [{ kind: "open-branch", branch: 2 }, "'the red one' was opened"],
    [{ kind: "delete-branch", branch: 1 }, "branch 2 was deleted"],
    [{ kind: "branch-off", step: 3, name: "try" }, "a branch began at step 3, called 'try'"],
    [{ kind: "redo-area", area: { width: 1, height: 1, data: new Uint8Array() } }, "an area was made anew by 70 %"],
    [{ kind: "dislike-area" }, "something else for the whole picture"],
    [{ kind: "remove-region", id: "r1" }, "the region 'sky' went"],
    [
      { kind: "change-region", region: { id: "r1", name: "sky", prompt: "a dark sky" } },
      "in the region 'sky', 'a blue sky' became 'a dark sky'",
    ],
    [{ kind: "set-region-rules", overlap: "z-order" }, "where regions overlap, the upper one wins"],
    [
      { kind: "compare", choices: [{ kind: "choice", guidance_scale: 2 }, { kind: "choice" }], step: 5 },
      "2 pictures from step 5 to compare: strength 2; as it is",
    ],
  ];
  it.each(commands)("%j is said", (command, said) => {
    expect(asked(command, before)).toBe(said);
  });

  it("is said where nothing is known of what was before", () => {
    expect(asked({ kind: "set-prompt", text: "a cat" })).toBe("the picture is to show 'a cat'");
    expect(asked({ kind: "set-guidance", scale: 4 })).toBe("the words are followed with strength 4");
    expect(asked({ kind: "paint-region", id: "x", patch: { width: 1, height: 1, data: new Uint8Array() } })).toBe(
      "the region 'x' gained some ground",
    );
  });

  it("that compares says what each cell has of its own", () => {
    expect(chosen({ kind: "choice", prompt: "a dog", num_steps: 10, seed: 8 })).toBe("'a dog', 10 steps, seed 8");
  });
});
