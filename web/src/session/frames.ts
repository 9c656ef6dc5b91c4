// Pictures of states as they came, kept for the timeline. The oldest go when there are too many bytes.

import { create } from "zustand";
import type { FrameHeader } from "../wire";

const MOST_BYTES = 48 * 2 ** 20;
/** How long a picture that another took the place of can still be drawn: one that loads lazily may not have begun. */
const LAST_LOOKS = 10_000;

interface Frame {
  node: number;
  step: number;
  rev: number;
  branch: number;
  width: number;
  height: number;
  url: string;
}

interface Frames {
  newest: Frame | null;
  /** The state that is looked at where it is not the newest: while somebody scrubs, and after they have gone back. The stage shows it first. */
  peek: { node: number; url: string } | null;
  /** How many were shown, for tests and the curious. */
  shown: number;
}

export const useFrames = create<Frames>(() => ({ newest: null, peek: null, shown: 0 }));

const kept = new Map<string, { url: string; bytes: number }>();
let bytes = 0;

const key = (session: string, node: number, rev: number) => `${session}/${node}/${rev}`;
const latest = new Map<string, string>();

/** Take a frame. Resolves once it can be drawn without waiting. */
export async function takeFrame(
  header: FrameHeader,
  jpeg: Uint8Array<ArrayBuffer>,
  isCurrent: () => boolean,
): Promise<void> {
  const url = URL.createObjectURL(new Blob([jpeg], { type: "image/jpeg" }));
  keep(header, url, jpeg.length);
  const image = new Image();
  image.src = url;
  await image.decode().catch(() => undefined);
  if (!isCurrent()) return;
  const { node, step, rev, branch, width, height } = header;
  useFrames.setState(({ shown }) => ({ newest: { node, step, rev, branch, width, height, url }, shown: shown + 1 }));
}

/** The address of the picture of a state, where one came. */
export function frameOf(session: string, node: number): string | undefined {
  return latest.get(`${session}/${node}`);
}

/** Look at a state for a while; null = at the newest again. */
export function peekAt(peek: Frames["peek"]): void {
  const { peek: before } = useFrames.getState();
  if (before?.node !== peek?.node || before?.url !== peek?.url) useFrames.setState({ peek });
}

/** Another session is looked at. */
export function forgetNewest(): void {
  useFrames.setState({ newest: null, peek: null, shown: 0 });
}

function keep(header: FrameHeader, url: string, size: number): void {
  const name = key(header.session, header.node, header.rev);
  drop(name);
  kept.set(name, { url, bytes: size });
  latest.set(`${header.session}/${header.node}`, url);
  bytes += size;
  for (const oldest of kept.keys()) {
    if (bytes <= MOST_BYTES) break;
    drop(oldest);
  }
}

function drop(name: string): void {
  const one = kept.get(name);
  if (!one) return;
  kept.delete(name);
  bytes -= one.bytes;
  for (const [state, url] of latest) if (url === one.url) latest.delete(state);
  setTimeout(() => URL.revokeObjectURL(one.url), LAST_LOOKS);
}
