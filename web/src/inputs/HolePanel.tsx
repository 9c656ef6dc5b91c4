import { Button, Stack } from "@mantine/core";
import { IconCapture } from "@tabler/icons-react";
import { useState } from "react";
import { Marking } from "../canvas/Marking";
import { HOLE } from "../canvas/state";
import { api, pictures } from "../connection/http";
import { useDraft } from "../session/draft";
import { sentence, useSession } from "../session/store";
import { fitted } from "./fitting";
import { PICTURES, PicturePlace } from "./PicturePlace";
import { ready } from "./ready";
import { showPicture, useShowing } from "./shown";

/** A picture to draw into, and where: what is outside of that stays. */
export function HolePanel() {
  const isThere = useSession(({ view }) => (view?.place.step ?? 0) > 0);
  const hasShown = useSession(({ view }) => Boolean(view?.place.settings.shown));
  const [isTaking, setTaking] = useState(false);

  async function use(file: Blob) {
    try {
      if (!(await ready())) return;
      const { width, height } = useSession.getState().view?.place.settings ?? useDraft.getState();
      await showPicture(await fitted(file, width, height));
    } catch (problem) {
      useShowing.setState({ problem: sentence(problem) });
    }
  }

  async function takePresent() {
    const { view } = useSession.getState();
    if (!view) return;
    setTaking(true);
    try {
      await use(await api.blob(pictures.image(view.session, view.place.node)));
    } catch (problem) {
      useShowing.setState({ problem: sentence(problem) });
    }
    setTaking(false);
  }

  return (
    <Stack gap="xs">
      <PicturePlace label={hasShown ? "Another picture" : "Choose a picture"} accept={PICTURES} onFile={use}>
        or drop one here. Its middle is used, in the size set.
      </PicturePlace>
      <Button
        size="xs"
        variant="default"
        leftSection={<IconCapture size={14} />}
        disabled={!isThere}
        loading={isTaking}
        onClick={() => void takePresent()}
      >
        Take the present picture
      </Button>
      <Marking
        layer={HOLE}
        mark="Mark where to draw"
        marking="Paint over what is to be drawn anew. What is not painted stays."
        clear="Draw all of it"
        before={ready}
      />
    </Stack>
  );
}
