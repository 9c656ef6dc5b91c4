import { Text } from "@mantine/core";
import type { Shows } from "../connection/http";
import { Section } from "../parts/Section";
import { useToldModel } from "../session/models";
import { HolePanel } from "./HolePanel";
import { MapPanel } from "./MapPanel";
import { SmallPicturePanel } from "./SmallPicturePanel";
import { useShowing } from "./shown";

const TITLES: { [kind in Shows["kind"]]: string } = {
  "semantic-map": "Map",
  "low-resolution": "Small picture",
  inpainting: "Draw into a picture",
};

/** What a model is shown beside the prompt, for models that are shown something. */
export function ShownPanel() {
  const model = useToldModel();
  const shows = model?.shows;
  const problem = useShowing((state) => state.problem);
  if (!shows) return null;
  return (
    <Section title={TITLES[shows.kind]}>
      {shows.kind === "semantic-map" && <MapPanel names={shows.names} known={model.concepts} />}
      {shows.kind === "low-resolution" && <SmallPicturePanel factor={shows.factor ?? 1} />}
      {shows.kind === "inpainting" && <HolePanel />}
      {problem && (
        <Text size="xs" role="alert" c="var(--mantine-color-error)" mt={8}>
          {problem}
        </Text>
      )}
    </Section>
  );
}
