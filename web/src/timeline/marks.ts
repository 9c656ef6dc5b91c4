// Where changes took effect. Pure.

/** A change and where it took effect: the steps of `branch` after `node`. */
export interface Mark {
  seq: number;
  node: number;
  step: number;
  branch: number;
  text: string;
}

/** The marks of a log as it goes on. */
export class Marks {
  /** The same list as long as nothing came to it. */
  all: readonly Mark[] = [];
  /** Those that no step has followed yet: an undo takes the last one away. */
  private fresh: Mark[] = [];
  private taken: Mark[] = [];

  add(mark: Mark): void {
    this.all = [...this.all, mark];
    this.fresh.push(mark);
    this.taken = [];
  }

  /** The change `seq`, which was the last one, turns out to act there. */
  moveLast(seq: number, where: Pick<Mark, "node" | "step" | "branch">): void {
    const mark = this.all.at(-1);
    if (mark?.seq !== seq) return;
    Object.assign(mark, where);
    this.all = [...this.all];
  }

  /** A step was made: they stay, whatever is undone. */
  settle(): void {
    this.fresh = [];
    this.taken = [];
  }

  takeBack(): void {
    const mark = this.fresh.pop();
    if (!mark) return;
    this.taken.push(mark);
    this.all = this.all.filter((one) => one !== mark);
  }

  bringBack(): void {
    const mark = this.taken.pop();
    if (!mark) return;
    this.all = [...this.all, mark];
    this.fresh.push(mark);
  }
}

/** Marks that belong to a way through the tree: those whose effect is in the states of that way. */
export function marksOn(
  marks: readonly Mark[],
  way: readonly { id: number }[],
  branch: number,
  nextOn: (branch: number, node: number) => number | undefined,
): Mark[] {
  const place = new Map(way.map((node, at) => [node.id, at]));
  return marks.filter((mark) => {
    const at = place.get(mark.node);
    if (at === undefined) return false;
    if (mark.branch === branch) return true;
    const next = way[at + 1]?.id;
    return next !== undefined && next === nextOn(mark.branch, mark.node);
  });
}
