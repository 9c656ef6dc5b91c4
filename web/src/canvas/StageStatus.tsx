import { useShallow } from "zustand/react/shallow";
import { useSession } from "../session/store";
import { usePicture } from "./picture";
import classes from "./Stage.module.css";
import { statusOf } from "./status";

/** How far the picture is: a thin bar above it and a line below. */
export function StageStatus() {
  const looked = usePicture((state) => state.step);
  const { standing, text, share } = useSession(
    useShallow(({ view, waiting, problem, events }) => statusOf(view, waiting, problem, events, looked)),
  );
  return (
    <>
      {share !== null && (
        <div
          className={classes.progress}
          role="progressbar"
          aria-label="Steps done"
          aria-valuemin={0}
          aria-valuemax={100}
          aria-valuenow={Math.round(100 * share)}
        >
          <div style={{ transform: `scaleX(${share})` }} />
        </div>
      )}
      <div className={classes.status} data-standing={standing}>
        <span className={classes.dot} data-status={standing} />
        <span>{text}</span>
      </div>
    </>
  );
}
