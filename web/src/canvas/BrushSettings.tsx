import { ActionIcon, Popover, Stack, Switch, Tooltip } from "@mantine/core";
import { IconAdjustmentsHorizontal } from "@tabler/icons-react";
import { useState } from "react";
import { Dial } from "../parts/Dial";
import { setBrush, useCanvas } from "./state";

const percent = (share: number) => Math.round(100 * share);

/** What the brush is like. */
export function BrushSettings() {
  const brush = useCanvas((state) => state.brush);
  const softness = useCanvas((state) => state.softness);
  const [isOpen, setOpen] = useState(false);
  return (
    <Popover opened={isOpen} onChange={setOpen} position="right-start" width={260} shadow="md" trapFocus withArrow>
      <Popover.Target>
        <Tooltip label="Size, hardness and strength of the brush, and how softly edges are softened">
          <ActionIcon aria-label="Brush settings" onClick={() => setOpen(!isOpen)}>
            <IconAdjustmentsHorizontal size={18} />
          </ActionIcon>
        </Tooltip>
      </Popover.Target>
      <Popover.Dropdown aria-label="Brush settings">
        <Stack gap="xs">
          <Dial
            label="Size"
            term="Diameter in pixels of the picture ([ and ])"
            value={brush.size}
            min={1}
            max={256}
            most={1024}
            step={1}
            onChange={(size) => setBrush({ size })}
          />
          <Dial
            label="Hardness"
            term="How sharp the edge is ({ and })"
            value={percent(brush.hardness)}
            min={0}
            max={100}
            step={1}
            onChange={(hardness) => setBrush({ hardness: hardness / 100 })}
          />
          <Dial
            label="Strength"
            term="How much a stroke comes to at most: 50 paints a mask that acts by half"
            value={percent(brush.strength)}
            min={1}
            max={100}
            step={1}
            onChange={(strength) => setBrush({ strength: strength / 100 })}
          />
          <Dial
            label="Flow"
            term="How quickly it comes to that: less builds up stroke by stroke"
            value={percent(brush.flow)}
            min={1}
            max={100}
            step={1}
            onChange={(flow) => setBrush({ flow: flow / 100 })}
          />
          <Dial
            label="Softening of edges"
            term="Feather: by how many pixels 'Soften' blurs the whole mask (in the menu with the dots)"
            value={softness}
            min={1}
            max={64}
            most={256}
            step={1}
            onChange={(value) => useCanvas.setState({ softness: value })}
          />
          <Switch
            label="A pen's pressure makes it wider"
            size="xs"
            checked={brush.pressure}
            onChange={(event) => setBrush({ pressure: event.currentTarget.checked })}
          />
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}
