import { describe, expect, it } from "vitest";
import { statusOf } from "./status";
import { fitted, pinched, toPicture, zoomedAt } from "./viewport";

const view = { zoom: 2, x: 30, y: 10 };

describe("the view", () => {
  it("keeps what lies under the pointer while it zooms", () => {
    const at = { x: 100, y: 70 };
    const next = zoomedAt(view, at, 1.7);
    expect(toPicture(next, at).x).toBeCloseTo(toPicture(view, at).x);
    expect(toPicture(next, at).y).toBeCloseTo(toPicture(view, at).y);
    expect(zoomedAt(view, at, 1e9).zoom).toBeLessThanOrEqual(64);
  });

  it("fits the picture between the edges", () => {
    const next = fitted(
      { width: 200, height: 120 },
      { width: 50, height: 50 },
      { left: 60, top: 10, right: 20, bottom: 10 },
    );
    expect(next).toEqual({ zoom: 2, x: 70, y: 10 });
  });

  it("follows two fingers", () => {
    const next = pinched(
      view,
      [
        { x: 0, y: 0 },
        { x: 10, y: 0 },
      ],
      [
        { x: 5, y: 5 },
        { x: 25, y: 5 },
      ],
    );
    expect(next.zoom).toBe(4);
    expect(toPicture(next, { x: 15, y: 5 })).toEqual(toPicture(view, { x: 5, y: 0 }));
  });
});

describe("the line below the picture", () => {
  it("says where it stands", () => {
    expect(statusOf(null, 3, null, [], null).text).toBe("Waiting for its turn: 2 before it.");
    expect(statusOf(null, null, "The model is gone.", [], null).standing).toBe("failed");
  });
});
