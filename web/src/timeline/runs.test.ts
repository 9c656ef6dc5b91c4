// Runs that were led about at random, by one cursor and by several: what the page says of each state is what really made it.

import { describe, expect, it } from "vitest";
import type { SessionEvent } from "../session/view";
import type { Settings } from "../wire";
import { type InForce, toldOf } from "./inForce";
// written by tests/session/told_runs.py
import lines from "./runs.jsonl?raw";
import { Teller } from "./story";

interface Run {
  settings: Settings[];
  events: SessionEvent[];
  nodes: Record<string, number>;
  now: number;
}

const runs = lines.trim().split("\n").map(runOf);

/** A run as it was written: settings stand once, and are named by their place. */
function runOf(line: string): Run {
  const run = JSON.parse(line);
  for (const event of run.events) if ("left" in event) event.left = run.settings[event.left];
  return run;
}

/** What can be told of settings, however much was known of pictures and masks when it was said. */
function plain({
  start,
  holds,
  feedback,
  painted: _,
  shown: __,
  ...told
}: ReturnType<typeof toldOf> & Partial<InForce>) {
  return { ...told, isBegun: start !== null, isHeld: holds.length > 0, liked: feedback.map(({ liked }) => liked) };
}

/** Whether some of what was kept was let go: the log alone does not tell whether anything is left then. */
const mayHold = (events: readonly SessionEvent[]) =>
  events.some((event) => event.kind === "command-applied" && event.command.kind === "release-area");

describe.each(runs.map((run, seed) => ({ seed, ...run })))("run $seed", ({ settings, events, nodes, now }) => {
  const expected = (at: number) => {
    const told = plain(toldOf(settings[at] as Settings));
    return mayHold(events) ? { ...told, isHeld: expect.anything() } : told;
  };

  it("is told state by state as it was made", () => {
    const teller = new Teller();
    teller.tell(events);
    const told = Object.keys(nodes).map((node) => [node, teller.madeWith(Number(node))] as const);
    expect(told.map(([node, made]) => [node, made && plain(made)])).toEqual(
      told.map(([node]) => [node, expected(nodes[node] as number)]),
    );
    expect(plain(teller.inForce)).toEqual(expected(now));
  });

  it("is told with the masks that its regions had, where it says which", () => {
    const teller = new Teller();
    teller.tell(events);
    for (const [node, at] of Object.entries(nodes)) {
      const made = teller.madeWith(Number(node));
      const masks = made && teller.masksOf(made);
      for (const { id, mask } of (masks && settings[at]?.regions) || [])
        expect([node, id, masks?.[id]]).toEqual([node, id, mask]);
    }
  });

  it("is told the same as it comes, event by event", () => {
    const teller = new Teller();
    for (const length of events.keys()) teller.tell(events.slice(0, length + 1));
    const whole = new Teller();
    expect(teller.tell(events)).toEqual(whole.tell(events));
    expect(teller.inForce).toEqual(whole.inForce);
  });

  it("can be told without what its commands left, as of a log from before", () => {
    const teller = new Teller();
    teller.tell(events.map((event) => ("left" in event ? { ...event, left: undefined } : event)));
    expect(Object.keys(nodes).every((node) => teller.madeWith(Number(node)))).toBe(true);
  });
});

it("tells of most masks which they were", () => {
  const known = runs.flatMap(({ events, nodes }) => {
    const teller = new Teller();
    teller.tell(events);
    const made = Object.keys(nodes).flatMap((node) => teller.madeWith(Number(node)) ?? []);
    return made.filter((one) => one.regions.length > 0).map((one) => teller.masksOf(one) !== undefined);
  });
  expect(known.filter(Boolean).length / known.length).toBeGreaterThan(0.5);
});
