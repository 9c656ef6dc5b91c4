// Pictures, sessions and settings out of the page: as files, or into the clipboard.

import { download } from "../canvas/masks/pictures";
import { api, pictures } from "../connection/http";
import { notice } from "../parts/notices";
import { useFrames } from "../session/frames";
import { sentence, useSession } from "../session/store";
import type { View } from "../session/view";
import { type Drawn, drawnOf } from "../timeline/drawn";
import { carriedText, KEYWORD } from "./carried";
import { fileName } from "./names";
import { withText } from "./pngText";
import { openingFields, parametersText } from "./settingsText";

/** How long a save waits for the log, which is read beside the picture, at most: milliseconds. */
const PATIENCE = 5000;
const LACKS_REGIONS =
  "Where the regions of this picture were is not known here, so the file is without them: saved with its session, it has all.";
const NOTHING = "There is no picture to save yet: make one first.";

/** The picture that is looked at, as a PNG. */
export const saveImage = () => withPicture((view) => saveAs(view, "png", "png"));

/** The same as a PNG that brings the whole session along: dropped in here or elsewhere, it restores everything. */
export const saveSession = () => withPicture((view) => saveAs(view, "session-png", "ildm.png"));

export const copyImage = () =>
  withPicture(async (view) => {
    await intoClipboard("image/png", api.blob(pictures.image(view.session, nodeLookedAt(view))));
    notice.info("The picture is in the clipboard.");
  });

/** The settings as text: as other programs write them into pictures, or as JSON. */
export const copySettings = (form: "parameters" | "json") =>
  withPicture(async (view) => {
    const { model } = view;
    const made = drawnAt(view, nodeLookedAt(view)).then(({ settings }) =>
      form === "parameters" ? parametersText(model, settings) : JSON.stringify(openingFields(model, settings), null, 1),
    );
    await intoClipboard("text/plain", made);
    notice.info("The settings are in the clipboard.");
  });

/** Begun at once: some browsers let the clipboard be written only in the moment of the click. */
function intoClipboard(type: string, content: Promise<string | Blob>): Promise<void> {
  return navigator.clipboard.write([new ClipboardItem({ [type]: content })]);
}

async function saveAs(view: View, form: "png" | "session-png", ending: string): Promise<void> {
  const node = nodeLookedAt(view);
  const drawn = await drawnAt(view, node);
  const picture = await api.blob(pictures.image(view.session, node, form));
  download(form === "png" ? await told(picture, view, drawn) : picture, fileName(drawn.settings.prompt ?? "", ending));
}

/** The picture with its settings in it, so that it can be made again here and elsewhere. */
async function told(picture: Blob, { model, session }: View, drawn: Drawn): Promise<Blob> {
  if (drawn.isPainted) notice.info(LACKS_REGIONS);
  const png = new Uint8Array(await picture.arrayBuffer());
  const more = await carriedText(session, drawn);
  const beside = more === null ? png : withText(png, KEYWORD, more);
  return new Blob([withText(beside, "parameters", parametersText(model, drawn.settings))], { type: "image/png" });
}

/** What drew a state: what was said since is for the next one. */
async function drawnAt(view: View, node: number): Promise<Drawn> {
  await logOf(view);
  return drawnOf({ view, events: useSession.getState().events }, node);
}

/** Resolves once the log is here that tells what drew each state, or does not come. */
function logOf({ session }: View): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      stop();
      resolve();
    };
    const look = () => {
      const { id, events } = useSession.getState();
      if (id !== session || events[0]?.seq === 0) end();
    };
    const timer = setTimeout(end, PATIENCE);
    const stop = useSession.subscribe(look);
    look();
  });
}

function nodeLookedAt(view: View): number {
  return useFrames.getState().peek?.node ?? view.place.node;
}

async function withPicture(work: (view: View) => Promise<void>): Promise<void> {
  const { view } = useSession.getState();
  if (!view) {
    notice.problem(NOTHING);
    return;
  }
  try {
    await work(view);
  } catch (problem) {
    const isForbidden = problem instanceof DOMException && problem.name === "NotAllowedError";
    notice.problem(isForbidden ? "The browser does not let this page use the clipboard." : sentence(problem));
  }
}
