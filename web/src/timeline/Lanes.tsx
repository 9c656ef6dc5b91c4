import { useElementSize } from "@mantine/hooks";
import { IconChevronRight } from "@tabler/icons-react";
import { type MouseEvent, memo, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { bringIntoSight } from "../parts/intoSight";
import { edit, useSession } from "../session/store";
import { lanesOf } from "../session/tree";
import { branchName } from "./called";
import { useStoryPart } from "./hooks";
import { LaneMenu } from "./LaneMenu";
import classes from "./Lanes.module.css";
import { type Row, rowsOf } from "./lanes";
import { middleOf, statesSinceStart, type Way } from "./strip";

const LINE = 26;

/** All branches, each a thin line with a dot for every state of its own. */
export function Lanes({ way }: { way: Way }) {
  const nodes = useSession((state) => state.view?.nodes);
  const branches = useSession((state) => state.view?.branches);
  const node = useSession((state) => state.view?.place.node);
  const names = useStoryPart("names");
  const [folded, setFolded] = useState<ReadonlySet<number>>(new Set());
  const { ref, width } = useElementSize<HTMLDivElement>();
  const rows = useMemo(
    () => (nodes && branches ? rowsOf(lanesOf(nodes, branches), folded) : []),
    [nodes, branches, folded],
  );
  const here = nodes?.get(node ?? -1)?.step ?? 0;

  const fold = useCallback((branch: number) => {
    setFolded((before) => {
      const next = new Set(before);
      if (!next.delete(branch)) next.add(branch);
      return next;
    });
  }, []);

  return (
    <div className={classes.lanes}>
      <div className={classes.ruler} ref={ref} />
      <ul className={classes.rows} aria-label="Branches">
        {rows.map((row) => (
          <LaneRow
            key={row.branch}
            {...row}
            called={branchName(row.branch, row.name, names)}
            passing={row.passing.join(" ")}
            first={row.own?.first ?? null}
            lastOwn={row.own?.last ?? null}
            isOpen={row.branch === way.branch}
            here={row.branch === way.branch ? here : null}
            last={way.last}
            width={width}
            onFold={fold}
          />
        ))}
      </ul>
    </div>
  );
}

interface LaneRowProps extends Omit<Row, "own" | "passing"> {
  called: string;
  passing: string;
  first: number | null;
  lastOwn: number | null;
  isOpen: boolean;
  /** The step that is looked at, on the branch that is open. */
  here: number | null;
  last: number;
  width: number;
  onFold(branch: number): void;
}

const LaneRow = memo((row: LaneRowProps) => {
  const { branch, called, depth, children, isFolded, isOpen, onFold } = row;
  const self = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (isOpen) bringIntoSight(self.current?.closest(`.${classes.lanes}`), self.current);
  }, [isOpen]);
  return (
    <li className={classes.lane} data-branch={branch} data-open={isOpen || undefined} ref={self}>
      <div className={classes.label} style={{ paddingLeft: 6 + Math.min(depth, 4) * 8 }}>
        {children > 0 ? (
          <button
            type="button"
            className={classes.fold}
            aria-label={`${isFolded ? "Show" : "Hide"} the ${children === 1 ? "branch" : `${children} branches`} of ${called}`}
            aria-expanded={!isFolded}
            onClick={() => onFold(branch)}
          >
            <IconChevronRight size={14} data-open={!isFolded || undefined} aria-hidden />
          </button>
        ) : (
          <span className={classes.fold} />
        )}
        <button
          type="button"
          className={classes.name}
          aria-current={isOpen || undefined}
          title={called}
          onClick={() => void edit({ kind: "open-branch", branch })}
        >
          {called}
          {isFolded && <span className={classes.hidden}> +{children}</span>}
        </button>
        <LaneMenu branch={branch} called={called} isOpen={isOpen} />
      </div>
      <LaneLine {...row} />
    </li>
  );
});

/** The states of a lane, drawn at the steps of the strip above. A click opens the nearest. */
function LaneLine({ branch, from, first, lastOwn, passing, here, last, width }: LaneRowProps) {
  const room = Math.max(1, width);
  const x = (step: number) => Math.round(middleOf(step, last) * room * 10) / 10;
  const middle = LINE / 2;
  const slot = room / (last + 1);
  const start = from ?? first;
  const end = lastOwn ?? from ?? 0;

  function opened(event: MouseEvent<SVGSVGElement>) {
    const { view } = useSession.getState();
    const known = view?.branches.get(branch);
    if (!view || !known) return;
    const box = event.currentTarget.getBoundingClientRect();
    const step = Math.floor(((event.clientX - box.left) / box.width) * (last + 1));
    const states = statesSinceStart(view.nodes, known.tip);
    const begun = states[0]?.step ?? 0;
    const state = states[Math.max(0, Math.min(states.length - 1, step - begun))];
    if (!state || state.id === known.tip) void edit({ kind: "open-branch", branch });
    else void edit({ kind: "open-node", node: state.id });
  }

  return (
    // the name beside it does the same by keys; the strip reaches each state
    <svg className={classes.drawing} height={LINE} width="100%" onClick={opened} aria-hidden>
      {passing
        .split(" ")
        .map((step) => step && <path key={step} className={classes.passing} d={`M${x(+step)} 0V${LINE}`} />)}
      {start !== null && (
        <path
          className={classes.wire}
          d={
            from === null
              ? `M${x(start)} ${middle}H${x(end)}`
              : `M${x(from)} 0V${middle - 6}Q${x(from)} ${middle} ${Math.min(x(from) + 6, Math.max(x(from) + 1, x(end)))} ${middle}H${Math.max(x(end), x(from) + 6)}`
          }
        />
      )}
      {first !== null && slot >= 6 && (
        <path className={classes.dots} d={`M${x(first)} ${middle}H${x(end) + 0.01}`} strokeDasharray={`0 ${slot}`} />
      )}
      <circle className={classes.tip} cx={Math.max(x(end), from === null ? 0 : x(from) + 6)} cy={middle} r={3.5} />
      {here !== null && <circle className={classes.here} cx={x(here)} cy={middle} r={5} />}
    </svg>
  );
}
