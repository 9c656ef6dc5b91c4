import { ActionIcon, Menu } from "@mantine/core";
import {
  IconColumns2,
  IconDots,
  IconGitBranch,
  IconLayersDifference,
  IconPencil,
  IconPlayerPlay,
  IconTrash,
} from "@tabler/icons-react";
import { edit, useSession } from "../session/store";
import { ask, compare, type Manner } from "./comparing";
import classes from "./LaneMenu.module.css";
import { continueBranch } from "./transport";

interface LaneMenuProps {
  branch: number;
  called: string;
  isOpen: boolean;
}

/** What can be done with a branch. */
export function LaneMenu({ branch, called, isOpen }: LaneMenuProps) {
  return (
    <Menu position="top-start" withinPortal>
      <Menu.Target>
        <ActionIcon size={24} aria-label={`What to do with ${called}`} data-menu={branch}>
          <IconDots size={14} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{called}</Menu.Label>
        <Menu.Item leftSection={<IconPlayerPlay size={14} />} onClick={() => void continueBranch(branch)}>
          Go on from its end
        </Menu.Item>
        <Menu.Item leftSection={<IconGitBranch size={14} />} onClick={() => void branchOff(branch, isOpen)}>
          {isOpen ? "Begin a branch here" : "Begin a branch at its end"}
        </Menu.Item>
        <Menu.Item leftSection={<IconColumns2 size={14} />} onClick={() => side(branch, "slider")}>
          Compare side by side
        </Menu.Item>
        <Menu.Item leftSection={<IconLayersDifference size={14} />} onClick={() => side(branch, "difference")}>
          Show what is different
        </Menu.Item>
        <Menu.Item leftSection={<IconPencil size={14} />} onClick={() => ask({ what: "name", branch })}>
          Give it a name
        </Menu.Item>
        <Menu.Item
          className={isOpen ? undefined : classes.danger}
          leftSection={<IconTrash size={14} />}
          disabled={isOpen}
          onClick={() => ask({ what: "delete", branch })}
        >
          {isOpen ? "Open another to delete this" : "Delete"}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

async function branchOff(branch: number, isOpen: boolean): Promise<void> {
  if (isOpen || (await edit({ kind: "open-branch", branch }))) await edit({ kind: "branch-off" });
}

/** Beside what is looked at; where that is this very branch, beside the one before. */
function side(branch: number, manner: Manner): void {
  const { view } = useSession.getState();
  const right = view?.branches.get(branch)?.tip;
  if (!view || right === undefined) return;
  const others = [...view.branches.values()].filter((one) => one.id !== branch);
  const left = view.place.branch === branch ? (others.at(-1)?.tip ?? view.place.node) : view.place.node;
  compare({ page: "pair", manner, left, right });
}
