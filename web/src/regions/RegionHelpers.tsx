import { ActionIcon, Button, Group, NumberInput, Popover, Stack, Text, Tooltip } from "@mantine/core";
import { IconColumns2, IconPalette } from "@tabler/icons-react";
import { useState } from "react";
import { chooseFile } from "../canvas/chooseFile";
import { useLayers } from "../canvas/layers";
import { fitted } from "../canvas/masks/mask";
import { pixelsOf } from "../canvas/masks/pictures";
import { paintOn } from "../canvas/sight";
import { rework } from "../canvas/strokes";
import { notice } from "../parts/notices";
import { IconAction } from "../parts/Section";
import { prepare } from "../session/actions";
import { sentence } from "../session/store";
import { addRegion, regionsNow } from "./edit";
import { masksOfColours } from "./flatColours";
import { cellsOf } from "./split";

/** Begin an empty region, and take the brush. */
export async function beginRegion(): Promise<void> {
  if (await prepare()) paintOn(addRegion());
}

/** Many regions at once: by dividing the picture, or from a picture of flat colours. */
export function RegionHelpers() {
  const [isOpen, setOpen] = useState(false);
  const [columns, setColumns] = useState(2);
  const [rows, setRows] = useState(1);
  const [isDivided, setDivided] = useState(false);

  async function divide(across: number, down: number) {
    setColumns(across);
    setRows(down);
    if (isDivided) await divideNow(across, down);
  }

  return (
    <>
      <Popover opened={isOpen} onChange={setOpen} width={240} shadow="md" position="right-start" offset={72} trapFocus>
        <Popover.Target>
          <Tooltip label="Columns and rows: a region for each cell">
            <ActionIcon
              aria-label="Divide the picture"
              onClick={() => {
                setOpen(!isOpen);
                setDivided(false);
              }}
            >
              <IconColumns2 size={16} />
            </ActionIcon>
          </Tooltip>
        </Popover.Target>
        <Popover.Dropdown>
          <Stack gap="xs">
            <Group grow gap={8}>
              <NumberInput
                label="Columns"
                min={1}
                max={8}
                value={columns}
                onChange={(value) => typeof value === "number" && void divide(value, rows)}
              />
              <NumberInput
                label="Rows"
                min={1}
                max={8}
                value={rows}
                onChange={(value) => typeof value === "number" && void divide(columns, value)}
              />
            </Group>
            <Text size="xs" c="dimmed">
              {isDivided
                ? "Changes act at once. Ctrl-Z brings former masks back."
                : "Regions that are there get a cell each; missing ones are made."}
            </Text>
            {!isDivided && (
              <Button
                size="xs"
                onClick={() => {
                  setDivided(true);
                  void divideNow(columns, rows);
                }}
              >
                Divide
              </Button>
            )}
          </Stack>
        </Popover.Dropdown>
      </Popover>
      <IconAction
        label="Import a picture of flat colours"
        tip="Each colour of the picture, up to 16, becomes a region"
        onClick={() => void bringColours()}
      >
        <IconPalette size={16} />
      </IconAction>
    </>
  );
}

async function divideNow(columns: number, rows: number): Promise<void> {
  if (!(await prepare())) return;
  const { width, height } = useLayers.getState();
  const regions = regionsNow();
  for (const [index, cell] of cellsOf(width, height, columns, rows).entries()) {
    const region = regions[index];
    if (region) rework(region.id, ({ values }) => values.set(cell.values));
    else addRegion("", cell);
  }
}

async function bringColours(): Promise<void> {
  const file = await chooseFile("image/png,image/webp,image/jpeg");
  if (!file || !(await prepare())) return;
  try {
    const { width, height } = useLayers.getState();
    const masks = masksOfColours(await pixelsOf(file));
    if (masks.length === 0) notice.info("This picture is all white: there is no colour to make a region of.");
    for (const mask of masks) addRegion("", fitted(mask, width, height));
  } catch (problem) {
    notice.problem(`This picture could not be read. ${sentence(problem)}`);
  }
}
