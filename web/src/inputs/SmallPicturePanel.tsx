import { useState } from "react";
import { beginShown, openingNow } from "../session/actions";
import { toldModel, useModels } from "../session/models";
import { sentence, useSession } from "../session/store";
import { isForNext } from "../session/view";
import { enlarged, enlargedWords } from "./enlarging";
import { pngOfPart, readPicture } from "./fitting";
import { PICTURES, PicturePlace } from "./PicturePlace";
import { showPicture, useShowing } from "./shown";

const MOST_PIXELS = 2 ** 20;

/** A small picture that is drawn larger: the size of what is drawn follows it. */
export function SmallPicturePanel({ factor }: { factor: number }) {
  const size = useSession(({ view }) => (view?.place.settings.shown ? view.place.settings : null));
  const [told, setTold] = useState<string | null>(null);

  async function use(file: File) {
    const model = toldModel();
    if (!model) return;
    try {
      const picture = await readPicture(file);
      const pixels = useModels.getState().server?.limits.pixels ?? MOST_PIXELS;
      const plan = enlarged(picture, { factor, stride: model.stride ?? 8, pixels });
      const { part, small, drawn } = plan;
      const [left, top] = [(picture.width - part.width) / 2, (picture.height - part.height) / 2];
      const image = await pngOfPart(picture, { left, top, ...part }, small.width, small.height);
      setTold(enlargedWords(picture, plan));
      picture.close();
      const { view } = useSession.getState();
      const fits = view?.place.settings.width === drawn.width && view.place.settings.height === drawn.height;
      if (view && !isForNext(view) && fits) await showPicture(image);
      else await beginShown(openingNow({ model: model.id, ...drawn }), { image });
    } catch (problem) {
      useShowing.setState({ problem: sentence(problem) });
    }
  }

  const words =
    told ?? `${size ? `Drawn as ${size.width} x ${size.height} px. ` : ""}It is drawn ${factor} times as large.`;
  return (
    <PicturePlace label={size ? "Another small picture" : "Choose a small picture"} accept={PICTURES} onFile={use}>
      {size ? words : `or drop one here. It is drawn ${factor} times as large.`}
    </PicturePlace>
  );
}
