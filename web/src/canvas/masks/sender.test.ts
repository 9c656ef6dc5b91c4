import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Stroke } from "../../connection/client";
import type { SessionEvent } from "../../session/view";
import { isForeign } from "./foreign";
import { emptyMask, type Mask } from "./mask";
import { Sender } from "./sender";

/** What a server's mask comes to after a patch. */
function take(mask: Mask, { left, top, width, height, erase, rows }: Stroke): void {
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const index = (top + y) * mask.width + left + x;
      const [old, patch] = [mask.values[index] ?? 0, rows[y * width + x] ?? 0];
      mask.values[index] = erase ? Math.min(old, 255 - patch) : Math.max(old, patch);
    }
  }
}

describe("a sender", () => {
  const here = emptyMask(20, 10);
  const there = emptyMask(20, 10);
  const sent: Stroke[] = [];
  const settled: [string, boolean][] = [];
  let takes = true;
  let isLive = true;
  let now = 0;
  const sender = new Sender({
    maskOf: () => here,
    deflate: async (rows) => rows,
    async send(stroke) {
      sent.push(stroke);
      take(there, stroke);
      return takes;
    },
    settled: (region, kept) => settled.push([region, kept]),
    now: () => now,
    isLive: () => isLive,
  });
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => {
    vi.useRealTimers();
    sent.length = settled.length = 0;
  });
  const pass = async (time: number) => {
    now += time;
    await vi.advanceTimersByTimeAsync(time);
  };

  it("brings the server's mask to the page's, up and down, at most ten times a second", async () => {
    for (let turn = 0; turn < 40; turn++) {
      const left = (turn * 7) % 15;
      for (let x = left; x < left + 4; x++) here.values[60 + x] = (turn * 61) % 256;
      sender.changed("fox", { rect: { left, top: 3, right: left + 4, bottom: 4 }, rises: true, falls: true }, 1);
      await pass(25);
    }
    await pass(200);
    expect(there.values).toEqual(here.values);
    expect(sent.length).toBeLessThanOrEqual(2 * 12);
    expect(sender.isBusy("fox")).toBe(false);
    expect(settled.at(-1)).toEqual(["fox", true]);
  });

  it("does not mix what belongs to two strokes", async () => {
    const change = (left: number) => ({
      rect: { left, top: 0, right: left + 2, bottom: 1 },
      rises: true,
      falls: false,
    });
    await pass(200);
    sender.changed("fox", change(0), 1);
    await pass(5);
    sender.changed("fox", change(4), 1);
    sender.changed("fox", change(8), 2);
    sender.changed("fox", change(10), 2);
    await pass(300);
    expect(sent.map(({ stroke, left, width }) => [stroke, left, width])).toEqual([
      [1, 0, 2],
      [1, 4, 2],
      [2, 8, 4],
    ]);
  });

  it("keeps what is painted without a connection together", async () => {
    isLive = false;
    for (let x = 0; x < 10; x++) {
      sender.changed("fox", { rect: { left: x, top: 0, right: x + 1, bottom: 1 }, rises: true, falls: false }, x);
      await pass(150);
    }
    expect(sent).toEqual([]);
    expect(sender.isBusy("fox")).toBe(true);
    isLive = true;
    await pass(300);
    expect(sent.map(({ left, width }) => [left, width])).toEqual([[0, 10]]);
  });

  it("says when the server has not taken something", async () => {
    takes = false;
    sender.changed("fox", { rect: { left: 0, top: 0, right: 1, bottom: 1 }, rises: true, falls: false }, 1);
    expect(sender.isBusy("fox")).toBe(true);
    await pass(200);
    expect(settled).toEqual([["fox", false]]);
  });
});

function applied(seq: number, kind: string): SessionEvent {
  return { kind: "command-applied", seq, command: { kind } } as unknown as SessionEvent;
}

describe("patches", () => {
  it("leave in the order in which they were painted, however long each takes to deflate", async () => {
    const done: (() => void)[] = [];
    const sent: number[] = [];
    const sender = new Sender({
      maskOf: () => emptyMask(20, 10),
      deflate: (rows) => new Promise((go) => done.push(() => go(rows))),
      send: async ({ stroke }) => {
        sent.push(stroke);
        return true;
      },
      settled: () => {},
      now: () => 0,
      isLive: () => true,
    });
    const rect = { left: 0, top: 0, right: 1, bottom: 1 };
    for (const stroke of [1, 2, 3, 4]) sender.changed("fox", { rect, rises: true, falls: false }, stroke);
    for (const place of [2, 1, 0]) {
      done[place]?.();
      await new Promise((go) => setTimeout(go, 1));
    }
    expect(sent).toEqual([1, 2, 3]);
  });
});

describe("what happened to masks", () => {
  const events = [
    applied(0, "set-prompt"),
    applied(1, "paint-region"),
    applied(2, "paint-region"),
    applied(3, "pause"),
  ];

  it("is foreign where a stroke is not one of ours", () => {
    expect(isForeign(events, 1, new Set([1, 2]))).toBe(false);
    expect(isForeign(events, 1, new Set([1]))).toBe(true);
    expect(isForeign(events, 2, new Set([2]))).toBe(false);
    expect(isForeign([applied(5, "pause")], 2, new Set())).toBe(true);
  });
});
