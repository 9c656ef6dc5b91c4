import { describe, expect, it } from "vitest";
import type { SessionEvent } from "../../session/view";
import { changesSince } from "./order";

const log = (...commands: object[]) =>
  commands.map((command, seq) => ({ kind: "command-applied", seq, command })) as unknown as SessionEvent[];
const painted = (stroke: number) => ({ kind: "paint-region", id: "fox", stroke });
const [undo, redo] = [{ kind: "undo" }, { kind: "redo" }];
const numbers = (changes: readonly ({ number: number } | null)[]) => changes.map((one) => one?.number ?? null);

describe("changes since a moment", () => {
  const begun = [{ kind: "set-prompt" }, painted(1), painted(1), painted(2), { kind: "pause" }];
  const changes = (...more: object[]) => changesSince(log(...begun, ...more), 1);

  it("are counted once a stroke, less those that were taken back", () => {
    expect(changes().balance).toBe(2);
    expect(changes(undo).balance).toBe(1);
    expect(changes(undo, undo, undo).balance).toBe(-1);
    expect(changes(undo, redo).balance).toBe(2);
  });

  it("say which stroke is taken back next, and which is made again", () => {
    expect(numbers(changes().done)).toEqual([1, 2]);
    expect([changes(undo).done, changes(undo).undone].map(numbers)).toEqual([[1], [2]]);
    expect(numbers(changes(undo, painted(3)).undone)).toEqual([]);
    expect(numbers(changes(undo, redo).done)).toEqual([1, 2]);
  });

  it("are none where the session was only travelled, named and let run", () => {
    const kinds = ["rewind", "name-node", "resume"].map((kind) => ({ kind }));
    expect(changesSince(log(...kinds), 0)).toEqual({ done: [], undone: [], balance: 0 });
  });

  describe("in a tree", () => {
    const told = (...events: object[]) =>
      [{ kind: "session-opened" }, ...events].map((event, seq) => ({ seq, ...event })) as unknown as SessionEvent[];
    const said = (command: object, cursor = 0) => ({ kind: "command-applied", command, cursor });
    const moved = (branch: number, cursor = 0) => ({ kind: "cursor-moved", node: 1, branch, step: 1, cursor });
    const all = (...events: object[]) => changesSince(told(...events), 0);

    it("are one more where a rewind took along what was asked for over a finished picture", () => {
      const back = said({ kind: "rewind", step: 1 });
      expect(all(said(painted(1)), back, moved(1)).balance).toBe(2);
      expect(numbers(all(said(painted(1)), back, moved(1)).done)).toEqual([1, null]);
      expect(all(said(painted(1)), back, moved(0)).balance).toBe(1);
      expect(
        all(said({ kind: "branch-off" }), moved(1), said({ kind: "open-branch" }), moved(0), back, moved(1)).balance,
      ).toBe(0);
    });

    it("are none of a comparison, which is not taken back", () => {
      const compare = said({ kind: "compare", choices: [{}, {}] });
      expect(numbers(all(said(painted(1)), compare, moved(1)).done)).toEqual([1]);
    });

    it("are only those of the session that is looked at", () => {
      const both = [said(painted(1)), moved(0, 1), said(painted(2), 1), said(painted(3))];
      expect(numbers(all(...both).done)).toEqual([1, 3]);
      expect(numbers(all(...both, { kind: "cursor-left", cursor: 0 }).done)).toEqual([2]);
    });

    it("are forgotten with the branch on which they were made", () => {
      const elsewhere = [said(painted(1)), said({ kind: "branch-off" }), moved(1), said(painted(2))];
      expect(numbers(all(...elsewhere, said({ kind: "delete-branch", branch: 0 })).done)).toEqual([2]);
    });
  });
});
