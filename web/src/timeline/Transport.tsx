import { ActionIcon, Menu, Text, Tooltip } from "@mantine/core";
import {
  IconCheck,
  IconEye,
  IconPlayerPause,
  IconPlayerPlay,
  IconPlayerSkipBack,
  IconPlayerSkipForward,
  IconPlayerStop,
  IconPlayerTrackNext,
} from "@tabler/icons-react";
import { memo } from "react";
import { IconAction } from "../parts/Section";
import { edit, useSession } from "../session/store";
import { ButtonRow } from "./ButtonRow";
import { CompareMenu } from "./CompareMenu";
import { useStoryPart } from "./hooks";
import { moveToEnd, moveToStart, useScrub } from "./scrub";
import type { Way } from "./strip";
import classes from "./Transport.module.css";
import { able, cancel, playOrPause, stepOnce } from "./transport";

/** Play, pause, one step, stop; and where the picture is. */
export function Transport({ way }: { way: Way | null }) {
  return (
    <div className={classes.transport}>
      <Buttons canMove={way !== null && way.tip > way.first} />
      <Readout way={way} />
      {way && (
        <div className={classes.more}>
          <PreviewRate />
          <CompareMenu />
        </div>
      )}
    </div>
  );
}

const Buttons = memo(({ canMove }: { canMove: boolean }) => {
  const status = useSession((state) => state.view?.place.status);
  const link = useSession((state) => state.link);
  // as one value: what can be done seldom changes from step to step
  const can = useSession(() => able().join(" ")).split(" ");
  const isRunning = status === "running";
  const word = isRunning ? "Pause" : can.includes("replay") ? "See it form once more" : "Go on";
  const plays = ["play", "pause", "replay"].some((one) => can.includes(one));
  return (
    <ButtonRow>
      <IconAction label="To the first step (Home)" onClick={moveToStart} disabled={!canMove}>
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
          disabled={link !== "live" || !plays}
        >
          {isRunning ? <IconPlayerPause size={18} /> : <IconPlayerPlay size={18} />}
        </ActionIcon>
      </Tooltip>
      <IconAction label="One step (.)" onClick={stepOnce} disabled={!can.includes("step")}>
        <IconPlayerTrackNext size={16} />
      </IconAction>
      <IconAction label="To the last step (End)" onClick={moveToEnd} disabled={!canMove}>
        <IconPlayerSkipForward size={16} />
      </IconAction>
      <IconAction
        label="Stop here"
        tip="Stop here; all that was made stays, and it can go on later"
        onClick={cancel}
        disabled={!can.includes("cancel")}
      >
        <IconPlayerStop size={16} />
      </IconAction>
    </ButtonRow>
  );
});

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
      <Text span inherit c="dimmed" className={classes.doing}>
        {" "}
        - {begins ? "ready to begin" : isBack ? `gone back from ${way.tip}` : WORDS[place.status]}
      </Text>
    </Text>
  );
}

const RATES = [1, 2, 5, 10, 0];

/** How often the picture is shown while it forms. */
const PreviewRate = memo(() => {
  const previewEvery = useStoryPart("previewEvery");
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
            leftSection={<IconCheck size={14} visibility={every === previewEvery ? "visible" : "hidden"} aria-hidden />}
            aria-current={every === previewEvery || undefined}
            onClick={() => void edit({ kind: "set-preview-rate", every })}
          >
            {every === 0 ? "only when it is finished" : every === 1 ? "at every step" : `every ${every} steps`}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
});
