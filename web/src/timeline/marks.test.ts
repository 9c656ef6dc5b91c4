import { describe, expect, it } from "vitest";
import { type Mark, Marks, marksOn } from "./marks";

const mark = (seq: number, node = 1, branch = 0): Mark => ({ seq, node, step: node, branch, text: `${seq}` });
const seqs = (marks: Marks) => marks.all.map((one) => one.seq);

describe("marks", () => {
  it("go with an undo, and come again after all", () => {
    const marks = new Marks();
    const last = mark(2);
    marks.add(mark(1));
    marks.add(last);
    marks.takeBack(last);
    expect(seqs(marks)).toEqual([1]);
    marks.bringBack(last);
    expect(seqs(marks)).toEqual([1, 2]);
  });

  it("stay once a step has followed them, and none that was made elsewhere", () => {
    const marks = new Marks();
    const [first, second] = [mark(1), mark(2, 3)];
    marks.add(first);
    marks.add(second);
    marks.settle(first.branch, first.node);
    marks.takeBack(first);
    marks.takeBack(second);
    expect(seqs(marks)).toEqual([1]);
  });

  it("are the same list as long as nothing came to it", () => {
    const marks = new Marks();
    const only = mark(1);
    marks.add(only);
    const former = marks.all;
    marks.move(only, { node: 1, step: 1, branch: 0 });
    marks.settle(0, 1);
    marks.takeBack(only);
    marks.bringBack(only);
    expect(marks.all).toBe(former);
    marks.move(only, { node: 5, step: 5, branch: 1 });
    expect(marks.all).toMatchObject([{ node: 5, branch: 1 }]);
    expect(marks.all).not.toBe(former);
  });

  it("are only on the ways that have their effect", () => {
    const ways = new Map([
      [0, [0, 1, 2]],
      [1, [0, 1, 3]],
      [2, [0, 1, 3, 4]],
    ]);
    const next = (branch: number, node: number) => {
      const way = ways.get(branch) ?? [];
      return way[way.indexOf(node) + 1];
    };
    const on = (branch: number) => {
      const way = (ways.get(branch) ?? []).map((id) => ({ id }));
      return marksOn([mark(1, 1, 1)], way, branch, next).length;
    };
    expect([0, 1, 2].map(on)).toEqual([0, 1, 1]);
  });
});
