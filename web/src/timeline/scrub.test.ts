import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

interface Asked {
  kind: string;
  step: number;
}

const asked: Asked[] = [];
const session = vi.hoisted(() => ({ acts: [] as (() => void)[] }));

vi.mock("../session/store", async () => {
  const { create } = await import("zustand");
  return {
    useSession: create(() => ({ view: null })),
    edit: (command: Asked) => {
      asked.push(command);
      return new Promise((resolve) => session.acts.push(() => resolve({ step: 0, node: 0 })));
    },
  };
});
vi.mock("../connection/http", () => ({ pictures: { image: () => "" } }));
vi.mock("./strip", () => ({
  wayOf: () => ({ first: 0, tip: 12, last: 12 }),
  stateAt: (_: unknown, step: number) => ({ id: step, step: 0 }),
}));

const { useSession } = await import("../session/store");
const { giveUp, moveBy, useScrub } = await import("./scrub");

const standAt = (step: number) =>
  useSession.setState({ view: { session: "one", place: { step, status: "paused", node: step } } } as never);

describe("keys that go back and forth", () => {
  beforeEach(() => {
    vi.useFakeTimers();
    giveUp();
    asked.length = session.acts.length = 0;
    standAt(0);
  });

  afterEach(() => {
    vi.runAllTimers();
    vi.useRealTimers();
  });

  it("count from the step that was asked for until the page has heard where the session stands", async () => {
    moveBy(1);
    await vi.advanceTimersByTimeAsync(200);
    session.acts.shift()?.();
    await vi.advanceTimersByTimeAsync(1);
    moveBy(1);
    await vi.advanceTimersByTimeAsync(200);
    expect(asked.map(({ step }) => step)).toEqual([1, 2]);
  });

  it("let go of the step once the session stands there", async () => {
    moveBy(3);
    expect(useScrub.getState().step).toBe(3);
    await vi.advanceTimersByTimeAsync(200);
    session.acts.shift()?.();
    await vi.advanceTimersByTimeAsync(1);
    expect(useScrub.getState().step).toBe(3);
    standAt(3);
    await vi.advanceTimersByTimeAsync(1);
    expect(useScrub.getState().step).toBeNull();
  });

  it("let go of it, too, where the session is taken elsewhere at once", async () => {
    moveBy(3);
    await vi.advanceTimersByTimeAsync(200);
    session.acts.shift()?.();
    await vi.advanceTimersByTimeAsync(1);
    standAt(7);
    await vi.advanceTimersByTimeAsync(1);
    expect(useScrub.getState().step).toBeNull();
  });

  it("go back to where the session still stands while it is on its way from there", async () => {
    standAt(5);
    moveBy(-1);
    await vi.advanceTimersByTimeAsync(200);
    moveBy(1);
    await vi.advanceTimersByTimeAsync(200);
    expect(asked.map(({ step }) => step)).toEqual([4, 5]);
    for (const act of session.acts) act();
    await vi.advanceTimersByTimeAsync(1200);
  });

  it("ask for nothing where the session stands already", async () => {
    standAt(5);
    moveBy(-1);
    moveBy(1);
    await vi.advanceTimersByTimeAsync(200);
    expect(asked).toEqual([]);
    expect(useScrub.getState().step).toBeNull();
  });

  it("are one journey when several follow each other", async () => {
    for (let press = 0; press < 4; press++) moveBy(1);
    await vi.advanceTimersByTimeAsync(200);
    expect(asked).toEqual([{ kind: "rewind", step: 4 }]);
  });
});
