// The server's HTTP API, as far as the page uses it. Errors are sentences.

import type { Opening, SessionView } from "../wire";
import { Rejected } from "./asked";

export interface ServerInfo {
  version: string;
  ready: boolean;
  problem: string | null;
  model: string;
  user: string;
  limits: Record<string, number>;
}

export interface ModelInfo {
  id: string;
  summary: string;
  problem: string | null;
  width: number | null;
  height: number | null;
  stride: number | null;
  num_steps: number | null;
  guidance_scale: number | null;
  sampler: string | null;
  concepts: string[];
  /** What a prompt is to it: words, a class, boxes of classes, or nothing. */
  reads: "text" | "class" | "layout" | null;
  /** Of a model that reads classes or boxes. */
  classes: string[];
  /** What it is shown beside the prompt. */
  shows: Shows | null;
}

export interface Shows {
  kind: "semantic-map" | "low-resolution" | "inpainting";
  /** The classes of a map, from 1 on. */
  names: string[];
  /** How many times larger a small picture is drawn. */
  factor: number | null;
}

export interface SessionItem {
  id: string;
  title: string;
  model: string;
  status: string;
  created: number | null;
  updated: number | null;
  num_states: number;
  bytes: number;
  waiting: number | null;
}

export interface PresetItem {
  kind: "regions" | "settings";
  name: string;
  origin: "own" | "shipped";
  problem: string | null;
}

export interface UploadInfo {
  id: string;
  width: number;
  height: number;
  bytes: number;
}

export interface Restored {
  session?: string | null;
  opening?: Partial<Opening> | null;
  /** What it was made with that is not here, by what it is: the model, or the sampler. */
  missing?: Record<string, string> | null;
}

/** Ask the server. Throws `Rejected` with the server's own sentence. */
async function ask(path: string, options: RequestInit = {}): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(path, { credentials: "same-origin", ...options });
  } catch {
    throw new Rejected("lost", "The studio cannot be reached now: it is tried again by itself.");
  }
  if (answer.ok || answer.status === 304) return answer;
  const said = (await answer.json().catch(() => null)) as { error?: { code: string; text: string } } | null;
  throw new Rejected(said?.error?.code ?? "failed", said?.error?.text ?? `The studio answered ${answer.status}.`);
}

async function json<T>(path: string, method = "GET", body?: unknown): Promise<T> {
  const options: RequestInit = { method };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers = { "content-type": "application/json" };
  }
  const answer = await ask(path, options);
  return (answer.status === 204 ? null : await answer.json()) as T;
}

const session = (id: string) => `/api/sessions/${id}`;
function preset(kind: string, name: string): string {
  // no address can say these
  if (name === "." || name === ".." || name.includes("/"))
    throw new Rejected("bad-value", "A preset's name has no '/' in it, and is not '.' or '..': choose another one.");
  return `/api/presets/${kind}/${encodeURIComponent(name)}`;
}

export const api = {
  server: () => json<ServerInfo>("/api/server"),
  models: () => json<ModelInfo[]>("/api/models"),
  sessions: (search: string, offset = 0, limit = 50) =>
    json<{ sessions: SessionItem[]; total: number }>(
      `/api/sessions?${new URLSearchParams({ search, offset: String(offset), limit: String(limit) })}`,
    ),
  look: (id: string) => json<SessionView>(session(id)),
  rename: (id: string, title: string) => json<SessionItem>(session(id), "PATCH", { title }),
  remove: (id: string) => json<null>(session(id), "DELETE"),
  events: (id: string, since = 0) => json<{ events: unknown[] }>(`${session(id)}/events?since=${since}`),
  restore: (upload: string) => json<Restored>("/api/sessions/restore", "POST", { upload }),
  upload: async (file: Blob): Promise<UploadInfo> =>
    (await ask("/api/uploads", { method: "POST", body: file, headers: { "content-type": file.type } })).json(),
  presets: () => json<{ presets: PresetItem[] }>("/api/presets"),
  preset: (kind: string, name: string) => json<{ content: Record<string, unknown> }>(preset(kind, name)),
  savePreset: (kind: string, name: string, body: { content?: unknown; session?: string; replace?: boolean }) =>
    json<PresetItem>(preset(kind, name), "PUT", body),
  renamePreset: (kind: string, name: string, to: string) =>
    json<PresetItem>(`${preset(kind, name)}/name`, "POST", { name: to }),
  removePreset: (kind: string, name: string) => json<null>(preset(kind, name), "DELETE"),
  blob: async (path: string): Promise<Blob> => (await ask(path)).blob(),
};

/** Addresses of pictures. */
export const pictures = {
  image: (id: string, node: number, form: "png" | "jpeg" | "session-png" = "png") =>
    `${session(id)}/image?node=${node}&form=${form}`,
  thumbnail: (id: string, node?: number) => `${session(id)}/thumbnail${node === undefined ? "" : `?node=${node}`}`,
  shown: (id: string, picture: string) => `${session(id)}/shown/${picture}`,
  mask: (id: string, mask: string) => `${session(id)}/masks/${mask}`,
  word: (id: string, word: string, node: number) => `${session(id)}/words/${encodeURIComponent(word)}?node=${node}`,
};

/** Whether the server knows this browser; true as well where it cannot be reached, which passes. */
export async function mayEnter(): Promise<boolean> {
  try {
    await api.server();
    return true;
  } catch (problem) {
    return !(problem instanceof Rejected && problem.code === "no-access");
  }
}
