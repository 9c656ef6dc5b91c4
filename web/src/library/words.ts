// How a session is told of in the history. Pure.

import { counted } from "../parts/phrases";

const STATUS: Record<string, string> = {
  running: "forming now",
  paused: "paused",
  finished: "finished",
  cancelled: "stopped",
  failed: "could not go on",
  waiting: "waiting for its turn",
  opening: "being opened",
  interrupted: "interrupted",
};

/** What a status means to somebody who has never heard of it. */
export function statusWords(status: string, waiting: number | null = null): string {
  if (status === "waiting" && waiting !== null) return `number ${waiting} in the queue`;
  return STATUS[status] ?? status;
}

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** How long ago a time was, in words; both in seconds since 1970. */
export function ago(then: number, now: number): string {
  const passed = Math.max(0, now - then);
  if (passed < 45) return "just now";
  if (passed < HOUR) return `${counted(Math.max(1, Math.round(passed / MINUTE)), "minute")} ago`;
  if (passed < DAY) return `${counted(Math.max(1, Math.round(passed / HOUR)), "hour")} ago`;
  if (passed < 2 * DAY) return "yesterday";
  if (passed < 14 * DAY) return `${counted(Math.floor(passed / DAY), "day")} ago`;
  return new Date(then * 1000).toLocaleDateString(undefined, { day: "numeric", month: "short", year: "numeric" });
}

/** How many states there are, where there are any worth counting. */
export function statesWords(count: number): string {
  return count <= 1 ? "not begun" : counted(count - 1, "step");
}

/** A prompt as a heading; never nothing. */
export function titleWords(title: string): string {
  return title.trim() || "Without words";
}
