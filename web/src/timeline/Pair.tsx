import { SegmentedControl, Select } from "@mantine/core";
import { useMemo, useState } from "react";
import { pictures } from "../connection/http";
import type { View } from "../session/view";
import { BranchGrid } from "./BranchGrid";
import classes from "./Compared.module.css";
import { branchName } from "./called";
import type { Manner } from "./comparing";
import { DifferencePicture } from "./DifferencePicture";
import { useStoryPart } from "./hooks";

const MANNERS: { value: Manner; label: string }[] = [
  { value: "slider", label: "Slider" },
  { value: "beside", label: "Side by side" },
  { value: "difference", label: "Difference" },
  { value: "grid", label: "All branches" },
];

interface PairProps {
  manner: Manner;
  left: number;
  right: number;
  view: View;
}

/** Two states: one over the other, beside it, or what is different. */
export function Pair({ view, ...begun }: PairProps) {
  const [manner, setManner] = useState<Manner>(begun.manner);
  const [left, setLeft] = useState(begun.left);
  const [right, setRight] = useState(begun.right);
  const names = useStoryPart("names");
  const states = useMemo(
    () => statesToChoose(view, names, [begun.left, begun.right]),
    [view, names, begun.left, begun.right],
  );
  const { width, height } = view.place.settings;
  const address = (node: number) => pictures.image(view.session, node, "png");
  const two = { left: address(left), right: address(right), width, height };
  return (
    <div className={classes.page} data-comparing={manner}>
      <div className={classes.bar}>
        {manner !== "grid" && (
          <Select
            aria-label="The left picture"
            data={states}
            value={String(left)}
            onChange={(node) => node && setLeft(Number(node))}
          />
        )}
        <SegmentedControl data={MANNERS} value={manner} onChange={(next) => setManner(next as Manner)} />
        {manner !== "grid" && (
          <Select
            aria-label="The right picture"
            data={states}
            value={String(right)}
            onChange={(node) => node && setRight(Number(node))}
          />
        )}
      </div>
      {manner === "slider" && <Wipe {...two} />}
      {manner === "beside" && (
        <div className={classes.beside}>
          <img src={two.left} alt="Left" />
          <img src={two.right} alt="Right" />
        </div>
      )}
      {manner === "difference" && <DifferencePicture {...two} />}
      {manner === "grid" && <BranchGrid view={view} />}
    </div>
  );
}

/** What can be put on a side: the end of each branch, each state that has a name, and those it began with. */
function statesToChoose(
  { nodes, branches }: View,
  names: ReadonlyMap<number, string>,
  more: readonly number[],
): { value: string; label: string }[] {
  const found = new Map<number, string>();
  for (const { id, tip, name } of branches.values()) {
    const step = nodes.get(tip)?.step ?? 0;
    if (!found.has(tip)) found.set(tip, `${branchName(id, name, names)}, step ${step}`);
  }
  for (const node of nodes.values()) if (node.name) found.set(node.id, `${node.name}, step ${node.step}`);
  for (const node of more) if (!found.has(node)) found.set(node, `Step ${nodes.get(node)?.step ?? 0}`);
  return [...found].map(([node, label]) => ({ value: String(node), label }));
}

interface TwoProps {
  left: string;
  right: string;
  width: number;
  height: number;
}

/** One picture over the other; drag to uncover it. */
function Wipe({ left, right, width, height }: TwoProps) {
  const [share, setShare] = useState(50);
  return (
    <div className={classes.stage}>
      <div
        className={classes.wipe}
        style={{ aspectRatio: `${width} / ${height}`, "--share": `${share}%` } as React.CSSProperties}
      >
        <img src={right} alt="Right" draggable={false} />
        <img src={left} alt="Left" draggable={false} className={classes.over} />
        <input
          type="range"
          min={0}
          max={100}
          step={0.5}
          value={share}
          aria-label="How much of the left picture is shown"
          onChange={(event) => setShare(Number(event.currentTarget.value))}
        />
        <span className={classes.handle} aria-hidden />
      </div>
    </div>
  );
}
