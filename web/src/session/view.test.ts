import { describe, expect, it } from "vitest";
import type { Told, Welcome } from "../wire";
import { lanesOf, lineage, statesOf } from "./tree";
import { afterEvent, afterMove, type View, viewOf } from "./view";

const settings = { num_steps: 4, guidance_scale: 3, sampler: "euler", seed: 1, width: 8, height: 8 };
const place = { status: "running", seq: 1, rev: 0, node: 0, branch: 0, step: 0, settings } as const;
const tree = { nodes: [{ id: 0, parent: null, step: 0 }], branches: [{ id: 0, tip: 0 }] };
const welcome: Welcome = { type: "welcome", session: "s", epoch: "e", view: { session: "s", model: "m", place, tree } };

function step(node: number, parent: number, branch = 0, at = node, fresh = true): Told {
  const event = { kind: "step-completed", seq: node, node, parent, branch, step: at, num_steps: 4, fresh } as const;
  return { type: "event", rev: 0, event };
}

function begun(): View {
  const view = viewOf(welcome);
  if (!view) throw new Error("no view");
  return view;
}

describe("a view", () => {
  it("is nothing before the session has begun", () => {
    expect(viewOf({ type: "welcome", session: "s", waiting: 2 })).toBeNull();
  });

  it("grows with each step", () => {
    const view = [step(1, 0), step(2, 1)].reduce(afterEvent, begun());
    expect(view.place).toMatchObject({ node: 2, step: 2, seq: 3 });
    expect(lineage(view.nodes, 2).map((node) => node.id)).toEqual([0, 1, 2]);
    expect(view.branches.get(0)?.tip).toBe(2);
  });

  it("goes through states it has without making them again", () => {
    const grown = [step(1, 0), step(2, 1)].reduce(afterEvent, begun());
    const back = afterMove(grown, { type: "moved", place: { ...place, node: 0, step: 0 } });
    const again = afterEvent(back, step(1, 0, 0, 1, false));
    expect(again.nodes).toBe(grown.nodes);
    expect(again.place.node).toBe(1);
  });

  it.each([
    ["run-paused", "paused"],
    ["run-resumed", "running"],
    ["run-cancelled", "cancelled"],
    ["run-failed", "failed"],
  ] as const)("after %s is %s", (kind, status) => {
    const event = { kind, seq: 1, text: "" } as Told["event"];
    expect(afterEvent(begun(), { type: "event", rev: 3, event }).place).toMatchObject({ status, rev: 3, seq: 2 });
  });
});

describe("a tree", () => {
  it("is shown as lanes, each with its own states", () => {
    const view = [step(1, 0), step(2, 1), step(3, 1, 1, 2), step(4, 3, 1, 3)].reduce(afterEvent, begun());
    const lanes = lanesOf(view.nodes, view.branches);
    expect(lanes.map((lane) => lane.own.map((node) => node.id))).toEqual([
      [0, 1, 2],
      [3, 4],
    ]);
    expect(lanes[1]).toMatchObject({ depth: 1, from: { id: 1 } });
    expect(statesOf(view.nodes, view.branches, 1).map((node) => node.id)).toEqual([0, 1, 3, 4]);
  });
});
