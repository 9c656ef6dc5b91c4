import { describe, expect, it } from "vitest";
import { type Mark, Marks, marksOn } from "./marks";

const mark = (seq: number, node = 1, branch = 0): Mark => ({ seq, node, step: node, branch, text: `${seq}` });
const seqs = (marks: Marks) => marks.all.map((one) => one.seq);

describe("marks", () => {
  it("go with an undo, and come again after all", () => {
    const marks = new Marks();
    marks.add(mark(1));
    marks.add(mark(2));
    marks.takeBack();
    expect(seqs(marks)).toEqual([1]);
    marks.bringBack();
    expect(seqs(marks)).toEqual([1, 2]);
  });

  it("do not come again after something else was changed", () => {
    const marks = new Marks();
    marks.add(mark(1));
    marks.takeBack();
    marks.add(mark(2));
    marks.bringBack();
    expect(seqs(marks)).toEqual([2]);
  });

  it("stay once a step has followed them", () => {
    const marks = new Marks();
    marks.add(mark(1));
    marks.settle();
    marks.takeBack();
    expect(seqs(marks)).toEqual([1]);
  });

  it("are moved by the change that they stand for only", () => {
    const marks = new Marks();
    marks.add(mark(1));
    marks.moveLast(2, { node: 5, step: 5, branch: 1 });
    expect(marks.all).toMatchObject([{ node: 1, branch: 0 }]);
    marks.moveLast(1, { node: 5, step: 5, branch: 1 });
    expect(marks.all).toMatchObject([{ node: 5, branch: 1 }]);
  });

  it("are the same list as long as nothing came to it", () => {
    const marks = new Marks();
    marks.add(mark(1));
    const former = marks.all;
    marks.moveLast(2, { node: 5, step: 5, branch: 1 });
    marks.settle();
    marks.takeBack();
    marks.bringBack();
    expect(marks.all).toBe(former);
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
