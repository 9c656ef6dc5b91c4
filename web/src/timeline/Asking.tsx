import { Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { edit, useSession } from "../session/store";
import { lineage } from "../session/tree";
import type { View } from "../session/view";
import { branchName } from "./called";
import { ask, useAsking } from "./comparing";
import { useStoryPart } from "./hooks";

const MOST_LETTERS = 60;

/** The small dialogs of the timeline: a name, or whether to delete. */
export function Asking() {
  const now = useAsking((state) => state.now);
  const view = useSession((state) => state.view);
  const names = useStoryPart("names");
  const close = () => ask(null);
  if (!now || !view) return null;
  if (now.what === "delete") return <Deleting branch={now.branch} view={view} names={names} onClose={close} />;
  if (now.what === "name") {
    const known = view.branches.get(now.branch);
    return (
      <Naming
        title={`A name for ${branchName(now.branch, known?.name, names)}`}
        before={known?.name ?? ""}
        onClose={close}
        onName={(name) => void edit({ kind: "name-branch", branch: now.branch, name })}
      />
    );
  }
  const state = view.nodes.get(now.node);
  return (
    <Naming
      title={`A name for step ${state?.step ?? 0}`}
      before={state?.name ?? ""}
      onClose={close}
      onName={(name) => void edit({ kind: "name-node", node: now.node, name })}
    />
  );
}

interface NamingProps {
  title: string;
  before: string;
  onClose(): void;
  onName(name: string | null): void;
}

function Naming({ title, before, onClose, onName }: NamingProps) {
  const [name, setName] = useState(before);
  function submitted(event: FormEvent) {
    event.preventDefault();
    const said = name.trim();
    if (said !== before) onName(said || null);
    onClose();
  }
  return (
    <Modal opened onClose={onClose} title={title} size="sm" closeButtonProps={{ "aria-label": "Close" }}>
      <form onSubmit={submitted}>
        <Stack gap="sm">
          <TextInput
            label="Name"
            value={name}
            maxLength={MOST_LETTERS}
            data-autofocus
            description="Leave it empty to take the name away."
            inputWrapperOrder={["label", "input", "description", "error"]}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <Group justify="end" gap="xs">
            <Button variant="subtle" color="gray" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit">Save</Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

interface DeletingProps {
  branch: number;
  view: View;
  names: ReadonlyMap<number, string>;
  onClose(): void;
}

function Deleting({ branch, view, names, onClose }: DeletingProps) {
  const known = view.branches.get(branch);
  const lost = known ? ownStates(view, branch) : 0;
  return (
    <Modal
      opened
      onClose={onClose}
      size="sm"
      title={`Delete ${branchName(branch, known?.name, names)}?`}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <Stack gap="md">
        <Text size="sm">
          {lost === 0
            ? "It has no states of its own, so no picture goes with it."
            : `${lost === 1 ? "One state goes" : `${lost} states go`} with it, and cannot be brought back.`}
        </Text>
        <Group justify="end" gap="xs">
          <Button variant="subtle" color="gray" onClick={onClose} data-autofocus>
            Keep it
          </Button>
          <Button
            color="red"
            onClick={() => {
              void edit({ kind: "delete-branch", branch });
              onClose();
            }}
          >
            Delete
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

/** How many states no other branch needs. */
function ownStates({ nodes, branches }: View, branch: number): number {
  const needed = new Set<number>();
  for (const one of branches.values())
    if (one.id !== branch) for (const node of lineage(nodes, one.tip)) needed.add(node.id);
  const tip = branches.get(branch)?.tip ?? 0;
  return lineage(nodes, tip).filter((node) => !needed.has(node.id)).length;
}
