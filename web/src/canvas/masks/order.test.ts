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
});
