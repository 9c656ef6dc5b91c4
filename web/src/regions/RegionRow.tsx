import { ActionIcon, Menu } from "@mantine/core";
import {
  IconDots,
  IconEye,
  IconEyeOff,
  IconFocus2,
  IconGripVertical,
  IconLock,
  IconLockOpen,
  IconTrash,
} from "@tabler/icons-react";
import { type KeyboardEvent, memo, type PointerEvent } from "react";
import { MaskItems } from "../canvas/MaskMenu";
import { activate, toggleLock, useCanvas } from "../canvas/state";
import { IconAction } from "../parts/Section";
import type { Region } from "../wire";
import { changeRegion, toggleMute } from "./edit";
import classes from "./Regions.module.css";
import { Said } from "./Said";
import { Thumb } from "./Thumb";
import { useWordsWanted } from "./wordsWanted";

interface RegionRowProps {
  region: Region;
  number: number;
  isActive: boolean;
  drop: "before" | "after" | null;
  onGrab(event: PointerEvent<HTMLElement>, id: string): void;
  /** Up or down in the list. */
  onMove(id: string, way: 1 | -1): void;
  onRemove(id: string): void;
}

/** One region of the list. */
export const RegionRow = memo(function RegionRow(props: RegionRowProps) {
  const { region, number, isActive, drop, onGrab, onMove, onRemove } = props;
  const { id, prompt = "", strength = 1 } = region;
  const isSolo = useCanvas((state) => state.solo === id);
  const isLocked = useCanvas((state) => state.locked.has(id));
  const isMuted = strength === 0;
  const words = useWordsWanted(id, prompt);
  const name = region.name || prompt || `region ${number}`;

  function pressed(event: KeyboardEvent) {
    if (!event.altKey || (event.key !== "ArrowUp" && event.key !== "ArrowDown")) return;
    event.preventDefault();
    event.stopPropagation();
    onMove(id, event.key === "ArrowUp" ? -1 : 1);
  }

  function setSolo() {
    if (!isSolo) activate(id);
    useCanvas.setState({ solo: isSolo ? null : id });
  }

  return (
    <li
      className={classes.row}
      data-active={isActive || undefined}
      data-muted={isMuted || undefined}
      data-drop={drop ?? undefined}
      data-region={id}
      onPointerDown={() => activate(id)}
      onFocus={() => activate(id)}
      onKeyDown={pressed}
    >
      <button
        type="button"
        className={`${classes.handle} mantine-focus-auto`}
        style={{ border: 0, background: "none", padding: 0 }}
        aria-label={`Move ${name}: drag, or Alt with up and down`}
        onPointerDown={(event) => onGrab(event, id)}
      >
        <IconGripVertical size={14} aria-hidden />
      </button>
      <Thumb id={id} />
      <Said
        ref={words}
        box={`${id} shows`}
        className={classes.words}
        size="xs"
        aria-label={`What is in region ${number}?`}
        placeholder="what is here?"
        said={prompt}
        say={(text) => changeRegion(id, { prompt: text })}
      />
      <div className={classes.actions}>
        {isLocked && (
          <IconAction label={`Unlock ${name}`} onClick={() => toggleLock(id)}>
            <IconLock size={16} />
          </IconAction>
        )}
        <IconAction
          label={isMuted ? `Let ${name} act again` : `Mute ${name}`}
          tip={isMuted ? "Let it act again" : "Let it do nothing for a while"}
          onClick={() => toggleMute(region)}
        >
          {isMuted ? <IconEyeOff size={16} /> : <IconEye size={16} />}
        </IconAction>
        <Menu position="bottom-end" shadow="md" withinPortal>
          <Menu.Target>
            <ActionIcon aria-label={`More for ${name}`}>
              <IconDots size={16} />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item leftSection={isSolo ? <IconEye size={16} /> : <IconFocus2 size={16} />} onClick={setSolo}>
              {isSolo ? "Show all regions" : "Show only this one"}
            </Menu.Item>
            <Menu.Item
              leftSection={isLocked ? <IconLockOpen size={16} /> : <IconLock size={16} />}
              onClick={() => toggleLock(id)}
            >
              {isLocked ? "Unlock" : "Lock against painting"}
            </Menu.Item>
            <Menu.Divider />
            <MaskItems layer={id} />
            <Menu.Divider />
            <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={() => onRemove(id)}>
              Delete
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
      </div>
    </li>
  );
});
