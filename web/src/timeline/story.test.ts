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

/** What a command that leads elsewhere says is in force after it. */
const left = (prompt: string, more: object = {}) => ({ left: { ...settings, prompt, ...more } });
const madeBy = (teller: Teller, nodes: number[]) => nodes.map((node) => teller.madeWith(node)?.prompt);

describe("what a command left", () => {
  const finished = [opened, step(1), step(2), step(3), step(4), said(prompt("a lion"), 4)];
  const back = { ...said({ kind: "rewind", step: 2 }, 4), ...left("a lion") };
  const carried = [...finished, back, moved(2, 1), step(5, 1, 2, 3), step(6, 1, 5, 4)];

  it("is what makes the next picture where it was asked for over a finished one", () => {
    const teller = new Teller();
    const { marks, entries } = teller.tell(log(...carried));
    expect(madeBy(teller, [2, 4, 5, 6])).toEqual(["a cat", "a cat", "a lion", "a lion"]);
    const text = "Went back from step 4 to step 2 and took along what was asked for over the picture.";
    expect(marks).toMatchObject([
      { node: 4, branch: 0 },
      { node: 2, step: 2, branch: 1, text },
    ]);
    expect(entries.find((one) => one.seq === 6)?.text).toBe(text);
  });

  it("is taken along in a log from before, too, that does not say so", () => {
    const teller = new Teller();
    teller.tell(log(...finished, { ...back, left: undefined }, ...carried.slice(7)));
    expect(madeBy(teller, [2, 4, 5, 6])).toEqual(["a cat", "a cat", "a lion", "a lion"]);
  });

  it("is what was taken along no more once that is taken back", () => {
    const teller = new Teller();
    const undo = { ...said({ kind: "undo" }, 2), ...left("a lion") };
    const marks = () => teller.tell(log(...finished, back, moved(2, 1), undo, moved(4, 0))).marks;
    expect(marks()).toMatchObject([{ node: 4, branch: 0 }]);
    const again = { ...said({ kind: "undo" }, 4), ...left("a cat") };
    expect(new Teller().tell(log(...finished, back, moved(2, 1), undo, moved(4, 0), again)).marks).toEqual([]);
  });

  it("is a plain journey where nothing was asked for", () => {
    const journey = [{ ...back, ...left("a cat") }, moved(2, 0)];
    const teller = new Teller();
    const { marks, entries } = teller.tell(log(...finished.slice(0, 5), ...journey));
    expect([marks, entries.at(-2)?.text]).toEqual([[], "Went back from step 4 to step 2."]);
  });

  it("holds, whatever an undo would have led to in a log alone", () => {
    const teller = new Teller();
    const choices = [3, 5].map((guidance_scale) => ({ kind: "choice", guidance_scale }) as const);
    const compared = [
      said(prompt("a dog"), 1),
      { ...said({ kind: "compare", choices }, 1), ...left("a dog") },
      moved(1, 1),
    ];
    // a comparison is not taken back: the change before it is
    const undo = [{ ...said({ kind: "undo" }, 1), ...left("a cat") }, moved(1, 0)];
    teller.tell(log(opened, step(1), ...compared, ...undo, step(2)));
    expect(madeBy(teller, [1, 2])).toEqual(["a cat", "a cat"]);
    expect(teller.tell(log(opened, step(1), ...compared, ...undo, step(2))).marks).toMatchObject([{ branch: 1 }]);
  });

  it("says which masks the regions had that drew a state", () => {
    const region = { id: "fox", prompt: "a fox", mask: null };
    const painted = { kind: "paint-region", id: "fox", stroke: 5, patch: null } as unknown as Command;
    const begun = { ...opened, settings: { ...settings, regions: [{ ...region, mask: "m1" }] } };
    const regions = [{ ...region, mask: "m2" }];
    const events = [begun, step(1), said(painted, 1), step(2), step(3), { ...said({ kind: "rewind", step: 1 }, 3) }];
    const teller = new Teller();
    const masks = () => [1, 2].map((node) => teller.masksOf(teller.madeWith(node) as never));
    teller.tell(log(...events.slice(0, 4)));
    expect(masks()).toEqual([{ fox: "m1" }, undefined]);
    teller.tell(
      log(...events.slice(0, 5), { ...events[5], ...left("a cat", { regions }) }, moved(1, 0), step(2, 0, 1)),
    );
    expect(masks()).toEqual([{ fox: "m1" }, { fox: "m2" }]);
  });
});

