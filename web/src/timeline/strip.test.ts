import { describe, expect, it } from "vitest";
import type { NodeView } from "../wire";
import { cellsOf, middleOf, shownIn, stateAt, stepAt, wayOf } from "./strip";

const settings = { num_steps: 10, guidance_scale: 3, sampler: "euler", seed: 1, width: 8, height: 8 };

function way(nodes: NodeView[], tip: number, num_steps = 10) {
  const place = {
    status: "paused",
    seq: 0,
    rev: 0,
    node: tip,
    branch: 0,
    step: 0,
    settings: { ...settings, num_steps },
  } as const;
  const map = new Map(nodes.map((node) => [node.id, node]));
  return wayOf({ nodes: map, branches: new Map([[0, { id: 0, tip }]]), place });
}
const chain = (count: number): NodeView[] =>
  Array.from({ length: count }, (_, id) => ({
    id,
    parent: id ? id - 1 : null,
    step: id,
    origin: id ? "step" : "start",
  }));

describe("a way", () => {
  it("has the steps that are there and knows of those to come", () => {
    expect(way(chain(4), 3)).toMatchObject({ first: 0, tip: 3, last: 10 });
  });

  it("begins where a picture was taken up", () => {
    const nodes: NodeView[] = [
      ...chain(4),
      { id: 4, parent: 3, step: 6, origin: "start" },
      { id: 5, parent: 4, step: 7, origin: "step" },
    ];
    const found = way(nodes, 5);
    expect(found).toMatchObject({ first: 6, tip: 7 });
    expect(stateAt(found, 7)?.id).toBe(5);
    expect(stateAt(found, 5)).toBeUndefined();
  });

  it("may be longer than what is asked for now", () => {
    expect(way(chain(8), 7, 5).last).toBe(7);
  });
});

describe("the cells of a strip", () => {
  it("are one for each step where there is room", () => {
    expect(cellsOf(10, 1000, 40)).toHaveLength(11);
  });

  it("thin out, and still stand for every step once", () => {
    const cells = cellsOf(200, 600, 40);
    expect(cells).toHaveLength(15);
    expect(cells.flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, at) => from + at))).toEqual(
      Array.from({ length: 201 }, (_, at) => at),
    );
  });

  it("show the furthest state that is there", () => {
    const short = way(chain(4), 3);
    expect(shownIn(short, { from: 2, to: 5 })?.id).toBe(3);
    expect(shownIn(short, { from: 4, to: 5 })).toBeUndefined();
  });

  it("are found again by where they lie", () => {
    const short = way(chain(4), 3);
    for (const step of [0, 1, 3]) expect(stepAt(middleOf(step, short.last), short)).toBe(step);
    expect(stepAt(0.99, short)).toBe(3);
  });
});
