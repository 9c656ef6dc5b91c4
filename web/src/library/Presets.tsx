import { ActionIcon, Button, FileButton, Group, Menu, Text, TextInput, UnstyledButton } from "@mantine/core";
import { IconDots, IconDownload, IconFileImport, IconPencil, IconPlus, IconTrash } from "@tabler/icons-react";
import { type ReactNode, useEffect, useState } from "react";
import type { PresetItem } from "../connection/http";
import { IconAction } from "../parts/Section";
import { useDraft } from "../session/draft";
import { useSession } from "../session/store";
import { freeName } from "./names";
import classes from "./Presets.module.css";
import type { PresetKind } from "./presetForms";
import { exported, imported, keep, load, readPresets, remove, rename, usePresets } from "./presets";
import { focusNeighbour, useReturnFocus } from "./returnFocus";

const TOLD = {
  regions: {
    title: "Regions",
    keep: "Keep these regions",
    empty: "Regions that you keep can be put into any other picture.",
    tip: "Puts these regions in the place of those that are there. They fit any size.",
  },
  settings: {
    title: "Settings",
    keep: "Keep these settings",
    empty: "Words, steps, method, seed and size under one name.",
    tip: "Takes over its words and settings.",
  },
} as const;

/** Settings and regions by name. */
export function Presets() {
  useEffect(() => void readPresets(), []);
  const presets = usePresets((state) => state.presets);
  return (
    <div className={classes.presets}>
      <Kind kind="regions" presets={presets} />
      <Kind kind="settings" presets={presets} />
      <FileButton accept="application/json,.json" onChange={(file) => file && void imported(file)}>
        {(props) => (
          <Button {...props} variant="subtle" color="gray" size="compact-sm" leftSection={<IconFileImport size={16} />}>
            Import a preset
          </Button>
        )}
      </FileButton>
    </div>
  );
}

function Kind({ kind, presets }: { kind: PresetKind; presets: readonly PresetItem[] | null }) {
  const [isKeeping, setKeeping] = useState(false);
  const hasRegions = useSession((state) => (state.view?.place.settings.regions?.length ?? 0) > 0);
  const known = presets?.filter((one) => one.kind === kind) ?? [];
  const told = TOLD[kind];
  return (
    <section aria-label={told.title}>
      <Group justify="space-between" wrap="nowrap" mih={32}>
        <Text component="h2" size="sm" fw={600}>
          {told.title}
        </Text>
        <IconAction
          label={told.keep}
          tip={kind === "regions" && !hasRegions ? "There are no regions to keep yet." : told.keep}
          disabled={isKeeping || (kind === "regions" && !hasRegions)}
          onClick={() => setKeeping(true)}
        >
          <IconPlus size={16} />
        </IconAction>
      </Group>
      {isKeeping && <Keep kind={kind} known={known} onDone={() => setKeeping(false)} />}
      {presets && known.length === 0 && !isKeeping && (
        <Text size="xs" c="dimmed">
          {told.empty}
        </Text>
      )}
      <ul className={classes.list}>
        {known.map((one) => (
          <Row key={`${one.origin}/${one.name}`} preset={one} tip={told.tip} />
        ))}
      </ul>
    </section>
  );
}

/** A name for what is there now. */
function Keep({ kind, known, onDone }: { kind: PresetKind; known: readonly PresetItem[]; onDone(): void }) {
  const names = new Set(known.map((one) => one.name));
  const [name, setName] = useState(() => freeName(useDraft.getState().prompt.slice(0, 40) || `my ${kind}`, names));
  const [isGoing, setGoing] = useState(false);
  const isTaken = known.some((one) => one.name === name.trim() && one.origin === "own");
  async function go() {
    if (!name.trim()) return;
    setGoing(true);
    const done = await keep(kind, name.trim(), isTaken);
    setGoing(false);
    if (done) onDone();
  }
  return (
    <NameForm
      name={name}
      label={`Name of the ${kind}`}
      onName={setName}
      onKeep={() => void go()}
      onDrop={onDone}
      button={
        <Button size="compact-sm" loading={isGoing} disabled={!name.trim()} onClick={() => void go()}>
          {isTaken ? "Replace" : "Keep"}
        </Button>
      }
    />
  );
}

