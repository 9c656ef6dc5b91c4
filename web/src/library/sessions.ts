// The sessions that the history shows, as far as they were read: a page at a time, the one that changed last first.

import { create } from "zustand";
import { api, type SessionItem } from "../connection/http";
import { notice } from "../parts/notices";
import { close, sentence, useSession } from "../session/store";

const PAGE = 50;
/** The most that the server gives at once. */
const MOST = 500;

interface Sessions {
  search: string;
  items: readonly SessionItem[];
  /** How many there are by that search; null = not known yet. */
  total: number | null;
  isReading: boolean;
  problem: string | null;
}

export const useSessions = create<Sessions>(() => ({
  search: "",
  items: [],
  total: null,
  isReading: false,
  problem: null,
}));

/** Of the newest question; the answers to older ones are not wanted any more. */
let asked = 0;

/** Look for other ones. */
export function searchFor(search: string): void {
  if (search === useSessions.getState().search) return;
  useSessions.setState({ search });
  void refresh(PAGE);
}

/** Read again what is shown. */
export function refresh(count = useSessions.getState().items.length): Promise<void> {
  return read(0, Math.min(MOST, Math.max(PAGE, count)));
}

/** Read the next page. */
export async function readMore(): Promise<void> {
  const { items, total, isReading } = useSessions.getState();
  if (isReading || total === null || items.length >= total) return;
  await read(items.length, PAGE);
}

/** Give a session another title. */
export async function rename(id: string, title: string): Promise<void> {
  try {
    await api.rename(id, title);
    change(id, { title });
  } catch (problem) {
    notice.problem(sentence(problem));
  }
}

/** Forget a session. */
export async function remove(id: string): Promise<void> {
  useSessions.setState(({ items, total }) => ({
    items: items.filter((one) => one.id !== id),
    total: total === null ? null : total - 1,
  }));
  try {
    await api.remove(id);
  } catch (problem) {
    notice.problem(sentence(problem));
  }
  if (useSession.getState().id === id) close();
  else await refresh();
}

function change(id: string, fields: Partial<SessionItem>): void {
  useSessions.setState(({ items }) => ({ items: items.map((one) => (one.id === id ? { ...one, ...fields } : one)) }));
}

async function read(offset: number, limit: number): Promise<void> {
  const turn = ++asked;
  useSessions.setState({ isReading: true });
  try {
    const { sessions, total } = await api.sessions(useSessions.getState().search, offset, limit);
    if (turn !== asked) return;
    useSessions.setState(({ items }) => ({
      items: offset === 0 ? sessions : joined(items, sessions),
      total,
      isReading: false,
      problem: null,
    }));
  } catch (problem) {
    if (turn === asked) useSessions.setState({ isReading: false, problem: sentence(problem) });
  }
}

/** Two pages as one list: what has moved up in between is there once. */
function joined(items: readonly SessionItem[], more: readonly SessionItem[]): SessionItem[] {
  const known = new Set(items.map((one) => one.id));
  return [...items, ...more.filter((one) => !known.has(one.id))];
}
