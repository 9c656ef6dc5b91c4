import { Text } from "@mantine/core";
import { useLocalStorage } from "@mantine/hooks";
import { useEffect } from "react";
import { bind } from "../parts/keyboard";
import { useSession } from "../session/store";
import { Asking } from "./Asking";
import { Compared } from "./Compared";
import { Here } from "./Here";
import { useWay } from "./hooks";
import { Lanes } from "./Lanes";
import { HEIGHT, Resizer } from "./Resizer";
import { Strip } from "./Strip";
import { followStanding, moveBy, moveToEnd, moveToStart, useScrub } from "./scrub";
import classes from "./Timeline.module.css";
import { Transport } from "./Transport";
import { playOrPause, stepOnce } from "./transport";

const GROUP = "Timeline";

/** The states of the picture, to go back and forth in, and its branches. */
export function Timeline() {
  const id = useSession((state) => state.id);
  const place = useSession((state) => state.view?.place);
  const held = useScrub((state) => state.step);
  const way = useWay();
  const [height, setHeight] = useLocalStorage({ key: "ildm-timeline-height", defaultValue: HEIGHT.usual });
  useEffect(followStanding, []);
  useEffect(bindKeys, []);
  return (
    <section
      className={classes.timeline}
      style={{ "--height": `${height}px` } as React.CSSProperties}
      aria-label="Timeline"
      data-step={place?.step}
      data-held={held ?? undefined}
      data-steps={way?.last}
      data-tip={way?.tip}
      data-status={place?.status ?? "none"}
      data-branch={place?.branch}
      data-at-node={place?.node}
    >
      <Resizer height={height} onChange={setHeight} />
      <Transport way={way} />
      {id && way ? (
        <>
          <div className={classes.row}>
            <Here branch={way.branch} />
            <Strip session={id} way={way} />
          </div>
          <Lanes way={way} />
        </>
      ) : (
        <Text className={classes.invitation} size="sm" c="dimmed">
          Every step of your picture lines up here while it forms. Drag along it to go back, change something, and keep
          both.
        </Text>
      )}
      <Asking />
      <Compared />
    </section>
  );
}

function bindKeys(): () => void {
  const unless = (run: () => void) => (event: KeyboardEvent) => {
    // a row of choices moves by these keys itself
    if (event.target instanceof HTMLInputElement) return;
    run();
  };
  const bound = [
    bind("p", "Pause, or go on", GROUP, playOrPause),
    bind(".", "One step", GROUP, stepOnce),
    bind(
      "ArrowLeft",
      "One step back",
      GROUP,
      unless(() => moveBy(-1)),
    ),
    bind(
      "ArrowRight",
      "One step on",
      GROUP,
      unless(() => moveBy(1)),
    ),
    bind("Home", "To the first step", GROUP, unless(moveToStart)),
    bind("End", "To the last step", GROUP, unless(moveToEnd)),
  ];
  return () => {
    for (const letGo of bound) letGo();
  };
}