function Row({ preset, tip }: { preset: PresetItem; tip: string }) {
  const { kind, name, origin, problem } = preset;
  const [doing, setDoing] = useState<"nothing" | "renaming" | "deleting">("nothing");
  const rest = () => setDoing("nothing");
  const row = useReturnFocus<HTMLLIElement>(doing === "nothing");
  if (doing === "renaming") return <Rename preset={preset} onDone={rest} />;
  if (doing === "deleting")
    return (
      <li className={classes.sure} role="alertdialog" aria-label={`Delete "${name}"?`}>
        <Text size="sm" flex={1} lineClamp={2}>
          Delete "{name}"?
        </Text>
        <Button
          size="compact-sm"
          color="red"
          variant="light"
          onClick={(event) => {
            focusNeighbour(event.currentTarget.closest("li"));
            void remove(kind, name).then(rest);
          }}
        >
          Delete
        </Button>
        <Button size="compact-sm" variant="subtle" color="gray" onClick={rest} autoFocus>
          Keep it
        </Button>
      </li>
    );
  return (
    <li ref={row} className={classes.row}>
      <UnstyledButton
        className={classes.load}
        disabled={problem !== null}
        title={problem ?? tip}
        onClick={() => void load(kind, name)}
      >
        <Text size="sm" truncate c={problem ? "dimmed" : undefined}>
          {name}
        </Text>
        {problem && (
          <Text size="xs" c="dimmed" lineClamp={2}>
            {problem}
          </Text>
        )}
      </UnstyledButton>
      {origin === "shipped" && (
        <Text size="xs" c="dimmed" flex="none">
          comes with ildm
        </Text>
      )}
      <Menu position="bottom-end" withinPortal shadow="md">
        <Menu.Target>
          <ActionIcon aria-label={`More about "${name}"`}>
            <IconDots size={16} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<IconDownload size={14} />} onClick={() => void exported(kind, name)}>
            Export as a file
          </Menu.Item>
          {origin === "own" && (
            <>
              <Menu.Item leftSection={<IconPencil size={14} />} onClick={() => setDoing("renaming")}>
                Rename
              </Menu.Item>
              <Menu.Item leftSection={<IconTrash size={14} />} color="red" onClick={() => setDoing("deleting")}>
                Delete
              </Menu.Item>
            </>
          )}
        </Menu.Dropdown>
      </Menu>
    </li>
  );
}

function Rename({ preset, onDone }: { preset: PresetItem; onDone(): void }) {
  const [name, setName] = useState(preset.name);
  async function go() {
    const wanted = name.trim();
    if (!wanted || wanted === preset.name || (await rename(preset.kind, preset.name, wanted))) onDone();
  }
  return (
    <li>
      <NameForm
        name={name}
        label="Its new name"
        onName={setName}
        onKeep={() => void go()}
        onDrop={onDone}
        button={
          <Button size="compact-sm" onClick={() => void go()}>
            Rename
          </Button>
        }
      />
    </li>
  );
}

interface NameFormProps {
  name: string;
  label: string;
  button: ReactNode;
  onName(name: string): void;
  onKeep(): void;
  onDrop(): void;
}

function NameForm({ name, label, button, onName, onKeep, onDrop }: NameFormProps) {
  return (
    <Group gap={8} wrap="nowrap" py={4}>
      <TextInput
        aria-label={label}
        size="sm"
        flex={1}
        value={name}
        maxLength={200}
        autoFocus
        onFocus={(event) => event.currentTarget.select()}
        onChange={(event) => onName(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter") {
            event.preventDefault(); // it would press the button that gets the focus
            onKeep();
          }
          if (event.key === "Escape") onDrop();
        }}
      />
      {button}
    </Group>
  );
}
