import { beforeEach, describe, expect, it, vi } from "vitest";
import { create } from "zustand";
import type { Region } from "../wire";

interface State {
  id: string;
  view: { place: { settings: { regions: Region[] } } };
}

const asked: { region: Region; answer: (applied: object | null) => void }[] = [];
const seen = (regions: Region[]) => ({ view: { place: { settings: { regions } } } });
const useSession = create<State>(() => ({ id: "s", ...seen([]) }));

vi.mock("../canvas/colours", () => ({}));
vi.mock("../canvas/layers", () => ({}));
vi.mock("../canvas/state", () => ({}));
vi.mock("../canvas/strokes", () => ({}));
vi.mock("../canvas/sync", () => ({}));
vi.mock("../session/store", () => ({
  useSession,
  edit: ({ region }: { region: Region }) => new Promise((answer) => asked.push({ region, answer })),
}));

const { changeRegion } = await import("./edit");

const FOX: Region = { id: "1", prompt: "a fox", strength: 1, mask: "0".repeat(64) };

describe("changes of a region", () => {
  beforeEach(() => {
    asked.length = 0;
    useSession.setState({ id: `s${Math.random()}`, ...seen([FOX]) });
  });
  const answer = async (place: number, applied: object | null) => {
    asked[place]?.answer(applied);
    await new Promise((go) => setTimeout(go, 0));
  };

  it("know of those before them that do not act yet", async () => {
    changeRegion("1", { prompt: "a lion" });
    changeRegion("1", { strength: 2 });
    expect(asked.map(({ region }) => [region.prompt, region.strength])).toEqual([
      ["a lion", 1],
      ["a lion", 2],
    ]);
    // they act, and only then the settings say so
    await answer(0, {});
    await answer(1, {});
    changeRegion("1", { guidance_scale: 5 });
    expect(asked[2]?.region).toMatchObject({ prompt: "a lion", strength: 2, guidance_scale: 5 });
  });

  it("are said once", () => {
    changeRegion("1", { prompt: "a fox" });
    changeRegion("1", { prompt: "a lion" });
    changeRegion("1", { prompt: "a lion" });
    expect(asked).toHaveLength(1);
  });

  it("give way to what the session says later", async () => {
    changeRegion("1", { prompt: "a lion" });
    await answer(0, {});
    useSession.setState(seen([{ ...FOX, prompt: "a wolf" }]));
    changeRegion("1", { strength: 2 });
    expect(asked[1]?.region).toMatchObject({ prompt: "a wolf", strength: 2 });
  });

  it("are forgotten where they were refused", async () => {
    changeRegion("1", { prompt: "a lion" });
    await answer(0, null);
    changeRegion("1", { strength: 2 });
    expect(asked[1]?.region).toMatchObject({ prompt: "a fox", strength: 2 });
  });
});
