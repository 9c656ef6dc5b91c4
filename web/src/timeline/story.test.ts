import { describe, expect, it } from "vitest";
import type { Command } from "../connection/client";
import type { SessionEvent } from "../session/view";
import { Teller } from "./story";

const settings = { prompt: "a cat", num_steps: 4, guidance_scale: 3, sampler: "euler", seed: 1, width: 8, height: 8 };
const shape = { device: "cpu", dtype: "float32", threads: 1, torch: "2" };
const opened = { kind: "session-opened", model: "m", model_hash: "h", settings, shape } as const;

const step = (node: number, branch = 0, parent = node - 1, at = node) =>
  ({ kind: "step-completed", node, parent, branch, step: at, num_steps: 4 }) as const;
const said = (command: Command, node: number, at = node) =>
  ({ kind: "command-applied", op: 1, command, received_step: at, applied_step: at, node }) as const;
const moved = (node: number, branch: number, at = node) => ({ kind: "cursor-moved", node, branch, step: at }) as const;
const prompt = (text: string): Command => ({ kind: "set-prompt", text });

function log(...events: object[]): SessionEvent[] {
  return events.map((event, seq) => ({ seq, at: seq, ...event }) as SessionEvent);
}
const changes = (events: SessionEvent[]) =>
  new Teller()
    .tell(events)
    .entries.filter((one) => one.kind === "change")
    .map((one) => one.text);

describe("what made a state", () => {
  const painted = { kind: "paint-region", id: "fox", stroke: 5, patch: null } as unknown as Command;

  it("is what was in force at the step, whatever was said over the finished picture", () => {
    const teller = new Teller();
    const more: Command = { kind: "replace-regions", regions: [], prompt: "a rainbow", overlap: "add" };
    teller.tell(log(opened, step(1), said(prompt("a dog"), 1), step(2), said(more, 2), said(painted, 2)));
    expect([1, 2].map((node) => teller.madeWith(node)?.prompt)).toEqual(["a cat", "a dog"]);
    expect(teller.madeWith(2)).toMatchObject({ seed: 1, width: 8, overlap: "normalise" });
    expect(teller.inForce).toMatchObject({ prompt: "a rainbow", overlap: "add" });
  });

  it("is painted otherwise after each patch of a stroke, and as before once that is taken back", () => {
    const teller = new Teller();
    const events = [opened, said(painted, 0), step(1), said(painted, 1), step(2)];
    teller.tell(log(...events));
    const paint = [1, 2].map((node) => teller.madeWith(node)?.painted);
    expect(paint[0]).not.toBe(paint[1]);
    teller.tell(log(...events, said({ kind: "undo" }, 2)));
    expect(paint).not.toContain(teller.inForce.painted);
  });
});

