// A session's log as a story: each event in words, given what was in force before it, and where each change took effect. Pure.

import type { SessionEvent } from "../session/view";
import type { Before } from "./asked";
import { type Comparison, Course } from "./course";
import { isPartOf } from "./cursors";
import { type Entry, entryOf } from "./entries";
import type { Force } from "./force";
import { type InForce, NOTHING } from "./inForce";
import type { Mark } from "./marks";

/** The same lists as long as nothing came to them; but for `entries`, which grow in place. */
export interface Story {
  entries: readonly Entry[];
  marks: readonly Mark[];
  comparisons: readonly Comparison[];
  /** Every so many steps are shown. */
  previewEvery: number;
  /** How branches are called, by those who named them or by what a comparison has chosen for them. */
  names: ReadonlyMap<number, string>;
}

const NEW: Story = { entries: [], marks: [], comparisons: [], previewEvery: 1, names: new Map() };

/** Reads a log as it grows: what it has read already it does not read again. */
export class Teller {
  private events: readonly SessionEvent[] = [];
  private entries: Entry[] = [];
  private course = this.begun();
  private lastText: string | undefined = undefined;
  private hasFinished = false;
  private story = NEW;

  /** The story of a log. The same value as long as the log is the same. */
  tell(events: readonly SessionEvent[]): Story {
    const known = this.events.length;
    const continues = events.length >= known && (known === 0 || events[known - 1] === this.events[known - 1]);
    // once somebody has left, all that they did is told otherwise
    const isOther = events.slice(known).some((event) => event.kind === "cursor-left");
    if (!continues || events[0] !== this.events[0] || isOther) this.forget();
    if (events.length === this.events.length) return this.story;
    if (this.events.length === 0) this.course.cursors.foresee(events);
    for (let at = this.events.length; at < events.length; at++) this.read(events[at] as SessionEvent, events[at - 1]);
    this.events = events;
    const { marks, comparisons, previewEvery, names } = this.course;
    this.story = { entries: this.entries, marks, comparisons, previewEvery, names };
    return this.story;
  }

  /** What made a state of the log that was told last, as far as the log says it. */
  madeWith(node: number): InForce | undefined {
    // the end of a log alone does not tell what was in force where it begins
    return this.events[0]?.kind === "session-opened" ? this.course.force.madeWith(node) : undefined;
  }

  /** What makes the next step. */
  get inForce(): InForce {
    return this.course.cursors.here?.now ?? NOTHING;
  }

  /** The masks of regions by their ids; undefined where they are not known. */
  masksOf(inForce: InForce): ReturnType<Force["masksOf"]> {
    return this.course.force.masksOf(inForce);
  }

  /** What the model is shown; undefined where that is not known. */
  shownOf(inForce: InForce): ReturnType<Force["shownOf"]> {
    return this.course.force.shownOf(inForce);
  }

  private begun(): Course {
    return new Course((seq) => this.entries.findLast((one) => one.seq === seq));
  }

  private forget(): void {
    Object.assign(this, {
      events: [],
      entries: [],
      course: this.begun(),
      lastText: undefined,
      hasFinished: false,
      story: NEW,
    });
  }

  private read(event: SessionEvent, former: SessionEvent | undefined): void {
    const { course, lastText, hasFinished } = this;
    const { cursors } = course;
    const cursor = course.meet(event);
    const isPart = event.kind === "command-applied" && cursor !== undefined && isPartOf(cursor, event.command);
    const entry = entryOf(event, {
      former: event.kind === "cursor-moved" && !course.isUnderWay ? undefined : former,
      before: { ...(cursor?.now ?? NOTHING), branches: course.names } satisfies Before,
      step: cursor?.step ?? 0,
      lastText,
      isPart,
      hasFinished,
      elsewhere: cursors.elsewhere(event),
    });
    this.entries.push(entry);
    course.follow(event, cursor, { isPart, text: entry.text });
    cursors.note(event);
    if (event.kind !== "state-saved") this.hasFinished = event.kind === "run-finished";
    if (!entry.plain) this.lastText = entry.text;
    entry.node ??= (cursors.of(event) ?? cursors.here)?.node ?? 0;
  }
}
