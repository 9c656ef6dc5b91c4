import { Text, UnstyledButton } from "@mantine/core";
import { useMemo } from "react";
import { pictures } from "../connection/http";
import { frameOf, useFrames } from "../session/frames";
import { useSession } from "../session/store";
import type { View } from "../session/view";
import { chosen } from "./asked";
import { openBranch } from "./BranchGrid";
import classes from "./Compared.module.css";
import { tableOf } from "./choices";
import { useStoryPart } from "./hooks";

/** The pictures of a comparison, as they come. */
export function Several({ seq, view }: { seq: number; view: View }) {
  const comparisons = useStoryPart("comparisons");
  const comparison = comparisons.find((one) => one.seq === seq);
  const events = useSession((state) => state.events);
  const finished = useMemo(
    () => new Set(events.map((event) => (event.kind === "run-finished" ? event.branch : -1))),
    [events],
  );
  const table = useMemo(() => tableOf(comparison?.choices ?? []), [comparison]);
  if (!comparison) return <Text c="dimmed">The pictures are about to come.</Text>;
  const { branches, choices, node } = comparison;
  const done = branches.filter((branch) => finished.has(branch)).length;
  const { width, height } = view.place.settings;
  // so wide that all rows are seen at once, where that is not too small
  const column = `minmax(72px, max(112px, calc((100dvh - 170px) / ${table.rows.length} * ${width / height})))`;
  const isTable = table.rows.length > 1;
  const head = table.columns.map((column) => (
    <Text key={column} size="sm" fw={500} lineClamp={2}>
      {column}
    </Text>
  ));
  return (
    <div className={classes.page} data-comparing="several" data-done={done} data-of={choices.length}>
      <Text size="sm" c="dimmed" role="status">
        From step {comparison.step}: {done} of {choices.length} are finished.
        {done < choices.length && view.place.status === "running"
          ? " Opening one of them now leaves those that have not begun."
          : " Each opens its branch."}
      </Text>
      <div
        className={isTable ? classes.table : classes.few}
        style={
          isTable ? { gridTemplateColumns: `fit-content(180px) repeat(${table.columns.length}, ${column})` } : undefined
        }
      >
        {isTable && <span />}
        {isTable && head}
        {table.cells.map((cells, row) => [
          isTable && (
            <Text key={`row-${table.rows[row]}`} size="sm" fw={500} lineClamp={4} className={classes.rowHead}>
              {table.rows[row]}
            </Text>
          ),
          ...cells.map((at) => (
            <SeveralCell
              key={at}
              view={view}
              branch={branches[at]}
              begun={node}
              label={chosen(choices[at] ?? { kind: "choice" })}
              caption={isTable ? null : (table.columns[at] ?? "")}
              isFinished={finished.has(branches[at] ?? -2)}
            />
          )),
        ])}
      </div>
    </div>
  );
}

interface SeveralCellProps {
  view: View;
  branch: number | undefined;
  /** The state that all began at. */
  begun: number;
  label: string;
  caption: string | null;
  isFinished: boolean;
}

function SeveralCell({ view, branch, begun, label, caption, isFinished }: SeveralCellProps) {
  const known = branch === undefined ? undefined : view.branches.get(branch);
  const tip = known?.tip ?? begun;
  const frame = useFrames(() => frameOf(view.session, tip));
  const { width, height } = view.place.settings;
  const url = isFinished ? pictures.image(view.session, tip, "png") : tip === begun ? undefined : frame;
  const step = view.nodes.get(tip)?.step ?? 0;
  const state = !known ? "deleted" : isFinished ? null : tip === begun ? "waits for its turn" : `step ${step}`;
  return (
    <UnstyledButton
      className={classes.card}
      aria-label={`${label}${state ? `, ${state}` : ""}`}
      data-branch={branch}
      data-finished={isFinished || undefined}
      disabled={!known}
      onClick={() => known && openBranch(known.id)}
    >
      <span className={classes.place} style={{ aspectRatio: `${width} / ${height}` }}>
        {url && known && <img src={url} alt="" />}
        {state && (
          <Text size="xs" className={classes.state}>
            {state}
          </Text>
        )}
      </span>
      {caption !== null && (
        <Text size="xs" lineClamp={2}>
          {caption}
        </Text>
      )}
    </UnstyledButton>
  );
}
