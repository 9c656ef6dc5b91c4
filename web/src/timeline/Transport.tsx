import { ActionIcon, Menu, Text, Tooltip } from "@mantine/core";
import {
  IconEye,
  IconPlayerPause,
  IconPlayerPlay,
  IconPlayerSkipBack,
  IconPlayerSkipForward,
  IconPlayerStop,
  IconPlayerTrackNext,
} from "@tabler/icons-react";
import type { ReactNode } from "react";
import { IconAction } from "../app/Section";
import { edit, useSession } from "../session/store";
import { useStory } from "./hooks";
import { moveToEnd, moveToStart, useScrub } from "./scrub";
import type { Way } from "./strip";
import classes from "./Timeline.module.css";
import { able, cancel, playOrPause, stepOnce } from "./transport";

/** Play, pause, one step, stop; and where the picture is. */
export function Transport({ way, children }: { way: Way | null; children?: ReactNode }) {
  // what can be done follows from where it stands
  const place = useSession((state) => state.view?.place);
  const link = useSession((state) => state.link);
  const can = able();
  const isRunning = place?.status === "running";
  const word = isRunning ? "Pause" : can.replay ? "See it form once more" : "Go on";
  return (
    <div className={classes.transport}>
      <div className={classes.buttons}>
        <IconAction label="To the first step (Home)" onClick={moveToStart} disabled={!way || way.tip === way.first}>
          <IconPlayerSkipBack size={16} />
        </IconAction>
        <Tooltip label={`${word} (P)`}>
          <ActionIcon
            aria-label={word}
            id="play"
            variant="filled"
            color="sea"
            radius="xl"
            size={34}
            onClick={playOrPause}
            disabled={link !== "live" || !(can.play || can.pause || can.replay)}
          >
            {isRunning ? <IconPlayerPause size={18} /> : <IconPlayerPlay size={18} />}
          </ActionIcon>
        </Tooltip>
        <IconAction label="One step (.)" onClick={stepOnce} disabled={!can.step}>
          <IconPlayerTrackNext size={16} />
        </IconAction>
        <IconAction label="To the last step (End)" onClick={moveToEnd} disabled={!way || way.tip === way.first}>
          <IconPlayerSkipForward size={16} />
        </IconAction>
        <IconAction
          label="Stop here"
          tip="Stop here; all that was made stays, and it can go on later"
          onClick={cancel}
          disabled={!can.cancel}
        >
          <IconPlayerStop size={16} />
        </IconAction>
      </div>
      <Readout way={way} />
      <div className={classes.more}>
        {way && <PreviewRate />}
        {children}
      </div>
    </div>
  );
}

const WORDS = {
  running: "being made",
  paused: "paused",
  finished: "finished",
  cancelled: "stopped",
  failed: "it cannot go on",
} as const;

/** Which step, of how many, and what goes on. */
function Readout({ way }: { way: Way | null }) {
  const place = useSession((state) => state.view?.place);
  const waiting = useSession((state) => state.waiting);
  const held = useScrub((state) => state.step);
  if (!way || !place)
    return (
      <Text size="sm" c="dimmed" role="status">
        {waiting ? `Waiting for its turn: ${waiting === 1 ? "it is next" : `number ${waiting}`}.` : ""}
      </Text>
    );
  const step = held ?? place.step;
  const isBack = place.status !== "running" && step < way.tip;
  const begins = place.status === "paused" && way.tip === 0;
  return (
    <Text size="sm" className={classes.readout} data-readout>
      <b>Step {step}</b> of {way.last}
      <Text span inherit c="dimmed">
        {" "}
        - {begins ? "ready to begin" : isBack ? `gone back from ${way.tip}` : WORDS[place.status]}
      </Text>
    </Text>
  );
}

const RATES = [1, 2, 5, 10, 0];

/** How often the picture is shown while it forms. */
function PreviewRate() {
  const { previewEvery } = useStory();
  return (
    <Menu position="top-end" withinPortal>
      <Menu.Target>
        <Tooltip label="How often the picture is shown while it forms">
          <ActionIcon aria-label="How often the picture is shown">
            <IconEye size={16} />
          </ActionIcon>
        </Tooltip>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>Show the picture</Menu.Label>
        {RATES.map((every) => (
          <Menu.Item
            key={every}
            aria-checked={every === previewEvery}
            role="menuitemradio"
            rightSection={every === previewEvery ? "✓" : null}
            onClick={() => void edit({ kind: "set-preview-rate", every })}
          >
            {every === 0 ? "only when it is finished" : every === 1 ? "at every step" : `every ${every} steps`}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
