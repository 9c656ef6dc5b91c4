// The session that is looked at, as the page sees it, and the one connection that keeps it so.

import { create } from "zustand";
import { type Applied, Rejected } from "../connection/asked";
import { Client, type Command, type Link, type Stroke } from "../connection/client";
import { api, mayEnter } from "../connection/http";
import { notice } from "../parts/notices";
import type { Opening } from "../wire";
import { forgetNewest, takeFrame } from "./frames";
import { afterEvent, afterMove, type SessionEvent, type View, viewOf } from "./view";

interface SessionState {
  link: Link;
  /** The session that is looked at; it may not have begun. */
  id: string | null;
  view: View | null;
  /** Counts the lives of its engine that this page has seen: what was not saved before the last one never happened. */
  life: number;
  events: readonly SessionEvent[];
  /** Its place in the queue, from 1. */
  waiting: number | null;
  /** Why it has failed to begin. */
  problem: string | null;
}

const NONE = { id: null, view: null, life: 0, events: [], waiting: null, problem: null } as const;

export const useSession = create<SessionState>(() => ({ link: "connecting", ...NONE }));

const client = new Client(
  `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/socket`,
  {
    linked(link) {
      const before = useSession.getState().link;
      useSession.setState({ link });
      if (link === "live" && before === "lost") notice.info("Connected again. Nothing was lost.");
    },
    welcomed(message, isRenewed) {
      const view = viewOf(message);
      const { id, events, life } = useSession.getState();
      const session = message.session ?? null;
      const same = session === id;
      useSession.setState({
        id: session,
        view: view ?? (same ? useSession.getState().view : null),
        waiting: message.waiting ?? null,
        problem: message.problem ?? null,
        life: same && isRenewed ? life + 1 : life,
        events: same && !isRenewed ? events : [],
      });
      if (!same) {
        forgetNewest();
        // not otherwise: the address may name another one already, which is about to be opened
        remember(session);
      }
      if (view) void readLog(view);
    },
    told(message) {
      const { view, events } = useSession.getState();
      if (view) useSession.setState({ view: afterEvent(view, message), events: [...events, message.event] });
      if (message.event.kind === "run-paused" && message.event.reason) notice.problem(message.event.reason);
      if (message.event.kind === "run-failed") notice.problem(message.event.text);
    },
    moved(message) {
      const { view } = useSession.getState();
      if (view) useSession.setState({ view: afterMove(view, message) });
    },
    framed: (header, jpeg) => takeFrame(header, jpeg, () => useSession.getState().id === header.session),
    failed(message) {
      if (message.code === "not-found") {
        close();
        notice.problem("That session is not there any more: begin a new one, or open another from the history.");
      } else notice.problem(message.text);
    },
  },
  mayEnter,
);

/** Connect, and take up the session that the address names. */
export function connect(): void {
  const named = sessionInAddress();
  if (named) {
    useSession.setState({ id: named });
    client.follow(named);
  }
  client.open();
  window.addEventListener("hashchange", () => {
    const id = sessionInAddress();
    if (id === useSession.getState().id) return;
    if (id) open(id);
    else close();
  });
}

/** Look at a session. */
export function open(id: string): void {
  useSession.setState({ ...NONE, id });
  forgetNewest();
  client.follow(id);
  remember(id);
}

/** Look at none. */
export function close(): void {
  useSession.setState(NONE);
  forgetNewest();
  client.follow(null);
  remember(null);
}

/** Begin a session and look at it. Says why where it cannot begin. */
export async function start(opening: Opening): Promise<string | null> {
  try {
    return await client.start(opening);
  } catch (problem) {
    if (!isSuperseded(problem)) notice.problem(sentence(problem));
    return null;
  }
}

/** What is to be seen of the session that is looked at, once there is something: one that waits for its turn has nothing yet. */
export function whenSeen(): Promise<View | null> {
  const { id } = useSession.getState();
  return new Promise((resolve) => {
    const look = ({ id: now, view, problem }: SessionState) => {
      if (view === null && id !== null && now === id && problem === null) return;
      stop();
      resolve(now === id ? view : null);
    };
    let stop = () => {};
    stop = useSession.subscribe(look);
    look(useSession.getState());
  });
}

/** Have a command act. Resolves to when it did; to null, said aloud, when it does not. */
export function edit(command: Command): Promise<Applied | null> {
  return settled(client.edit(command));
}

/** Have a command act. Resolves to why it does not, for whoever says that in its place; null = it acts. */
export async function attempt(command: Command): Promise<string | null> {
  try {
    await client.edit(command);
    return null;
  } catch (problem) {
    return isSuperseded(problem) ? null : sentence(problem);
  }
}

/** Paint into a region's mask, or erase. */
export function stroke(stroke: Stroke): Promise<Applied | null> {
  return settled(client.stroke(stroke));
}

/** What went wrong, as a sentence. */
export function sentence(problem: unknown): string {
  return problem instanceof Error ? problem.message : String(problem);
}

/** Whether the person has asked for something else since, and need not hear of it. */
function isSuperseded(problem: unknown): boolean {
  return problem instanceof Rejected && problem.code === "superseded";
}

async function settled(answer: Promise<Applied>): Promise<Applied | null> {
  try {
    return await answer;
  } catch (problem) {
    if (!isSuperseded(problem)) notice.problem(sentence(problem));
    return null;
  }
}

/** Read what had happened before this page came. */
async function readLog(view: View): Promise<void> {
  const upTo = view.place.seq;
  const known = useSession.getState().events;
  if (known.length > 0 && known[0]?.seq === 0) return;
  try {
    const { events } = await api.events(view.session);
    const earlier = (events as SessionEvent[]).filter((event) => event.seq < upTo);
    const { id, events: later } = useSession.getState();
    if (id === view.session)
      useSession.setState({ events: [...earlier, ...later.filter((event) => event.seq >= upTo)] });
  } catch (problem) {
    notice.problem(sentence(problem));
  }
}

function sessionInAddress(): string | null {
  return new URLSearchParams(location.hash.slice(1)).get("session");
}

function remember(id: string | null): void {
  if (id === sessionInAddress()) return;
  history.pushState(null, "", id === null ? location.pathname : `#session=${id}`);
}
