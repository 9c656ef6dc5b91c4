import { describe, expect, it } from "vitest";
import type { Command } from "../connection/client";
import { NOTHING_BEFORE } from "./asked";
import { happened } from "./happened";

const before = { ...NOTHING_BEFORE, prompt: "a cat on a green hill" };
const event = { seq: 3, at: 1 };
const applied = (command: Command) =>
  ({ ...event, kind: "command-applied", op: 1, command, received_step: 8, applied_step: 9, node: 9 }) as const;

describe("an event", () => {
  it("of a change says at which step", () => {
    const command: Command = { kind: "set-prompt", text: "a lion on a green hill" };
    expect(happened(applied(command), before)).toBe("Step 9: 'a cat' became 'a lion'.");
  });

  it("of a journey says from where", () => {
    const command: Command = { kind: "rewind", step: 3 };
    expect(happened(applied(command), before)).toBe("Went back from step 9 to step 3.");
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
    [{ kind: "cursor-left", cursor: 1 }, "Another session of this tree stayed where it was made."],
  ] as const)("%j is a sentence", (fields, said) => {
    expect(happened({ ...event, ...fields } as Parameters<typeof happened>[0])).toBe(said);
  });
});
