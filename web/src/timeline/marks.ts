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
  /** Those that no step has followed yet: an undo takes them away. */
  private fresh = new Set<Mark>();
  private taken = new Set<Mark>();

  add(mark: Mark): void {
    this.all = [...this.all, mark];
    this.fresh.add(mark);
  }

  /** A change turns out to act there. */
  move(mark: Mark, where: Pick<Mark, "node" | "step" | "branch">): void {
    if (mark.node === where.node && mark.branch === where.branch) return;
    Object.assign(mark, where);
    this.all = [...this.all];
  }

  /** A step was made from a state: what acts there stays, whatever is undone. */
  settle(branch: number, node: number): void {
    for (const mark of this.fresh) if (mark.branch === branch && mark.node === node) this.fresh.delete(mark);
  }

  takeBack(mark: Mark): void {
    if (!this.fresh.delete(mark)) return;
    this.taken.add(mark);
    this.all = this.all.filter((one) => one !== mark);
  }

  bringBack(mark: Mark): void {
    if (!this.taken.delete(mark)) return;
    this.add(mark);
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
