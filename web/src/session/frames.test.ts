import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { FrameHeader } from "../wire";
import { frameOf, takeFrame } from "./frames";

const header = (node: number, rev = 0): FrameHeader => ({
  type: "frame",
  number: node,
  session: "one",
  node,
  step: node,
  branch: 0,
  rev,
  width: 8,
  height: 8,
  at: 0,
});

const take = async (node: number, bytes = 10) => {
  await takeFrame(header(node), new Uint8Array(bytes), () => true);
  return frameOf("one", node) as string;
};

describe("the frames that are kept", () => {
  const revoked: string[] = [];

  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal(
      "Image",
      class {
        src = "";
        decode = async () => {};
      },
    );
    revoked.length = 0;
    vi.spyOn(URL, "revokeObjectURL").mockImplementation((url) => void revoked.push(url));
  });

  afterEach(() => {
    vi.runAllTimers();
    vi.useRealTimers();
    vi.unstubAllGlobals();
    vi.restoreAllMocks();
  });

  it("can still be drawn for a while when the same state comes again, as after a lost connection", async () => {
    const first = await take(1);
    const second = await take(1);
    expect(second).not.toBe(first);
    expect(revoked).toEqual([]);
    vi.runAllTimers();
    expect(revoked).toEqual([first]);
  });

  it("are let go, the oldest first, when there are too many bytes", async () => {
    const oldest = await take(2, 30 * 2 ** 20);
    const newest = await take(3, 30 * 2 ** 20);
    expect(frameOf("one", 2)).toBeUndefined();
    expect(frameOf("one", 3)).toBe(newest);
    vi.runAllTimers();
    expect(revoked).toContain(oldest);
    expect(revoked).not.toContain(newest);
  });
});