describe("a story", () => {
  it("says each change against what was in force before it", () => {
    const events = log(opened, step(1), said(prompt("a dog"), 1), step(2), said(prompt("a fox"), 2));
    expect(changes(events)).toEqual(["Step 1: 'a cat' became 'a dog'.", "Step 2: 'a dog' became 'a fox'."]);
  });

  it("knows after a rewind what was in force there", () => {
    const events = log(
      ...[opened, step(1), step(2), said(prompt("a dog"), 2), step(3)],
      ...[said({ kind: "rewind", step: 1 }, 3), moved(1, 0), said(prompt("a fox"), 1), moved(1, 1)],
      ...[step(4, 1, 1, 2), said({ kind: "open-branch", branch: 0 }, 4, 2), moved(3, 0), said(prompt("a pig"), 3)],
    );
    expect(changes(events)).toEqual([
      "Step 2: 'a cat' became 'a dog'.",
      "Step 1: 'a cat' became 'a fox'.",
      "Step 3: 'a dog' became 'a pig'.",
    ]);
  });

  it("says once that a run pauses that goes step by step", () => {
    const events = log(opened, ...[1, 2, 3].flatMap((node) => [step(node), { kind: "run-paused" }]));
    const told = new Teller().tell(events).entries.filter((one) => !one.plain);
    expect(told.map((one) => one.text).filter((text) => text === "Paused.")).toHaveLength(1);
  });

  it("takes back what was undone before a step", () => {
    const events = log(opened, step(1), said(prompt("a dog"), 1), said({ kind: "undo" }, 1), said(prompt("a fox"), 1));
    const story = new Teller().tell(events);
    expect(story.marks.map((mark) => mark.text)).toEqual(["Step 1: 'a cat' became 'a fox'."]);
  });

  it("tells a stroke once, however many patches it comes in, and takes it back as one", () => {
    const patch = { kind: "mask", width: 1, height: 1, data: "" } as never;
    const paint = (stroke: number): Command => ({ kind: "paint-region", id: "region-1-ab", patch, stroke });
    const events = log(
      ...[opened, said(prompt("a dog"), 0), said(paint(1), 0), step(1), said(paint(1), 1), said(paint(1), 1)],
      ...[said(paint(2), 1), said(paint(2), 1)],
    );
    const told = new Teller().tell(events);
    expect(told.entries.filter((one) => one.kind === "change" && !one.plain).map((one) => one.text)).toEqual([
      "Step 0: 'a cat' became 'a dog'.",
      "Step 0: region 1 gained some ground.",
      "Step 1: region 1 gained some ground.",
    ]);
    expect(told.marks.map((mark) => mark.step)).toEqual([0, 0, 1]);
    const back = log(...events, said({ kind: "undo" }, 1), said({ kind: "undo" }, 1), said({ kind: "undo" }, 1));
    expect(changes(log(...back, said(prompt("a pig"), 1))).at(-1)).toBe("Step 1: 'a cat' became 'a pig'.");
  });

  it("is the same value while nothing happens, and goes on where it stopped", () => {
    const events = log(opened, step(1), said(prompt("a dog"), 1));
    const teller = new Teller();
    const first = teller.tell(events.slice(0, 2));
    expect(teller.tell(events.slice(0, 2))).toBe(first);
    expect(first.marks).toHaveLength(0);
    expect(teller.tell(events)).toEqual(new Teller().tell(events));
    expect(teller.tell(events.slice(0, 1)).entries).toHaveLength(1);
  });

  it("knows which branches a comparison has begun", () => {
    const choices = [3, 5].map((guidance_scale) => ({ kind: "choice", guidance_scale }) as const);
    const events = log(opened, step(1), said({ kind: "compare", choices }, 1), moved(1, 1));
    expect(new Teller().tell(events).comparisons).toMatchObject([{ node: 1, branches: [1, 2], choices }]);
  });

  it("knows with which seeds takes are made that begin anew", () => {
    const choices = [8, 9].map((seed) => ({ kind: "choice", seed }) as const);
    const first = [moved(2, 1, 0), step(4, 1, 2, 1)];
    const second = [moved(3, 2, 0), step(5, 2, 3, 1)];
    const teller = new Teller();
    teller.tell(log(opened, step(1), said({ kind: "compare", choices }, 1), ...first, ...second));
    expect([4, 5].map((node) => teller.madeWith(node)?.seed)).toEqual([8, 9]);
    expect(teller.inForce.seed).toBe(9);
  });

  it("has a mark where the change acts that begins a branch", () => {
    const events = log(
      ...[opened, step(1), step(2), said({ kind: "rewind", step: 1 }, 2), moved(1, 0)],
      ...[said(prompt("a fox"), 1), moved(1, 1), step(3, 1, 1, 2)],
    );
    expect(new Teller().tell(events).marks).toMatchObject([{ node: 1, step: 1, branch: 1 }]);
  });

  it("calls the branches of a comparison by their choices", () => {
    const choices = [3, 5].map((guidance_scale) => ({ kind: "choice", guidance_scale }) as const);
    const events = log(opened, step(1), said({ kind: "compare", choices }, 1), moved(1, 1));
    events.push(...log(said({ kind: "name-branch", branch: 1, name: null }, 1)));
    expect([...new Teller().tell(events).names]).toEqual([[2, "strength 5"]]);
  });
});
