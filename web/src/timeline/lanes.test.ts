import { describe, expect, it } from "vitest";
import { lanesOf } from "../session/tree";
import type { BranchView, NodeView } from "../wire";
import { rowsOf } from "./lanes";

const nodes = new Map<number, NodeView>();
const add = (id: number, parent: number | null, step: number, origin: "start" | "step" = "step") =>
  nodes.set(id, { id, parent, step, origin });
add(0, null, 0, "start");
for (let id = 1; id <= 4; id++) add(id, id - 1, id);
add(5, 2, 3); // leaves the first at 2
add(6, 5, 4);
add(7, 5, 4); // leaves the second at 3
add(8, 1, 2); // leaves the first at 1
add(9, 4, 2, "start"); // begins again
const branches = new Map<number, BranchView>(
  [4, 6, 7, 8, 9].map((tip, id) => [id, { id, tip, name: id === 1 ? "red" : null }] as const),
);
const lanes = lanesOf(nodes, branches);

describe("rows", () => {
  it("stand under what they came from, the older first", () => {
    expect(rowsOf(lanes, new Set()).map((row) => [row.branch, row.depth])).toEqual([
      [0, 0],
      [1, 1],
      [2, 2],
      [3, 1],
      [4, 1],
    ]);
  });

  it("know where they left, and what passes them by", () => {
    const rows = rowsOf(lanes, new Set());
    expect(rows.map((row) => row.from)).toEqual([null, 2, 3, 1, null]);
    expect(rows.map((row) => row.passing)).toEqual([[], [1], [1], [], []]);
    expect(rows[1]).toMatchObject({ name: "red", own: { first: 3, last: 4 }, children: 1 });
  });

  it("hide what came of a folded one, and say how many", () => {
    const rows = rowsOf(lanes, new Set([0]));
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({ isFolded: true, children: 4 });
  });

  it("show a branch that has no state of its own yet", () => {
    const more = new Map(branches).set(5, { id: 5, tip: 3 });
    const row = rowsOf(lanesOf(nodes, more), new Set()).find((one) => one.branch === 5);
    expect(row).toMatchObject({ own: null, from: 3 });
  });
});
