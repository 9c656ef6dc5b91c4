import { Group, Text } from "@mantine/core";
import { IconBrush, IconTrash } from "@tabler/icons-react";
import { IconAction } from "../parts/Section";
import { ToggleButton } from "../parts/ToggleButton";
import { isEmpty, useLayers } from "./layers";
import { fillAll } from "./masks/paint";
import { paintOn } from "./sight";
import { activate, useCanvas } from "./state";
import { rework } from "./strokes";

/** Whether a layer has anything on it. */
export function useMarked(layer: string): boolean {
  useLayers((state) => state.revisions.get(layer) ?? 0);
  useLayers((state) => state.width);
  return !isEmpty(layer);
}

interface MarkingProps {
  layer: string;
  mark: string;
  marking: string;
  clear: string;
  /** What must be there first; false = it is not. */
  before?: () => Promise<boolean>;
}

/** Begins and ends painting on a layer that is no region. */
export function Marking({ layer, mark, marking, clear, before }: MarkingProps) {
  const isActive = useCanvas((state) => state.active === layer);
  const isMarked = useMarked(layer);

  async function toggle() {
    if (isActive) activate(null);
    else if (!before || (await before())) paintOn(layer);
  }

  return (
    <div>
      <Group gap={8} wrap="nowrap">
        <ToggleButton label={mark} icon={IconBrush} isOn={isActive} size="sm" onToggle={() => void toggle()} />
        <IconAction label={clear} disabled={!isMarked} onClick={() => rework(layer, (mask) => fillAll(mask, 0))}>
          <IconTrash size={18} />
        </IconAction>
      </Group>
      {isActive && (
        <Text size="xs" c="dimmed" mt={4}>
          {marking}
        </Text>
      )}
    </div>
  );
}
