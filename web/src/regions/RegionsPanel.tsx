import { Button, Text } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useCanvas } from "../canvas/state";
import { IconAction, Section } from "../parts/Section";
import { useToldModel } from "../session/models";
import { useSession } from "../session/store";
import { useRegions } from "./edit";
import { beginRegion, RegionHelpers } from "./RegionHelpers";
import { RegionList } from "./RegionList";
import { RegionRules } from "./RegionRules";
import { RegionSettings } from "./RegionSettings";
import { WordsInPicture } from "./WordsInPicture";

/** Areas of the picture with words of their own. */
export function RegionsPanel() {
  const regions = useRegions();
  const active = useCanvas((state) => state.active);
  const live = useSession((state) => state.view !== null);
  const chosen = regions.find((region) => region.id === active);
  const model = useToldModel();
  // without words of its own a region would be nothing; those that are there can still be taken away
  if (model?.reads === null && regions.length === 0) return null;
  return (
    <Section
      title="Regions"
      actions={
        <>
          <RegionHelpers />
          <IconAction
            label="Add a region"
            tip="A region: an area with words of its own"
            onClick={() => void beginRegion()}
          >
            <IconPlus size={16} />
          </IconAction>
        </>
      }
    >
      {regions.length === 0 && (
        <>
          <Text size="xs" c="dimmed" mb={8}>
            Say what should be where: paint an area and give it words of its own.
          </Text>
          <Button size="xs" variant="default" leftSection={<IconPlus size={14} />} onClick={() => void beginRegion()}>
            Paint a region
          </Button>
        </>
      )}
      <RegionList />
      {chosen && <RegionSettings key={chosen.id} region={chosen} />}
      {/* a model that attends to no prompt takes regions in one of its modes only: that must be chosen before the first */}
      {(regions.length > 0 || (live && model?.reads !== "text")) && <RegionRules />}
      {live && model?.reads === "text" && <WordsInPicture />}
    </Section>
  );
}
