import { SegmentedControl, Select, Stack, Text, Tooltip } from "@mantine/core";
import { useSession } from "../session/store";
import type { Settings } from "../wire";
import { setRules } from "./edit";
import { Fold } from "./Fold";
import { Said } from "./Said";

const OVERLAPS = [
  { value: "normalise", label: "They share it" },
  { value: "z-order", label: "The upper one rules" },
  { value: "add", label: "Both act fully" },
];

/** How all regions act together. */
export function RegionRules() {
  const mode = useSession((state) => state.view?.place.settings.region_mode ?? "attention");
  const overlap = useSession((state) => state.view?.place.settings.overlap ?? "normalise");
  const common = useSession((state) => state.view?.place.settings.common_prompt ?? "");
  return (
    <Fold title="How regions act together">
      <Stack gap="sm" pt={4}>
        <div>
          <Tooltip label="Mode 'attention' makes one scene in one pass; 'latent' draws each region by itself, which keeps to areas more strictly and costs as much more as there are regions.">
            <Text size="sm" fw={500} mb={4}>
              How they are drawn
            </Text>
          </Tooltip>
          <SegmentedControl
            fullWidth
            size="xs"
            aria-label="How regions are drawn"
            data={[
              { value: "attention", label: "As one scene" },
              { value: "latent", label: "Each by itself" },
            ]}
            value={mode}
            onChange={(value) => setRules({ mode: value as NonNullable<Settings["region_mode"]> })}
          />
        </div>
        <Tooltip label="Overlap rule: normalise, z-order or add.">
          <Select
            label="Where they lie on each other"
            data={OVERLAPS}
            value={overlap}
            onChange={(value) => setRules({ overlap: value as NonNullable<Settings["overlap"]> })}
          />
        </Tooltip>
        <Said
          box="common"
          label="Said in all of them"
          placeholder="flat style, soft light"
          said={common}
          say={(text) => setRules({ common_prompt: text })}
          size="sm"
        />
      </Stack>
    </Fold>
  );
}
