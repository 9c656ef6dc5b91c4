import { Button, Group, RangeSlider, Stack, Text, Tooltip } from "@mantine/core";
import { useState } from "react";
import { Dial } from "../parts/Dial";
import { TypedNumber } from "../parts/TypedNumber";
import { useSession } from "../session/store";
import type { Region } from "../wire";
import { changeRegion } from "./edit";
import { Fold } from "./Fold";
import { Said } from "./Said";

/** What a region has of its own beside its words; each acts from the next step on. */
export function RegionSettings({ region }: { region: Region }) {
  const guidance = useSession((state) => state.view?.place.settings.guidance_scale ?? 1);
  const {
    id,
    name = "",
    negative_prompt = "",
    strength = 1,
    base_ratio = 0,
    guidance_scale = null,
    seed = null,
  } = region;
  return (
    <Fold title="Settings of this region">
      <Stack gap="sm" pt={4}>
        <Said
          box={`${id} avoids`}
          label="What should it avoid here?"
          placeholder="what the picture avoids"
          said={negative_prompt}
          say={(text) => changeRegion(id, { negative_prompt: text })}
          size="sm"
        />
        <Dial
          label="How strongly it acts"
          term="Strength: multiplies the guidance here. 0 is none, 1 the picture's own."
          value={strength}
          min={0}
          max={3}
          most={10}
          step={0.1}
          onChange={(value) => changeRegion(id, { strength: value })}
        />
        <Dial
          label="How much of the picture's words"
          term="Base ratio: how much of the prompt of the whole picture is mixed in here."
          value={base_ratio}
          min={0}
          max={1}
          step={0.05}
          onChange={(value) => changeRegion(id, { base_ratio: value })}
        />
        <Dial
          label="How strictly its words are followed"
          term="Guidance scale of this region; as long as it is not touched, the picture's."
          value={guidance_scale ?? guidance}
          min={1}
          max={12}
          most={100}
          step={0.1}
          onChange={(value) => changeRegion(id, { guidance_scale: value })}
        />
        {guidance_scale !== null && (
          <Button size="compact-xs" variant="subtle" onClick={() => changeRegion(id, { guidance_scale: null })}>
            Follow the picture's guidance again
          </Button>
        )}
        <Group grow gap={8} align="end">
          <Tooltip label="The noise here is drawn from this number; empty is the picture's own.">
            <TypedNumber
              label="Seed"
              placeholder="the picture's"
              value={seed}
              min={0}
              allowDecimal={false}
              allowNegative={false}
              hideControls
              mayBeEmpty
              onSay={(value) => changeRegion(id, { seed: value })}
            />
          </Tooltip>
          <Said
            box={`${id} name`}
            label="Name"
            placeholder="none"
            said={name}
            say={(text) => changeRegion(id, { name: text })}
            size="sm"
          />
        </Group>
        <Window region={region} />
      </Stack>
    </Fold>
  );
}

/** The steps in which it acts. */
function Window({ region }: { region: Region }) {
  const steps = useSession((state) => state.view?.place.settings.num_steps ?? 1);
  const [held, setHeld] = useState<[number, number] | null>(null);
  const said = region.window ?? [0, steps];
  const [start, stop] = held ?? [Math.min(said[0], steps), Math.min(said[1], steps)];
  const words = start === 0 && stop >= steps ? "all steps" : `steps ${start + 1} to ${stop}`;
  return (
    <div>
      <Group justify="space-between">
        <Tooltip label="Step window: early steps settle where things are, late ones the details.">
          <Text size="sm" fw={500}>
            When it acts
          </Text>
        </Tooltip>
        <Text size="xs" c="dimmed">
          {words}
        </Text>
      </Group>
      <RangeSlider
        size="sm"
        label={null}
        min={0}
        max={steps}
        minRange={1}
        value={[start, stop]}
        thumbFromLabel="First step"
        thumbToLabel="Last step"
        onChange={setHeld}
        onChangeEnd={(value) => {
          setHeld(null);
          const isAll = value[0] === 0 && value[1] >= steps;
          changeRegion(region.id, { window: isAll ? null : value });
        }}
      />
    </div>
  );
}
