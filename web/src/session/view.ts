// What a session comes to: a value, and how each message of the server changes it. No network, no page.

import type { BranchView, MovedTo, NodeView, Place, Told, Tree, Welcome } from "../wire";

export type SessionEvent = Told["event"];

export interface View {
  session: string;
  model: string;
  place: Place;
  nodes: ReadonlyMap<number, NodeView>;
  branches: ReadonlyMap<number, BranchView>;
}

/** What a welcome says of a session; null where there is nothing to see of it (yet). */
export function viewOf(message: Welcome): View | null {
  if (!message.view) return null;
  const { session, model, place, tree } = message.view;
  return { session, model, place, ...mapsOf(tree) };
}

/** Whether a session waits for its first step: it goes on then, where a new picture would be begun otherwise. */
export function isPrepared(view: View | null): boolean {
  return view !== null && view.place.status === "paused" && view.nodes.size === 1;
}

/** Whether the controls are about the next picture: a finished one is told by what it was made with. */
export function isForNext(view: View | null): boolean {
  return view === null || view.place.status === "finished";
}

/** The view after an event. Only steps and what they come to are told by events; the rest by `afterMove`. */
export function afterEvent(view: View, { event, rev }: Told): View {
  const place = { ...view.place, seq: event.seq + 1, rev };
  switch (event.kind) {
    case "step-completed": {
      const { node, parent, branch, step, fresh = true } = event;
      const stands = { ...place, node, branch, step };
      if (!fresh) return { ...view, place: stands };
      const nodes = new Map(view.nodes).set(node, { id: node, parent, step, origin: "step", name: null });
      const known = view.branches.get(branch) ?? { id: branch, name: null };
      const branches = new Map(view.branches).set(branch, { ...known, tip: node });
      return { ...view, place: stands, nodes, branches };
    }
    case "run-paused":
      return { ...view, place: { ...place, status: "paused" } };
    case "run-cancelled":
      return { ...view, place: { ...place, status: "cancelled" } };
    case "run-failed":
      return { ...view, place: { ...place, status: "failed" } };
    case "run-resumed":
      return { ...view, place: { ...place, status: "running" } };
    default:
      return { ...view, place };
  }
}

/** The view after a message that says where the session stands. */
export function afterMove(view: View, { place, tree }: MovedTo): View {
  return { ...view, place, ...(tree ? mapsOf(tree) : {}) };
}

function mapsOf(tree: Tree): Pick<View, "nodes" | "branches"> {
  return {
    nodes: new Map(tree.nodes.map((node) => [node.id, node])),
    branches: new Map(tree.branches.map((branch) => [branch.id, branch])),
  };
}
