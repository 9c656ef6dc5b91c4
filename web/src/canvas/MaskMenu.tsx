import { ActionIcon, Menu, Tooltip } from "@mantine/core";
import { IconBlur, IconContrast2, IconDots, IconDownload, IconPaint, IconTrash, IconUpload } from "@tabler/icons-react";
import { notice } from "../parts/notices";
import { chooseFile } from "./chooseFile";
import { maskOf, useLayers } from "./layers";
import { feather, fillAll, invert } from "./masks/paint";
import { download, maskOfFile, pngOf } from "./masks/pictures";
import { MAP, useCanvas } from "./state";
import { rework } from "./strokes";

/** What can be done with the whole of a mask. */
export function MaskMenu() {
  const active = useCanvas((state) => state.active);
  // the classes of a map are not inverted or softened
  if (active === null || active === MAP) return null;
  return (
    <Menu position="right-start" shadow="md" withinPortal>
      <Menu.Target>
        <Tooltip label="The whole of what is painted here: invert, soften, clear, import, export">
          <ActionIcon aria-label="The whole mask">
            <IconDots size={18} />
          </ActionIcon>
        </Tooltip>
      </Menu.Target>
      <Menu.Dropdown>
        <MaskItems layer={active} />
      </Menu.Dropdown>
    </Menu>
  );
}

/** The same for any layer, in a menu. */
export function MaskItems({ layer }: { layer: string }) {
  const softness = useCanvas((state) => state.softness);
  return (
    <>
      <Menu.Item leftSection={<IconPaint size={16} />} onClick={() => rework(layer, (mask) => fillAll(mask, 255))}>
        Fill all
      </Menu.Item>
      <Menu.Item leftSection={<IconContrast2 size={16} />} onClick={() => rework(layer, invert)}>
        Invert
      </Menu.Item>
      <Menu.Item
        leftSection={<IconBlur size={16} />}
        closeMenuOnClick={false}
        onClick={() => rework(layer, (mask) => feather(mask, softness))}
      >
        Soften by {softness} px
      </Menu.Item>
      <Menu.Item leftSection={<IconTrash size={16} />} onClick={() => rework(layer, (mask) => fillAll(mask, 0))}>
        Clear
      </Menu.Item>
      <Menu.Divider />
      <Menu.Item leftSection={<IconUpload size={16} />} onClick={() => void bringIn(layer)}>
        Import a PNG
      </Menu.Item>
      <Menu.Item leftSection={<IconDownload size={16} />} onClick={() => void takeOut(layer)}>
        Export as PNG
      </Menu.Item>
    </>
  );
}

async function bringIn(layer: string): Promise<void> {
  const file = await chooseFile("image/png,image/webp,image/jpeg");
  if (!file) return;
  const { width, height } = useLayers.getState();
  try {
    const mask = await maskOfFile(file, width, height);
    rework(layer, ({ values }) => values.set(mask.values));
  } catch {
    notice.problem("This file could not be read as a picture: a mask is a PNG, WebP or JPEG.");
  }
}

async function takeOut(layer: string): Promise<void> {
  download(await pngOf(maskOf(layer)), `mask-${layer}.png`);
}
