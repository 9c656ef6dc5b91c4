import { Button, Menu } from "@mantine/core";
import { IconCopy, IconDownload, IconFileText, IconHistory, IconPhoto } from "@tabler/icons-react";
import { useSession } from "../session/store";
import { copyImage, copySettings, saveImage, saveSession } from "./saving";

/** What can be taken out of the studio. */
export function SaveMenu() {
  const isThere = useSession((state) => state.view !== null);
  return (
    <Menu position="bottom-end" withinPortal shadow="md" width={264} disabled={!isThere}>
      <Menu.Target>
        <Button
          variant="subtle"
          color="gray"
          size="compact-sm"
          leftSection={<IconDownload size={16} />}
          disabled={!isThere}
        >
          Save
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item leftSection={<IconPhoto size={16} />} rightSection="Ctrl S" onClick={() => void saveImage()}>
          Save the picture
        </Menu.Item>
        <Menu.Item leftSection={<IconHistory size={16} />} onClick={() => void saveSession()}>
          Save it with all its states
        </Menu.Item>
        <Menu.Divider />
        <Menu.Item leftSection={<IconCopy size={16} />} onClick={() => void copyImage()}>
          Copy the picture
        </Menu.Item>
        <Menu.Item leftSection={<IconFileText size={16} />} onClick={() => void copySettings("parameters")}>
          Copy the settings as text
        </Menu.Item>
        <Menu.Item leftSection={<IconFileText size={16} />} onClick={() => void copySettings("json")}>
          Copy the settings as JSON
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
