import { Button, NumberInput, Stack, Text, Tooltip, UnstyledButton } from "@mantine/core";
import { IconLock, IconLockOpen, IconPhotoUp, IconRefresh, IconThumbDown, IconThumbUp } from "@tabler/icons-react";
import { type ReactNode, useEffect, useMemo, useState } from "react";
import { Dial } from "../parts/Dial";
import { useSession } from "../session/store";
import classes from "./Area.module.css";
import {
  dislikeArea,
  forgetFeedback,
  keepArea,
  likeArea,
  pointAt,
  redoArea,
  releaseArea,
  startFromImage,
} from "./areaActions";
import { chooseFile } from "./chooseFile";
import { type HeldArea, heldAreas } from "./heldAreas";
import { Marking, useMarked } from "./Marking";
import { AREA, CHANGE, useCanvas } from "./state";

/** What can be asked of an area of the picture, with the same tools that paint regions. */
export function Area() {
  const begun = useSession((state) => (state.view?.nodes.size ?? 0) > 1);
  if (!begun) {
    return (
      <Text size="sm" c="dimmed" className={classes.panel}>
        Once there is something to see, mark an area here to keep it, make it anew, or have more or less of its kind.
      </Text>
    );
  }
  return (
    <div className={classes.panel}>
      <Marking
        layer={AREA}
        mark="Mark an area"
        marking="You are marking: paint on the picture"
        clear="Clear the area"
      />
      <Asked />
      <Held />
      <Restart />
    </div>
  );
}

function Asked() {
  const isMarked = useMarked(AREA);
  const holds = useSession((state) => (state.view?.place.settings.holds?.length ?? 0) > 0);
  const [redo, setRedo] = useState(0.7);
  const [seed, setSeed] = useState<number | null>(null);
  const [weight, setWeight] = useState(1);
  const action = (icon: ReactNode, label: string, tip: string, onClick: () => void, enabled = true) => (
    <Button
      variant="default"
      size="sm"
      justify="start"
      leftSection={icon}
      title={tip}
      disabled={!enabled}
      onClick={onClick}
    >
      {label}
    </Button>
  );
  return (
    <Stack gap="sm">
      <div className={classes.actions}>
        {action(
          <IconLock size={16} />,
          "Keep it as it is",
          "Lock: the area stays to the end, bit for bit",
          keepArea,
          isMarked,
        )}
        {action(
          <IconLockOpen size={16} />,
          isMarked ? "Let it go again" : "Let all go again",
          "Release what is held",
          () => releaseArea(!isMarked),
          holds,
        )}
        {action(
          <IconRefresh size={16} />,
          "Make it anew",
          "Redo: the area is noised again and made with another seed",
          () => void redoArea(redo, seed),
          isMarked,
        )}
      </div>
      <Dial
        label="How much anew"
        term="Strength: how far back in the run the area goes; 1 is to pure noise."
        value={redo}
        min={0.05}
        max={1}
        step={0.05}
        onChange={setRedo}
      />
      <Tooltip label="The seed that the new content is drawn from; empty is another one each time.">
        <NumberInput
          label="Seed of the new content"
          placeholder="another one"
          size="xs"
          value={seed ?? ""}
          min={0}
          allowDecimal={false}
          allowNegative={false}
          hideControls
          onChange={(value) => setSeed(typeof value === "number" ? value : null)}
        />
      </Tooltip>
      <div className={classes.actions}>
        {action(
          <IconThumbUp size={16} />,
          isMarked ? "More like this" : "More like this picture",
          "Like: its features are attended to in the coming steps",
          () => likeArea(weight),
        )}
        {action(
          <IconThumbDown size={16} />,
          isMarked ? "Something else here" : "Something else altogether",
          "Dislike: made anew from the first third of the steps on, and moved away from this",
          () => void dislikeArea(weight),
        )}
      </div>
      <Dial
        label="How much more or less"
        term="Strength of a like or dislike: 1 is as strong as the picture's own content."
        value={weight}
        min={0.1}
        max={3}
        most={10}
        step={0.1}
        onChange={setWeight}
      />
    </Stack>
  );
}

/** What is kept and judged now; pointing at one shows where. */
function Held() {
  const settings = useSession((state) => state.view?.place.settings);
  const all = useMemo(() => (settings ? heldAreas(settings) : []), [settings]);
  useEffect(() => () => void pointAt(null), []);
  if (all.length === 0) return null;
  const shown = (held: HeldArea | null) => () => void pointAt(held);
  return (
    <div className={classes.part}>
      <Text size="sm" fw={600} mb={4}>
        In force now
      </Text>
      <ul className={classes.held}>
        {all.map((held) => (
          <li key={held.key}>
            <UnstyledButton
              className={classes.entry}
              title="Show where"
              onClick={shown(held)}
              onMouseEnter={shown(held)}
              onMouseLeave={shown(null)}
              onFocus={shown(held)}
              onBlur={shown(null)}
            >
              {held.text}
            </UnstyledButton>
          </li>
        ))}
      </ul>
      {(settings?.feedback?.length ?? 0) > 0 && (
        <Button size="compact-sm" variant="subtle" mt={4} onClick={forgetFeedback}>
          Forget likes and dislikes
        </Button>
      )}
    </div>
  );
}

/** Begin again from a picture, changing it here much and there little. */
function Restart() {
  const [strength, setStrength] = useState(0.6);
  const level = useCanvas((state) => state.brush.strength);
  const isActive = useCanvas((state) => state.active === CHANGE);

  async function fromFile() {
    const file = await chooseFile("image/png,image/jpeg,image/webp");
    if (file) await startFromImage(strength, file);
  }

  return (
    <Stack gap="sm" className={classes.part}>
      <Text size="sm" fw={600}>
        Change a picture
      </Text>
      <Marking
        layer={CHANGE}
        mark="Mark what may change"
        marking="Paint more or less: what is not painted stays. The brush's strength says how much may change."
        clear="Clear what may change"
      />
      {isActive && (
        <Dial
          label="How much may change here"
          term="The grey value of the change map: 1 is free, 0 stays."
          value={level}
          min={0.05}
          max={1}
          step={0.05}
          onChange={(value) => useCanvas.setState(({ brush }) => ({ brush: { ...brush, strength: value } }))}
        />
      )}
      <Dial
        label="How much is made anew"
        term="Strength: how much of the run is repeated; 0 keeps the picture, 1 keeps nothing."
        value={strength}
        min={0}
        max={1}
        step={0.05}
        onChange={setStrength}
      />
      <div className={classes.actions}>
        <Button
          size="sm"
          variant="default"
          justify="start"
          leftSection={<IconRefresh size={16} />}
          onClick={() => void startFromImage(strength)}
        >
          Start from this picture
        </Button>
        <Button
          size="sm"
          variant="default"
          justify="start"
          leftSection={<IconPhotoUp size={16} />}
          onClick={() => void fromFile()}
        >
          Start from a file
        </Button>
      </div>
    </Stack>
  );
}
