// Files that somebody drops, pastes or picks: ours restore what they were, others can be started from.

import { create } from "zustand";
import { api } from "../connection/http";
import { fitted } from "../inputs/fitting";
import { notice } from "../parts/notices";
import { listed } from "../parts/phrases";
import { begin, beginShown, change } from "../session/actions";
import { anySeed, useDraft } from "../session/draft";
import { close, edit, open, sentence, useSession } from "../session/store";
import type { Opening } from "../wire";
import { KEYWORD, readCarried } from "./carried";
import { kindOf, typeOf, UNKNOWN } from "./incoming";
import { readText } from "./pngText";
import { draftIn } from "./presetForms";
import { imported } from "./presets";

interface Incoming {
  /** A file is held over the page. */
  isOver: boolean;
  /** A file is being looked at. */
  isTaking: boolean;
  /** A picture that is not one of ours: somebody is asked whether to start from it. */
  foreign: File | null;
}

export const useIncoming = create<Incoming>(() => ({ isOver: false, isTaking: false, foreign: null }));

/** Take a file in, whatever it is. */
export async function takeFile(file: File): Promise<void> {
  const kind = kindOf(file);
  if (kind === null) notice.problem(UNKNOWN);
  else if (kind === "preset") await imported(file);
  else await takePicture(file);
}

async function takePicture(file: File): Promise<void> {
  useIncoming.setState({ isTaking: true, foreign: null });
  try {
    const picture = file.type ? file : new File([file], file.name, { type: typeOf(file) });
    const { id } = await api.upload(picture);
    const { session, opening, missing } = await api.restore(id);
    if (session) {
      open(session);
      notice.info("This picture brought its whole session along: every state is there again.");
    } else if (opening && missing && Object.keys(missing).length > 0) fillIn(opening, missing);
    else if (opening) await makeAgain(picture, opening);
    else useIncoming.setState({ foreign: picture });
  } catch (problem) {
    notice.problem(sentence(problem));
  } finally {
    useIncoming.setState({ isTaking: false });
  }
}

async function makeAgain(picture: File, opening: Partial<Opening>): Promise<void> {
  const text = readText(new Uint8Array(await picture.arrayBuffer()), KEYWORD);
  const { regions, shown, lacks } = await readCarried(text, opening);
  const whole = regions ? { ...opening, regions } : opening;
  if (shown) {
    if (!(await beginShown({ model: useDraft.getState().model, ...whole }, shown))) return;
    await edit({ kind: "resume" });
  } else if ((await begin(whole)) === null) return;
  const without = lacks.length > 0 ? `, without ${listed(lacks)}` : "";
  notice.info(`This picture says how it was made: it is made once more${without}.`);
}

/** A picture names what is not here: the rest of it waits in the form. */
function fillIn(opening: Partial<Opening>, missing: Record<string, string>): void {
  close();
  useDraft.setState({ ...draftIn(opening), ...(opening.seed == null ? {} : { seed_locked: true }) });
  const lacking = Object.entries(missing).map(([what, name]) => `the ${what} "${name}"`);
  notice.problem(
    `This picture was made with ${lacking.join(" and ")}, not known here. Its words and settings are filled in.`,
  );
}

/** Begin from a picture, its middle cut to the shape of what is made: a branch of the session, or a session of its own. */
export async function startFrom(file: File, strength: number, prompt: string): Promise<boolean> {
  try {
    const { view } = useSession.getState();
    const { width, height } = view?.place.settings ?? useDraft.getState();
    const image = await fitted(file, width, height);
    if (!view) {
      const { model: _, seed_locked, seed, ...draft } = useDraft.getState();
      return (await begin({ ...draft, seed: seed_locked ? seed : anySeed(), prompt, image, strength })) !== null;
    }
    if (prompt !== view.place.settings.prompt) change("prompt", prompt);
    if (!(await edit({ kind: "start-from-image", image, strength }))) return false;
    await edit({ kind: "resume" });
    return true;
  } catch (problem) {
    notice.problem(sentence(problem));
    return false;
  }
}

/** Listen for files that are dropped or pasted anywhere. Returns what stops it. */
export function listenForFiles(): () => void {
  let depth = 0;
  let isOwn = false; // a picture of the page itself, which some browsers tell as a file too
  const hasFiles = (event: DragEvent) => !isOwn && (event.dataTransfer?.types.includes("Files") ?? false);
  const start = () => {
    isOwn = true;
  };
  const end = () => {
    isOwn = false;
  };
  const hold = (event: DragEvent, change: number) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    depth = Math.max(0, depth + change);
    useIncoming.setState({ isOver: depth > 0 });
  };
  const over = (event: DragEvent) => hold(event, 0);
  const enter = (event: DragEvent) => hold(event, 1);
  const leave = (event: DragEvent) => hold(event, -1);
  const drop = (event: DragEvent) => {
    const isTaken = event.defaultPrevented; // by a part of the page that wanted it for itself
    hold(event, -depth);
    if (!isTaken && hasFiles(event)) takeFirst(event.dataTransfer?.files);
  };
  const paste = (event: ClipboardEvent) => {
    if (!event.clipboardData?.files.length) return;
    event.preventDefault();
    takeFirst(event.clipboardData.files);
  };
  const listening = new AbortController();
  const { signal } = listening;
  window.addEventListener("dragstart", start, { signal });
  window.addEventListener("dragend", end, { signal });
  window.addEventListener("dragenter", enter, { signal });
  window.addEventListener("dragover", over, { signal });
  window.addEventListener("dragleave", leave, { signal });
  window.addEventListener("drop", drop, { signal });
  window.addEventListener("paste", paste, { signal });
  return () => listening.abort();
}

function takeFirst(files: FileList | undefined): void {
  const [file, ...more] = files ?? [];
  if (!file) return;
  if (more.length > 0) notice.info("One file at a time: the first is taken.");
  void takeFile(file);
}
