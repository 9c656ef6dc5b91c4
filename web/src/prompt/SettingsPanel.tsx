import { Group, NumberInput, Select, Stack, Text, Tooltip } from "@mantine/core";
import { IconDice5, IconInfoCircle, IconLock, IconLockOpen, IconRefresh } from "@tabler/icons-react";
import { Dial } from "../parts/Dial";
import { openPage } from "../parts/pages";
import { IconAction, Section } from "../parts/Section";
import { change, useControl } from "../session/actions";
import { anySeed, draftFor, useDraft } from "../session/draft";
import { useModel, useModels, useToldModel } from "../session/models";
import { edit, useSession } from "../session/store";
import { followed } from "./following";
import { Side } from "./Side";
import { SAMPLERS } from "./samplers";

/** How the picture is made. All but the model, seed and size act while it forms. */
export function SettingsPanel() {
  const steps = useControl("num_steps");
  const limit = useModels((state) => state.server?.limits.steps ?? 250);
  const guidance = useControl("guidance_scale");
  const sampler = useControl("sampler");
  const goal = followed(useToldModel());
  return (
    <Section title="Settings">
      <Stack gap="sm">
        {goal && (
          <Dial
            label={`How strongly to follow ${goal}`}
            term="Guidance scale: 1 leaves the network free; high values are bold and less varied."
            value={guidance}
            min={1}
            max={12}
            step={0.1}
            onChange={(value) => change("guidance_scale", value)}
          />
        )}
        <Dial
          label="Steps"
          term="Number of denoising steps. More are finer and take longer; changed on the way, the rest of the noise is spread over what is left."
          value={steps}
          min={1}
          max={Math.min(100, limit)}
          most={limit}
          step={1}
          onChange={(value) => change("num_steps", value)}
        />
        <Tooltip label="Sampler: the rule by which each step is made.">
          <Select
            label="Method"
            data={SAMPLERS}
            value={sampler}
            onChange={(value) => value && change("sampler", value)}
            comboboxProps={{ withinPortal: true }}
          />
        </Tooltip>
        <SeedAndSize />
        <ModelPicker />
      </Stack>
    </Section>
  );
}

/** Which noise it begins with, and how large it is. In a session that has them, changing them starts it over. */
function SeedAndSize() {
  const view = useSession((state) => state.view);
  const draft = useDraft();
  const model = useModel();
  const stride = model?.stride ?? 8;
  const other =
    view &&
    (draft.seed !== view.place.settings.seed ||
      draft.width !== view.place.settings.width ||
      draft.height !== view.place.settings.height);
  return (
    <Stack gap="xs">
      <Group gap={4} align="end" wrap="nowrap">
        <Tooltip label="The number that the first noise is drawn from: the same seed and settings give the same picture.">
          <NumberInput
            label="Seed"
            value={draft.seed}
            min={0}
            allowDecimal={false}
            allowNegative={false}
            hideControls
            flex={1}
            onChange={(seed) => {
              // a seed that somebody types is one that they want
              if (typeof seed === "number" && seed !== draft.seed) useDraft.setState({ seed, seed_locked: true });
            }}
          />
        </Tooltip>
        <IconAction label="Another seed" onClick={() => useDraft.setState({ seed: anySeed(), seed_locked: true })}>
          <IconDice5 size={18} />
        </IconAction>
        <IconAction
          label={draft.seed_locked ? "Draw a new seed for each picture" : "Keep this seed"}
          active={draft.seed_locked}
          onClick={() => useDraft.setState({ seed_locked: !draft.seed_locked })}
        >
          {draft.seed_locked ? <IconLock size={18} /> : <IconLockOpen size={18} />}
        </IconAction>
      </Group>
      <Group gap={8} grow wrap="nowrap" align="start">
        <Side label="Width" stride={stride} value={draft.width} onSay={(width) => useDraft.setState({ width })} />
        <Side label="Height" stride={stride} value={draft.height} onSay={(height) => useDraft.setState({ height })} />
      </Group>
      {other && (
        <Group gap={6} wrap="nowrap">
          <IconAction
            label="Start this picture over with this seed and size"
            onClick={() => {
              const { seed, width, height } = draft;
              void edit({ kind: "start-over", seed, width, height });
            }}
          >
            <IconRefresh size={18} />
          </IconAction>
          <Text size="xs" c="dimmed">
            Seed and size are for the next picture; the arrow starts this one over with them, on a branch of its own.
          </Text>
        </Group>
      )}
    </Stack>
  );
}

/** Which model the next picture is made with. */
function ModelPicker() {
  const models = useModels((state) => state.models);
  const chosen = useDraft((state) => state.model);
  const model = models.find((one) => one.id === chosen);
  return (
    <div>
      <Group gap={4} align="end" wrap="nowrap">
        <Select
          label="Model"
          data={models.map((one) => ({ value: one.id, label: one.id, disabled: one.problem !== null }))}
          value={chosen}
          placeholder="being loaded ..."
          flex={1}
          onChange={(id) => {
            const next = models.find((one) => one.id === id);
            if (next) draftFor(next);
          }}
        />
        <IconAction
          label="About the models"
          tip="What each model can do, and how to add one"
          onClick={() => openPage("models")}
        >
          <IconInfoCircle size={18} />
        </IconAction>
      </Group>
      {model?.summary && (
        <Text size="xs" c="dimmed" mt={4}>
          {model.summary} Own size {model.width} x {model.height} px.
        </Text>
      )}
    </div>
  );
}
