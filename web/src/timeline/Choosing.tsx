import { Button, Group, Modal, NumberInput, Select, Stack, Text, Textarea, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { SAMPLERS } from "../prompt/samplers";
import { edit, useSession } from "../session/store";
import type { View } from "../session/view";
import type { Settings } from "../wire";
import { combinations, MOST_CHOICES, SETTINGS, type Setting, valuesIn } from "./choices";
import { compare } from "./comparing";
import { teller } from "./hooks";
import { wayOf } from "./strip";

interface ChoosingProps {
  view: View;
  step: number;
  onClose(): void;
}

interface Half {
  setting: Setting;
  text: string;
}

/** Which settings to try several values of, and from which step. */
export function Choosing({ view, step: begun, onClose }: ChoosingProps) {
  const way = wayOf(view);
  const [step, setStep] = useState(begun);
  const [one, setOne] = useState<Half>({
    setting: "guidance_scale",
    text: usual("guidance_scale", view.place.settings),
  });
  const [other, setOther] = useState<Half | null>(null);
  const [isAsking, setAsking] = useState(false);
  const halves = other ? [one, other] : [one];
  const read = halves.map(({ setting, text }) => ({ setting, ...valuesIn(setting, text) }));
  const choices = combinations(read);
  const isReady = read.every(({ values, problem }) => values.length > 0 && !problem) && choices.length <= MOST_CHOICES;
  const most = Math.min(way.tip, way.last - 1);
  const isAnew = halves.some(({ setting }) => setting === "seed");

  async function submitted(event: FormEvent) {
    event.preventDefault();
    if (!isReady) return;
    setAsking(true);
    const applied = await edit({ kind: "compare", choices, step });
    setAsking(false);
    if (!applied) return;
    const seq = teller.tell(useSession.getState().events).comparisons.at(-1)?.seq;
    compare(seq === undefined ? null : { page: "several", seq });
  }

  return (
    <Modal opened onClose={onClose} title="Try several settings" closeButtonProps={{ "aria-label": "Close" }}>
      <form onSubmit={(event) => void submitted(event)}>
        <Stack gap="sm">
          <Text size="sm" c="dimmed">
            {isAnew
              ? "Each seed begins anew, from noise of its own. Each becomes a branch."
              : "All begin at the same step and share what was made until there. Each becomes a branch."}
          </Text>
          {!isAnew && (
            <NumberInput
              label="From step"
              description={`Earlier changes more. This branch has the steps ${way.first} to ${way.tip}.`}
              value={step}
              min={way.first}
              max={Math.max(way.first, most)}
              allowDecimal={false}
              onChange={(next) => typeof next === "number" && setStep(next)}
            />
          )}
          <HalfFields label="What to vary" half={one} view={view} onChange={setOne} problem={read[0]?.problem} />
          {other ? (
            <HalfFields
              label="And also"
              half={other}
              view={view}
              onChange={setOther}
              onRemove={() => setOther(null)}
              problem={read[1]?.problem}
              without={one.setting}
            />
          ) : (
            <Button
              variant="subtle"
              size="compact-sm"
              style={{ alignSelf: "start" }}
              onClick={() => {
                const setting = one.setting === "num_steps" ? "guidance_scale" : "num_steps";
                setOther({ setting, text: usual(setting, view.place.settings) });
              }}
            >
              Vary a second setting
            </Button>
          )}
          <Group justify="space-between" gap="xs">
            <Text size="sm" c={choices.length > MOST_CHOICES ? "red" : "dimmed"} role="status">
              {choices.length > MOST_CHOICES
                ? `${choices.length} pictures are too many: at most ${MOST_CHOICES}.`
                : isReady
                  ? `${choices.length === 1 ? "One picture" : `${choices.length} pictures`}`
                  : "Say at least one value for each."}
            </Text>
            <Button type="submit" disabled={!isReady} loading={isAsking}>
              Make them
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

interface HalfFieldsProps {
  label: string;
  half: Half;
  view: View;
  problem: string | null | undefined;
  without?: Setting;
  onChange(half: Half): void;
  onRemove?(): void;
}

/** A setting and its values. */
function HalfFields({ label, half, view, problem, without, onChange, onRemove }: HalfFieldsProps) {
  const { setting, text } = half;
  const isWords = setting === "prompt" || setting === "negative_prompt";
  const values = { value: text, error: problem ?? undefined };
  return (
    <Stack gap={6}>
      <Group align="end" gap="xs" wrap="nowrap">
        <Select
          label={label}
          flex={1}
          data={SETTINGS.filter(({ value }) => value !== without)}
          value={setting}
          onChange={(next) =>
            next && onChange({ setting: next as Setting, text: usual(next as Setting, view.place.settings) })
          }
        />
        {onRemove && (
          <Button variant="subtle" color="gray" onClick={onRemove}>
            Leave out
          </Button>
        )}
      </Group>
      {setting === "sampler" ? (
        <Methods text={text} onChange={(next) => onChange({ setting, text: next })} />
      ) : isWords ? (
        <Textarea
          {...values}
          aria-label={`${label}: one text on each line`}
          description="One text on each line"
          autosize
          minRows={3}
          maxRows={8}
          onChange={(event) => onChange({ setting, text: event.currentTarget.value })}
        />
      ) : (
        <TextInput
          {...values}
          aria-label={`${label}: numbers with commas between`}
          description="Numbers with commas between"
          onChange={(event) => onChange({ setting, text: event.currentTarget.value })}
        />
      )}
    </Stack>
  );
}

function Methods({ text, onChange }: { text: string; onChange(text: string): void }) {
  const taken = new Set(text.split(" ").filter(Boolean));
  return (
    <Group gap={6} role="group" aria-label="Methods">
      {SAMPLERS.map(({ value, label }) => (
        <Button
          key={value}
          size="compact-sm"
          variant={taken.has(value) ? "filled" : "default"}
          aria-pressed={taken.has(value)}
          onClick={() => {
            const next = new Set(taken);
            if (!next.delete(value)) next.add(value);
            onChange([...next].join(" "));
          }}
        >
          {label.split(" - ")[0]}
        </Button>
      ))}
    </Group>
  );
}

/** Values to begin with: around what is in force. */
function usual(setting: Setting, settings: Settings): string {
  switch (setting) {
    case "prompt":
      return settings.prompt ?? "";
    case "negative_prompt":
      return settings.negative_prompt ?? "";
    case "guidance_scale":
      return "1.5, 3, 5, 8";
    case "sampler":
      return `${settings.sampler} ${settings.sampler === "euler" ? "dpmpp-2m" : "euler"}`;
    case "num_steps":
      return [settings.num_steps, Math.round(settings.num_steps * 1.5), settings.num_steps * 2].join(", ");
    case "seed":
      return [1, 2, 3, 4].map((more) => (settings.seed + more) % Number.MAX_SAFE_INTEGER).join(", ");
  }
}
