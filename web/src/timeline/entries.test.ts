import { describe, expect, it } from "vitest";
import type { Command } from "../connection/client";
import type { SessionEvent } from "../session/view";
import { NOTHING_BEFORE } from "./asked";
import { entryOf, kindOf } from "./entries";

const past = {
  former: undefined,
  before: NOTHING_BEFORE,
  step: 3,
  lastText: undefined,
  isPart: false,
  hasFinished: false,
  elsewhere: null,
};
const event = (fields: object) => ({ seq: 7, at: 1, ...fields }) as SessionEvent;
const applied = (command: Command) =>
  event({ kind: "command-applied", op: 1, command, received_step: 4, applied_step: 5, node: 5 });

describe("an entry", () => {
  it("of a change says where it took effect", () => {
    const entry = entryOf(applied({ kind: "set-prompt", text: "a fox" }), past);
    expect(entry).toMatchObject({ seq: 7, kind: "change", node: 5, step: 5, plain: false });
  });

  it("of what happened to no state is at the step that is open", () => {
    expect(entryOf(event({ kind: "run-failed", text: "no" }), past)).toMatchObject({ node: null, step: 3 });
  });

  it("of a pause is plain where the last one said was a pause too", () => {
    const paused = event({ kind: "run-paused" });
    expect(entryOf(paused, past).plain).toBe(false);
    expect(entryOf(paused, { ...past, lastText: "Paused." }).plain).toBe(true);
  });

  it("of a branch that is opened by itself is plain", () => {
    const opened = applied({ kind: "open-branch", branch: 1 });
    expect(entryOf(opened, past).plain).toBe(false);
    expect(entryOf(opened, { ...past, hasFinished: true }).plain).toBe(true);
  });

  it("of going on is plain where a change has made it go on", () => {
    const resumed = event({ kind: "run-resumed" });
    expect(entryOf(resumed, { ...past, former: applied({ kind: "resume" }) }).plain).toBe(false);
    expect(entryOf(resumed, { ...past, former: applied({ kind: "set-prompt", text: "a fox" }) }).plain).toBe(true);
  });
});

describe("an entry of another session of the tree", () => {
  const there = { ...past, elsewhere: 1, before: { ...NOTHING_BEFORE, branches: new Map([[2, "the red one"]]) } };
  const moved = event({ kind: "cursor-moved", node: 5, branch: 1, step: 5 });

  it("names the branch on which it happened", () => {
    const said = applied({ kind: "set-prompt", text: "a fox" });
    expect(entryOf(said, there).text).toBe("Branch 2, step 5: the picture is to show 'a fox'.");
    expect(entryOf(said, { ...there, elsewhere: 2 }).text).toMatch(/^'the red one', step 5: /);
    expect(entryOf(applied({ kind: "rewind", step: 1 }), there).text).toBe(
      "Branch 2: Went back from step 5 to step 1.",
    );
    expect(entryOf(moved, there).text).toBe("Another session of this tree went on at step 5 of branch 2.");
  });
});

it("what changes nothing is no change", () => {
  const kinds = (["rewind", "pause", "name-node", "undo", "set-prompt"] as const).map((kind) =>
    kindOf({ kind } as Command),
  );
  expect(kinds).toEqual(["travel", "flow", "name", "change", "change"]);
});