describe("a tree that several sessions of a script share", () => {
  const of = (cursor: number, ...events: object[]) => events.map((event) => ({ ...event, cursor }));
  const begun = [
    ...[opened, step(1), ...of(1, moved(1, 0), { ...said({ kind: "branch-off" }, 1), ...left("a cat") }, moved(1, 1))],
    ...[...of(1, said(prompt("a lion"), 1)), ...of(0, said(prompt("an owl"), 1))],
    ...[...of(1, step(2, 1, 1, 2)), ...of(0, step(3, 0, 1, 2)), ...of(1, step(4, 1, 2, 3)), ...of(0, step(5, 0, 3, 3))],
  ];
  const gone = (cursor: number) => ({ kind: "cursor-left", cursor });

  it("has what each of them asked for in the states that it made", () => {
    const teller = new Teller();
    teller.tell(log(...begun, gone(1)));
    expect(madeBy(teller, [1, 2, 3, 4, 5])).toEqual(["a cat", "a lion", "an owl", "a lion", "an owl"]);
    expect(teller.inForce.prompt).toBe("an owl");
    teller.tell(log(...begun, gone(0)));
    expect(teller.inForce.prompt).toBe("a lion");
  });

  it("takes back what was done where it is looked at", () => {
    const teller = new Teller();
    const { marks } = teller.tell(
      log(...begun, ...of(1, said(prompt("a pig"), 4)), gone(1), said({ kind: "undo" }, 5)),
    );
    expect(teller.inForce.prompt).toBe("a cat");
    expect(marks.map((mark) => mark.branch)).toEqual([1, 0, 1]);
  });

  it("says on which branch the others did something, once they have left", () => {
    const teller = new Teller();
    const told = (events: SessionEvent[]) => teller.tell(events).entries.map((one) => one.text);
    expect(told(log(...begun))).toContain("Step 1: 'a cat' became 'a lion'.");
    const texts = told(log(...begun, gone(1)));
    expect(texts).toContain("Branch 2, step 1: 'a cat' became 'a lion'.");
    expect(texts).toContain("Step 1: 'a cat' became 'an owl'.");
    expect(texts).toContain("Another session of this tree went on at step 1 of branch 1.");
  });

  it("tells what came before there were several as its own", () => {
    const texts = new Teller().tell(log(...begun, gone(0))).entries.map((one) => one.text);
    expect(texts).toContain("Step 1 of 4.");
    expect(texts).toContain("Branch 1, step 1: 'a cat' became 'an owl'.");
    expect(texts).toContain("Step 1: 'a cat' became 'a lion'.");
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

  it("knows how takes begin that nobody has opened", () => {
    const choices = [{ guidance_scale: 5 }, { seed: 9 }].map((own) => ({ kind: "choice", ...own }) as const);
    const compared = { ...said({ kind: "compare", choices }, 1), ...left("a cat", { guidance_scale: 5 }) };
    const teller = new Teller();
    teller.tell(log(opened, step(1), compared, moved(1, 1), step(3, 1, 1, 2)));
    expect([2, 3].map((node) => teller.madeWith(node))).toMatchObject([
      { guidance_scale: 3, seed: 9 },
      { guidance_scale: 5, seed: 1 },
    ]);
  });

  it("says nothing of states as long as it has only the end of a log", () => {
    const teller = new Teller();
    teller.tell(log(opened, step(1), step(2)).slice(1));
    expect(teller.madeWith(2)).toBeUndefined();
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
