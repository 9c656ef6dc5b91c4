import { Button, Code, Group, Text } from "@mantine/core";
import { IconRefresh } from "@tabler/icons-react";
import { useState } from "react";
import type { ModelInfo } from "../connection/http";
import { SAMPLERS } from "../prompt/samplers";
import { draftFor, useDraft } from "../session/draft";
import { readModels, useModels } from "../session/models";
import classes from "./Pages.module.css";

/** Which models there are, what each can do, and how to add others. */
export function Models() {
  const { models, server } = useModels();
  const chosen = useDraft((state) => state.model);
  const [isReading, setReading] = useState(false);

  async function refresh() {
    setReading(true);
    await readModels();
    setReading(false);
  }

  return (
    <div className={classes.help}>
      <Group justify="space-between" wrap="nowrap">
        <Text size="sm" c="dimmed">
          The next picture is made with the one you choose.
        </Text>
        <Button
          variant="subtle"
          color="gray"
          size="compact-sm"
          leftSection={<IconRefresh size={16} />}
          loading={isReading}
          onClick={() => void refresh()}
        >
          Look again
        </Button>
      </Group>
      <ul className={classes.models}>
        {models.map((one) => (
          <Model key={one.id} model={one} isChosen={one.id === chosen} isDefault={one.id === server?.model} />
        ))}
      </ul>
      <section>
        <Text component="h3" size="sm" fw={600} mb={2}>
          Add a Stable Diffusion model
        </Text>
        <Text size="sm" className={classes.prose}>
          Put it into the folder <Code>ILDM_HOME/models</Code> on the machine where the studio runs, then look again:
        </Text>
        <ul className={classes.points}>
          <li>
            a single <Code>.safetensors</Code> file of Stable Diffusion 1, 2 or XL, or a fine-tune of these, inpainting
            variants too; or
          </li>
          <li>
            a diffusers folder: one with <Code>model_index.json</Code> in it; or
          </li>
          <li>a model folder that ildm itself has trained or written. Those of your own runs are listed anyway.</li>
        </ul>
        <Text size="sm" className={classes.prose}>
          <Code>.ckpt</Code>, <Code>.pt</Code> and <Code>.bin</Code> files can run any code when they are opened, and
          are refused. Other families, such as Stable Diffusion 3 or Flux, are not read. Where nothing else is set,{" "}
          <Code>ILDM_HOME</Code> is <Code>~/.local/share/ildm</Code> on Linux and{" "}
          <Code>~/Library/Application Support/ildm</Code> on a Mac. All of it is in <Code>docs/checkpoints.md</Code>.
        </Text>
      </section>
    </div>
  );
}

function Model({ model, isChosen, isDefault }: { model: ModelInfo; isChosen: boolean; isDefault: boolean }) {
  const [isOpen, setOpen] = useState(false);
  const { id, summary, problem, concepts } = model;
  return (
    <li className={classes.model}>
      <Group justify="space-between" wrap="nowrap" align="start" gap={12}>
        <div>
          <Group gap={8}>
            <Text fw={600} size="sm" className={classes.name}>
              {id}
            </Text>
            {isDefault && (
              <Text size="xs" c="dimmed">
                used where none is chosen
              </Text>
            )}
          </Group>
          <Text size="sm">{problem ?? summary}</Text>
          {!problem && (
            <Text size="xs" c="dimmed">
              {facts(model)}
            </Text>
          )}
        </div>
        {!problem && (
          <Button
            variant={isChosen ? "light" : "default"}
            size="compact-sm"
            flex="none"
            disabled={isChosen}
            onClick={() => draftFor(model)}
          >
            {isChosen ? "Chosen" : "Choose"}
          </Button>
        )}
      </Group>
      {concepts.length > 0 && (
        <>
          <Button variant="subtle" size="compact-xs" ml={-8} aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
            {isOpen ? "Hide what it knows" : `What it knows: ${concepts.length} things`}
          </Button>
          {isOpen && (
            <Text size="xs" c="dimmed" className={classes.prose}>
              {concepts.join(", ")}.
            </Text>
          )}
        </>
      )}
    </li>
  );
}

function facts({ width, height, num_steps, guidance_scale, sampler }: ModelInfo): string {
  const method = SAMPLERS.find(({ value }) => value === sampler)?.label.split(" - ")[0] ?? sampler;
  return [
    width && height ? `${width} x ${height} px` : null,
    num_steps ? `${num_steps} steps` : null,
    guidance_scale === null ? null : `follows the words by ${guidance_scale}`,
    method,
  ]
    .filter(Boolean)
    .join(" · ");
}
