import { describe, expect, it } from "vitest";
import { canonical, caps, nameOf } from "./keys";

const press = (key: string, held: Partial<Parameters<typeof nameOf>[0]> = {}) =>
  nameOf({ key, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...held });

describe("a key's name", () => {
  it.each([
    ["b", {}, "b"],
    ["B", { shiftKey: true }, "Shift+b"],
    ["?", { shiftKey: true }, "?"],
    ["Z", { ctrlKey: true, shiftKey: true }, "Mod+Shift+z"],
    ["s", { metaKey: true }, "Mod+s"],
    [" ", {}, "Space"],
    ["ArrowLeft", { shiftKey: true }, "Shift+ArrowLeft"],
    ["b", { altKey: true }, ""],
    ["[", { altKey: true, ctrlKey: true }, "["],
  ])("is told of %s", (key, held, name) => {
    expect(press(key, held)).toBe(name);
  });

  it.each(["b", "?", "Mod+Shift+z", "Mod+Enter", "Space", "+", "Mod++", "["])(
    "is the same written again: %s",
    (name) => {
      expect(canonical(name)).toBe(name);
    },
  );

  it("may be written as people do", () => {
    expect(canonical("Ctrl+Shift+Z")).toBe("Mod+Shift+z");
    expect(canonical(" ")).toBe("Space");
  });

  it("is shown as on a keyboard", () => {
    expect(caps("Mod+Shift+z", false)).toEqual(["Ctrl", "Shift", "Z"]);
    expect(caps("Mod+s", true)).toEqual(["⌘", "S"]);
    expect(caps("ArrowLeft", false)).toEqual(["←"]);
    expect(caps("+", false)).toEqual(["+"]);
    expect(caps("Mod++", false)).toEqual(["Ctrl", "+"]);
  });
});
