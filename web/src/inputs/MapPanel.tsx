import { Group, Stack, Text, UnstyledButton } from "@mantine/core";
import { IconBrush, IconDownload, IconTrash } from "@tabler/icons-react";
import { useMemo } from "react";
import { maskOf, useLayers } from "../canvas/layers";
import { fillAll, relabel } from "../canvas/masks/paint";
import { download } from "../canvas/masks/pictures";
import { paintOn } from "../canvas/sight";
import { classColour, slotOf, useSlots } from "../canvas/slots";
import { activate, MAP, useCanvas } from "../canvas/state";
import { rework } from "../canvas/strokes";
import { notice } from "../parts/notices";
import { IconAction } from "../parts/Section";
import { ToggleButton } from "../parts/ToggleButton";
import { ClassSelect } from "./ClassSelect";
import classes from "./Inputs.module.css";
import { PicturePlace } from "./PicturePlace";
import { ready } from "./ready";
import { mapFile, showPicture } from "./shown";

/** What lies where: a class is painted for each part of the picture. */
export function MapPanel({ names, known }: { names: string[]; known: string[] }) {
  const isActive = useCanvas((state) => state.active === MAP);
  const { classes: slots, chosen } = useSlots();
  const number = slots[chosen] ?? 0;

  function pick(next: number) {
    const slot = slotOf(next);
    if (slot === null) notice.problem("A map can have 255 classes here: load the page again to begin with others.");
    else useSlots.setState({ chosen: slot });
  }

  async function paint(next: number | null) {
    if (!(await ready())) return;
    pick(next ?? (number || 1));
    useCanvas.setState({ erases: false });
    paintOn(MAP);
  }

  return (
    <Stack gap="xs">
      <ClassSelect
        label="What to paint"
        placeholder="type to find a class"
        names={names}
        known={known}
        value={number === 0 ? null : number - 1}
        onChange={(index) => index !== null && void paint(index + 1)}
      />
      <Group gap={6} wrap="nowrap">
        <ToggleButton
          label="Paint the map"
          icon={IconBrush}
          isOn={isActive}
          onToggle={() => (isActive ? activate(null) : void paint(null))}
        />
        <IconAction
          label="Export the map"
          tip="The map as a PNG, each pixel the number of its class"
          onClick={() => download(new Blob([mapFile() as Uint8Array<ArrayBuffer>], { type: "image/png" }), "map.png")}
        >
          <IconDownload size={16} />
        </IconAction>
        <IconAction label="Clear the map" onClick={() => rework(MAP, (mask) => fillAll(mask, 0))}>
          <IconTrash size={16} />
        </IconAction>
      </Group>
      {isActive && (
        <Text size="xs" c="dimmed">
          Paint with the tools beside the picture; the eraser leaves the background.
        </Text>
      )}
      <OnTheMap names={names} pick={(next) => void paint(next)} />
      <PicturePlace
        label="Choose a map"
        accept="image/png"
        isSeen={false}
        onFile={async (file) => {
          if (await ready()) await showPicture(new Uint8Array(await file.arrayBuffer()));
        }}
      >
        or drop one here: a PNG, each pixel the number of a class.
      </PicturePlace>
    </Stack>
  );
}

/** The classes that are on the map. */
function OnTheMap({ names, pick }: { names: string[]; pick(number: number): void }) {
  const { classes: slots, chosen } = useSlots();
  const revision = useLayers((state) => state.revisions.get(MAP) ?? 0);
  const width = useLayers((state) => state.width);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the mask is the same object, painted on
  const there = useMemo(() => [...new Set(maskOf(MAP).values)].filter((slot) => slot > 0), [revision, width]);
  return (
    <ul className={classes.rows} aria-label="On the map">
      {there.map((slot) => {
        const number = slots[slot] ?? 0;
        const name = names[number - 1] ?? `class ${number}`;
        return (
          <li key={slot} className={classes.row} data-chosen={slot === chosen || undefined}>
            <span className={classes.swatch} style={{ background: classColour(number) }} aria-hidden />
            <UnstyledButton className={classes.choice} title="Paint with it" onClick={() => pick(number)}>
              {name}
            </UnstyledButton>
            <IconAction
              label={`Take ${name} off the map`}
              onClick={() => rework(MAP, (mask) => relabel(mask, slot, 0))}
            >
              <IconTrash size={16} />
            </IconAction>
          </li>
        );
      })}
    </ul>
  );
}
