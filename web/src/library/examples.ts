// Three pictures to begin with, each by one click: drawn, changed on the way, and made of regions.

import type { ModelInfo } from "../connection/http";
import { notice } from "../parts/notices";
import { begin } from "../session/actions";
import { useDraft } from "../session/draft";
import { edit, useSession } from "../session/store";
import { rectangle } from "./presetForms";

interface Wording {
  /** What of a model's list they are made of; a model that lists others gets the general ones. */
  concepts: string[];
  single: string;
  before: string;
  after: string;
  base: string;
  left: string;
  right: string;
}

const SMALL: Wording = {
  concepts: ["red apple", "strawberry", "sunflower", "dolphin"],
  single: "a red apple on a plain blue background",
  before: "a strawberry on a plain blue background",
  after: "a sunflower on a plain blue background",
  base: "a strawberry to the left of a dolphin",
  left: "a strawberry on a plain yellow background",
  right: "a dolphin on a plain blue background",
};

const GENERAL: Wording = {
  concepts: [],
  single: "a lighthouse on a cliff at dusk",
  before: "a bowl of red apples on a wooden table",
  after: "a bowl of lemons on a wooden table",
  base: "a wide meadow under a blue sky",
  left: "an old oak tree in a meadow",
  right: "a white horse in a meadow",
};

const LONG = 40;
/** Early enough that the other thing can still come of it. */
const TURN = 8;
/** Where the model was faster than the page, it goes back to the turn: that has to be early, and nobody knows how fast it is. */
const LATEST = 16;
const SIDE = 128;

/** The words of the examples that a model can draw. */
export function wordingFor(model: Pick<ModelInfo, "concepts"> | undefined): Wording {
  const known = model?.concepts ?? [];
  return SMALL.concepts.every((one) => known.includes(one)) ? SMALL : GENERAL;
}

export async function drawOne({ single }: Wording): Promise<void> {
  await begin({ prompt: single });
}

/** Begin one thing, and say another on the way: what the studio is about. */
export async function changeOnTheWay({ before, after }: Wording): Promise<void> {
  const session = await begin({ prompt: before, num_steps: LONG });
  if (session === null) return;
  const stop = useSession.subscribe(turnInTime);
  turnInTime();

  function turnInTime() {
    const { id, view } = useSession.getState();
    if (id !== session) stop();
    else if (view?.session === session && view.place.step >= TURN) {
      stop();
      void turn(before, after);
    }
  }
}

async function turn(before: string, after: string): Promise<void> {
  const stands = await edit({ kind: "pause" });
  if (!stands || (stands.step > LATEST && !(await edit({ kind: "rewind", step: TURN })))) return;
  useDraft.setState({ prompt: after });
  const applied = await edit({ kind: "set-prompt", text: after });
  await edit({ kind: "resume" });
  if (applied)
    notice.info(
      `From step ${applied.step + 1} on, "${subject(before)}" was "${subject(after)}". You can do that at any step.`,
    );
}

/** Two regions side by side, each with words of its own. */
export async function drawRegions({ base, left, right }: Wording, model: ModelInfo | undefined): Promise<void> {
  const width = model?.width ?? SIDE;
  const height = model?.height ?? SIDE;
  const regions = [
    { region: { id: "1", name: "left", prompt: left }, mask: rectangle(width, height, [0, 0, 0.5, 1]) },
    { region: { id: "2", name: "right", prompt: right }, mask: rectangle(width, height, [0.5, 0, 1, 1]) },
  ];
  await begin({ prompt: base, width, height, regions: { kind: "replace-regions", regions } });
}

/** What a prompt is about, without what lies behind it. */
export function subject(prompt: string): string {
  return prompt.split(/ on an? /)[0] ?? prompt;
}
