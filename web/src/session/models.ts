// The models that the server knows, and the server itself.

import { create } from "zustand";
import { api, type ModelInfo, type ServerInfo } from "../connection/http";
import { draftFor, useDraft } from "./draft";
import { sentence, useSession } from "./store";
import { isForNext } from "./view";

interface Models {
  models: ModelInfo[];
  server: ServerInfo | null;
  problem: string | null;
}

export const useModels = create<Models>(() => ({ models: [], server: null, problem: null }));

const PATIENCE = 1000;

/** Read them; again until the server has loaded its model. */
export async function readModels(): Promise<void> {
  try {
    const server = await api.server();
    useModels.setState({ server, problem: server.problem });
    if (!server.ready) {
      setTimeout(() => void readModels(), PATIENCE);
      return;
    }
    const models = await api.models();
    useModels.setState({ models });
    const { model } = useDraft.getState();
    const chosen = models.find((one) => one.id === (model ?? server.model) && !one.problem);
    const fallback = models.find((one) => one.id === server.model);
    // a person's own numbers stay as long as the model does
    if (model === null || !chosen) {
      const taken = chosen ?? fallback;
      if (taken) draftFor(taken, model === null);
    }
  } catch (problem) {
    useModels.setState({ problem: sentence(problem) });
    if (useSession.getState().link !== "no-access") setTimeout(() => void readModels(), 3 * PATIENCE);
  }
}

/** A server that was started again loads its model once more. Returns what stops it. */
export function followServer(): () => void {
  return useSession.subscribe(({ link }, before) => {
    if (link === "live" && before.link === "lost") void readModels();
  });
}

/** What is known of the model that is used now: the session's, or that of the next picture. */
export function useModel(): ModelInfo | undefined {
  const session = useSession((state) => state.view?.model);
  const draft = useDraft((state) => state.model);
  const { models, server } = useModels();
  const name = session ?? draft ?? server?.model;
  return models.find((one) => one.id === name);
}

/** What is known of the model that the next picture is made with. */
export function nextModel(): ModelInfo | undefined {
  const { models, server } = useModels.getState();
  const name = useDraft.getState().model ?? server?.model;
  return models.find((one) => one.id === name);
}

/** What is known of the model that the controls speak to: the next picture's as soon as one is finished. */
export function useToldModel(): ModelInfo | undefined {
  const session = useSession(({ view }) => (isForNext(view) ? null : view?.model));
  const draft = useDraft((state) => state.model);
  const { models, server } = useModels();
  const name = session ?? draft ?? server?.model;
  return models.find((one) => one.id === name);
}

/** The same at this moment. */
export function toldModel(): ModelInfo | undefined {
  const { view } = useSession.getState();
  if (isForNext(view)) return nextModel();
  return useModels.getState().models.find((one) => one.id === view?.model);
}
