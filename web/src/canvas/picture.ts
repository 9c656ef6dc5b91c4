// The picture on the stage: the newest frame while it forms, what is scrubbed to, and the exact picture where it rests.

import { create } from "zustand";
import { pictures } from "../connection/http";
import { useFrames } from "../session/frames";
import { useSession } from "../session/store";

interface Picture {
  image: HTMLImageElement | null;
  node: number | null;
  step: number | null;
  rev: number | null;
  /** Whether it is the exact picture, and not a quick view of it. */
  exact: boolean;
}

const NOTHING: Picture = { image: null, node: null, step: null, rev: null, exact: false };

export const usePicture = create<Picture>(() => NOTHING);

const REST = 150;
const AGAIN = [400, 1500];

interface Wanted {
  url: string;
  node: number;
  exact: boolean;
}

let session: string | null = null;
let timer: ReturnType<typeof setTimeout> | undefined;
let wanted: Wanted | null = null;

/** Keep the stage's picture up to date. */
export function followPicture(): () => void {
  look();
  const stops = [
    useFrames.subscribe(look),
    useSession.subscribe((state, before) => {
      if (state.id !== before.id || state.view?.place !== before.view?.place) look();
    }),
  ];
  return () => {
    clearTimeout(timer);
    for (const stop of stops) stop();
  };
}

function look(): void {
  const { id, view } = useSession.getState();
  const { newest, peek } = useFrames.getState();
  if (id !== session) {
    session = id;
    wanted = null;
    usePicture.setState(NOTHING);
  }
  clearTimeout(timer);
  const quick = peek ?? newest;
  const stands = view?.place.node;
  const rests = view !== null && view.place.status !== "running" && (peek === null || peek.node === stands);
  if (rests && wanted?.exact && wanted.node === stands) return;
  if (quick) show({ url: quick.url, node: quick.node, exact: false });
  // of noise alone there is nothing exact to see
  if (rests && view.place.step > 0) timer = setTimeout(() => showExact(view.session, view.place.node), REST);
}

function showExact(id: string, node: number): void {
  show({ url: pictures.image(id, node), node, exact: true });
}

/** Exchange the picture once the other one can be drawn: the stage is never empty in between. */
function show(next: Wanted, attempt = 0): void {
  if (next.url === wanted?.url && attempt === 0) return;
  wanted = next;
  const image = new Image();
  image.src = next.url;
  image.decode().then(
    () => {
      if (wanted !== next) return;
      const { newest } = useFrames.getState();
      const { view } = useSession.getState();
      const step = view?.nodes.get(next.node)?.step ?? (newest?.node === next.node ? newest.step : null);
      const rev = newest?.node === next.node ? newest.rev : (view?.place.rev ?? null);
      usePicture.setState({ image, node: next.node, step, rev, exact: next.exact });
    },
    () => {
      const wait = AGAIN[attempt];
      // a state is on the disk a moment after it was made
      if (next.exact && wait !== undefined)
        setTimeout(() => {
          if (wanted === next) show({ ...next }, attempt + 1);
        }, wait);
    },
  );
}
