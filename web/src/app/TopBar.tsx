import { Group, Indicator, Loader, Text, Tooltip, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { IconHelp, IconKeyboard, IconMoon, IconPlus, IconSun } from "@tabler/icons-react";
import { SaveMenu } from "../library/SaveMenu";
import { openPage } from "../parts/pages";
import { IconAction } from "../parts/Section";
import { useModels } from "../session/models";
import { close, useSession } from "../session/store";
import classes from "./App.module.css";

const LINKS = {
  connecting: { color: "yellow", text: "Connecting ..." },
  live: { color: "teal", text: "Connected" },
  lost: { color: "red", text: "The connection is lost; it is tried again by itself. The picture goes on meanwhile." },
  "no-access": { color: "red", text: "The studio does not know this browser any more." },
} as const;

/** Name, state, and what concerns the whole page. */
export function TopBar() {
  const link = useSession((state) => state.link);
  const { server, problem } = useModels();
  const isLoading = server !== null && !server.ready && !problem;
  return (
    <header className={classes.top}>
      <img src="/favicon.svg" alt="" width={24} height={24} />
      <Text component="h1" fw={700} size="md">
        ildm studio
      </Text>
      <Tooltip label={LINKS[link].text}>
        <Group gap={8} wrap="nowrap" role="status" aria-live="polite" data-link={link}>
          <Indicator inline color={LINKS[link].color} processing={link !== "live"} size={9} position="middle-center">
            <span style={{ display: "inline-block", width: 12, height: 12 }} />
          </Indicator>
          {link !== "live" && <Text size="xs">{link === "lost" ? "Connecting again ..." : LINKS[link].text}</Text>}
          {isLoading && (
            <>
              <Loader size={14} />
              <Text size="xs">The model is being loaded ...</Text>
            </>
          )}
        </Group>
      </Tooltip>
      <Group gap={2} ml="auto" wrap="nowrap">
        <SaveMenu />
        <IconAction
          label="New picture"
          tip="Put this one into the history and begin with an empty page (N)"
          onClick={close}
        >
          <IconPlus size={18} />
        </IconAction>
        <IconAction label="Keyboard (?)" onClick={() => openPage("keyboard")}>
          <IconKeyboard size={18} />
        </IconAction>
        <IconAction label="Help (H)" onClick={() => openPage("help")}>
          <IconHelp size={18} />
        </IconAction>
        <Scheme />
      </Group>
    </header>
  );
}

function Scheme() {
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme("light");
  const other = scheme === "dark" ? "light" : "dark";
  return (
    <IconAction label={`Switch to ${other}`} onClick={() => setColorScheme(other)}>
      {scheme === "dark" ? <IconSun size={18} /> : <IconMoon size={18} />}
    </IconAction>
  );
}
