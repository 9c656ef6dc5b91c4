import { describe, expect, it } from "vitest";
import type { Command } from "../connection/client";
import { asked, type Before, chosen, difference, happened, NOTHING_BEFORE, quoted } from "./words";

const before: Before = {
  ...NOTHING_BEFORE,
  prompt: "a cat on a green hill",
  guidance_scale: 3,
  sampler: "euler",
  num_steps: 25,
  regions: [{ id: "r1", name: "sky", prompt: "a blue sky" }],
  branches: new Map([[2, "the red one"]]),
};
const event = { seq: 3, at: 1 };

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

  it("fits one line", () => {
    expect(quoted(`${"long ".repeat(40)}`).length).toBeLessThan(100);
    expect(quoted("two\nlines")).toBe("'two lines'");
  });
});

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
    expect(chosen({ kind: "choice", prompt: "a dog", num_steps: 10 })).toBe("'a dog', 10 steps");
  });
});

describe("an event", () => {
  it("of a change says at which step", () => {
    const command: Command = { kind: "set-prompt", text: "a lion on a green hill" };
    const applied = {
      ...event,
      kind: "command-applied",
      op: 1,
      command,
      received_step: 8,
      applied_step: 9,
      node: 9,
    } as const;
    expect(happened(applied, before)).toBe("Step 9: 'a cat' became 'a lion'.");
  });

  it("of a journey says from where", () => {
    const command: Command = { kind: "rewind", step: 3 };
    const applied = {
      ...event,
      kind: "command-applied",
      op: 1,
      command,
      received_step: 8,
      applied_step: 9,
      node: 9,
    } as const;
    expect(happened(applied, before)).toBe("Went back from step 9 to step 3.");
  });

  it("of a refusal says why", () => {
    const text = "all steps are done: rewind it";
    expect(happened({ ...event, kind: "command-rejected", op: 1, code: "not-now", text })).toBe(
      "Not done: All steps are done: rewind it.",
    );
  });

  it.each([
    [{ kind: "run-paused" }, "Paused."],
    [{ kind: "run-paused", reason: "no room." }, "Paused: No room."],
    [{ kind: "run-cancelled" }, "Stopped before the end."],
    [{ kind: "run-failed", text: "it broke" }, "It cannot go on: It broke."],
    [{ kind: "step-completed", node: 1, parent: 0, branch: 0, step: 1, num_steps: 4 }, "Step 1 of 4."],
    [{ kind: "state-saved", node: 1 }, "A state was saved."],
  ] as const)("%j is a sentence", (fields, said) => {
    expect(happened({ ...event, ...fields } as Parameters<typeof happened>[0])).toBe(said);
  });
});
