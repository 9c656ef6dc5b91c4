import { ActionIcon, Group, Menu, Stack, Text, Tooltip } from "@mantine/core";
import { IconDots, IconDownload, IconPlus, IconRectangle, IconTrash, IconUpload } from "@tabler/icons-react";
import { choose } from "../canvas/choose";
import { chooseFile } from "../canvas/chooseFile";
import { download } from "../canvas/masks/pictures";
import { showStage } from "../canvas/sight";
import { classColour } from "../canvas/slots";
import { useCanvas } from "../canvas/state";
import { notice } from "../parts/notices";
import { IconAction } from "../parts/Section";
import { ToggleButton } from "../parts/ToggleButton";
import { prepare } from "../session/actions";
import { useSession } from "../session/store";
import { removeBox } from "./BoxesLayer";
import { placed } from "./boxes";
import { sayBoxes, useBoxes, useBoxesNow } from "./boxesState";
import { ClassSelect } from "./ClassSelect";
import classes from "./Inputs.module.css";
import { layoutJson, readLayoutJson } from "./layout";

/** What the picture shows, for a model that reads layouts: which things there are, and where. */
export function LayoutPanel({ names }: { names: string[] }) {
  const boxes = useBoxesNow();
  const label = useBoxes((state) => state.label) ?? names[0] ?? "";
  const isDrawing = useCanvas((state) => state.tool === "box");

  async function draw() {
    await choose(isDrawing ? "hand" : "box");
    if (!isDrawing) showStage();
  }

  async function add() {
    if (useSession.getState().id === null && !(await prepare())) return;
    sayBoxes([...boxes, placed(label, boxes.length)]);
    useBoxes.setState({ chosen: boxes.length });
  }

  return (
    <Stack gap="xs">
      <ClassSelect
        label="What should it show?"
        names={names}
        value={indexOrNull(names, label)}
        onChange={(number) => number !== null && useBoxes.setState({ label: names[number] ?? null })}
      />
      <Group gap={6} wrap="nowrap">
        <ToggleButton label="Draw where" icon={IconRectangle} isOn={isDrawing} onToggle={() => void draw()} />
        <IconAction
          label="Put a box in the middle"
          tip="A box in the middle, to be moved by the mouse or the arrow keys"
          onClick={() => void add()}
        >
          <IconPlus size={16} />
        </IconAction>
        <LayoutMenu />
      </Group>
      {isDrawing && (
        <Text size="xs" c="dimmed">
          Drag on the picture for each {label}. Boxes can be moved, and resized by their corners.
        </Text>
      )}
      <Rows names={names} />
    </Stack>
  );
}

/** Every box with its class. */
function Rows({ names }: { names: string[] }) {
  const boxes = useBoxesNow();
  const chosen = useBoxes((state) => state.chosen);
  return (
    <ul className={classes.rows}>
      {boxes.map((box, index) => (
        <li
          // biome-ignore lint/suspicious/noArrayIndexKey: a box is its place in the list
          key={index}
          className={classes.row}
          data-chosen={index === chosen || undefined}
          onFocus={() => useBoxes.setState({ chosen: index })}
        >
          <span
            className={classes.swatch}
            style={{ background: classColour(1 + names.indexOf(box.label)) }}
            aria-hidden
          />
          <ClassSelect
            aria-label={`What is in box ${index + 1}?`}
            size="xs"
            names={names}
            value={indexOrNull(names, box.label)}
            placeholder={box.label}
            onChange={(number) => {
              const label = number === null ? undefined : names[number];
              if (label) sayBoxes(boxes.with(index, { ...box, label }));
            }}
          />
          <IconAction label={`Remove box ${index + 1}`} onClick={() => removeBox(boxes, index)}>
            <IconTrash size={16} />
          </IconAction>
        </li>
      ))}
    </ul>
  );
}

/** Boxes as files. */
function LayoutMenu() {
  const boxes = useBoxesNow();

  async function bringIn() {
    const file = await chooseFile("application/json,.json");
    const read = file && readLayoutJson(await file.text());
    if (read) sayBoxes(read);
    else if (file)
      notice.problem(
        'This file holds no boxes: it is a JSON list such as [{"label": "fox", "box": [0.1, 0.2, 0.5, 0.6]}], with left, top, right and bottom as shares of the sides.',
      );
  }

  return (
    <Menu position="bottom-end" shadow="md" withinPortal>
      <Menu.Target>
        <Tooltip label="All boxes: import, export, remove">
          <ActionIcon aria-label="All boxes">
            <IconDots size={16} />
          </ActionIcon>
        </Tooltip>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item leftSection={<IconUpload size={16} />} onClick={() => void bringIn()}>
          Import boxes (JSON)
        </Menu.Item>
        <Menu.Item
          leftSection={<IconDownload size={16} />}
          disabled={boxes.length === 0}
          onClick={() => download(new Blob([layoutJson(boxes)], { type: "application/json" }), "boxes.json")}
        >
          Export boxes (JSON)
        </Menu.Item>
        <Menu.Divider />
        <Menu.Item
          color="red"
          leftSection={<IconTrash size={16} />}
          disabled={boxes.length === 0}
          onClick={() => sayBoxes([])}
        >
          Remove all
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

function indexOrNull(names: readonly string[], label: string): number | null {
  const index = names.findIndex((name) => name.toLowerCase() === label.toLowerCase());
  return index < 0 ? null : index;
}
