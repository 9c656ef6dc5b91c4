import { Tooltip } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { type KeyboardEvent, memo, type PointerEvent, useMemo, useRef } from "react";
import { useSession } from "../session/store";
import { useMarks, useSame } from "./hooks";
import type { Mark } from "./marks";
import classes from "./Strip.module.css";
import { giveUp, grasp, holdStep, letGo, moveBy, moveTo, moveToEnd, moveToStart, useScrub } from "./scrub";
import { type Cell, cellsOf, middleOf, shownIn, stepAt, type Way } from "./strip";
import { Thumb } from "./Thumb";

const NARROWEST = 38;
const MOST_LINES = 6;

/** The states of the way that is looked at, side by side; drag over it to go back and forth. */
export function Strip({ session, way }: { session: string; way: Way }) {
  const { ref, width } = useElementSize<HTMLDivElement>();
  const stands = useSession((state) => state.view?.place.step ?? 0);
  const held = useScrub((state) => state.step);
  /** The pointer that drags. */
  const grip = useRef<number | null>(null);
  const step = held ?? stands;
  const cells = useMemo(() => cellsOf(way.last, width || 600, NARROWEST), [way.last, width]);
  const share = `${100 * middleOf(step, way.last)}%`;

  function stepUnder(event: PointerEvent<HTMLDivElement>): number {
    const box = event.currentTarget.getBoundingClientRect();
    return stepAt((event.clientX - box.left) / box.width, way);
  }

  function pressed(event: KeyboardEvent<HTMLDivElement>) {
    if (event.key === "Escape" && held !== null && grip.current !== null) {
      event.currentTarget.releasePointerCapture(grip.current);
      giveUp();
      return;
    }
    const act = KEYS[event.key];
    if (!act || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    act();
  }

  return (
    <div className={classes.track}>
      <Marks way={way} />
      <div
        ref={ref}
        className={classes.strip}
        role="slider"
        tabIndex={0}
        aria-label="Step that is looked at"
        aria-valuemin={way.first}
        aria-valuemax={way.tip}
        aria-valuenow={step}
        aria-valuetext={`Step ${step} of ${way.last}`}
        data-held={held !== null || undefined}
        onKeyDown={pressed}
        onPointerDown={(event) => {
          if (event.button !== 0) return;
          event.currentTarget.setPointerCapture(event.pointerId);
          grip.current = event.pointerId;
          grasp(stepUnder(event));
        }}
        onPointerMove={(event) => {
          if (event.currentTarget.hasPointerCapture(event.pointerId)) holdStep(stepUnder(event));
        }}
        onPointerUp={(event) => {
          if (event.currentTarget.hasPointerCapture(event.pointerId)) void letGo();
        }}
        onPointerCancel={giveUp}
        onLostPointerCapture={() => {
          grip.current = null;
        }}
      >
        {cells.map((cell) => {
          const state = shownIn(way, cell);
          return (
            <StripCell
              key={cell.from}
              session={session}
              from={cell.from}
              to={cell.to}
              node={state?.id ?? null}
              shown={state?.step ?? 0}
              isBefore={cell.to < way.first}
              isAhead={cell.from > step}
            />
          );
        })}
        <Ticks way={way} />
        <span className={classes.playhead} style={{ left: share }} aria-hidden>
          <span className={classes.flag}>{step}</span>
        </span>
      </div>
    </div>
  );
}

const KEYS: Record<string, () => void> = {
  ArrowLeft: () => moveBy(-1),
  ArrowDown: () => moveBy(-1),
  ArrowRight: () => moveBy(1),
  ArrowUp: () => moveBy(1),
  PageDown: () => moveBy(-10),
  PageUp: () => moveBy(10),
  Home: moveToStart,
  End: moveToEnd,
};

interface StripCellProps extends Cell {
  session: string;
  node: number | null;
  shown: number;
  isBefore: boolean;
  isAhead: boolean;
}

/** A state, or the empty place of one that is yet to come. */
const StripCell = memo(({ session, node, shown, isBefore, isAhead, from, to }: StripCellProps) => (
  <div className={classes.cell} data-cell={to} data-ahead={isAhead || undefined} data-before={isBefore || undefined}>
    {node === null ? (
      <span className={classes.empty} />
    ) : (
      <Thumb className={classes.picture} session={session} node={node} step={Math.max(from, shown)} />
    )}
  </div>
));

/** Which steps are there, as a thin line under the pictures: progress at a glance. */
function Ticks({ way }: { way: Way }) {
  const steps = way.last + 1;
  return (
    <span
      className={classes.done}
      style={{ left: `${(100 * way.first) / steps}%`, right: `${100 - (100 * (way.tip + 1)) / steps}%` }}
      aria-hidden
    />
  );
}

/** Where changes took effect, and the states that have a name. */
function Marks({ way }: { way: Way }) {
  const marks = useMarks(way);
  const nodes = useSession((state) => state.view?.nodes);
  const pins = way.states.flatMap(({ id, step }) => {
    const name = nodes?.get(id)?.name;
    return name ? [{ id, step, name }] : [];
  });
  const named = useSame(pins, (one, other) => JSON.stringify(one) === JSON.stringify(other));
  return <MarkRow marks={marks} named={named} last={way.last} />;
}

interface MarkRowProps {
  marks: readonly Mark[];
  named: readonly { id: number; step: number; name: string }[];
  last: number;
}

const MarkRow = memo(({ marks, named, last }: MarkRowProps) => {
  const bySteps = new Map<number, string[]>();
  for (const { step, text } of marks) bySteps.set(step, [...(bySteps.get(step) ?? []), text]);
  return (
    <div className={classes.marks}>
      {[...bySteps].map(([step, texts]) => (
        <Tooltip
          key={step}
          openDelay={100}
          label={texts.slice(-MOST_LINES).map((text) => (
            <span key={text} className={classes.line}>
              {text}
            </span>
          ))}
        >
          <button
            type="button"
            className={classes.mark}
            style={{ left: `${(100 * (Math.min(step, last) + 1)) / (last + 1)}%` }}
            aria-label={texts.join(" ")}
            data-mark={step}
            onClick={() => moveTo(step)}
          />
        </Tooltip>
      ))}
      {named.map(({ id, step, name }) => (
        <Tooltip key={`name-${id}`} openDelay={100} label={`Step ${step}: ${name}`}>
          <button
            type="button"
            className={classes.pin}
            style={{ left: `${100 * middleOf(step, last)}%` }}
            aria-label={`Step ${step}: ${name}`}
            onClick={() => moveTo(step)}
          />
        </Tooltip>
      ))}
    </div>
  );
});
