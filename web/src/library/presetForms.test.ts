import { unzlibSync } from "fflate";
import { describe, expect, it } from "vitest";
import { draftIn, presetIn, presetText, rectangle, replaceWith } from "./presetForms";

const none = async () => {
  throw new Error("there is no mask to read");
};

describe("a preset of regions", () => {
  it("becomes one command, with ids of its own and everything that is not said as it is by default", async () => {
    const content = {
      prompt: "a rainbow",
      regions: [
        {
          name: "left",
          prompt: "a strawberry",
          base_ratio: 0.2,
          box: [0, 0, 0.5, 1] as [number, number, number, number],
        },
        { prompt: "a dolphin" },
      ],
    };
    const command = await replaceWith(content, 4, 2, none);
    expect(command).toMatchObject({
      kind: "replace-regions",
      prompt: "a rainbow",
      negative_prompt: null,
      mode: "attention",
    });
    expect(command.regions[0]?.region).toEqual({ id: "1", name: "left", prompt: "a strawberry", base_ratio: 0.2 });
    expect([...unzlibSync(command.regions[0]?.mask?.data ?? new Uint8Array())]).toEqual([
      255, 255, 0, 0, 255, 255, 0, 0,
    ]);
    expect(command.regions[1]).toEqual({ region: { id: "2", prompt: "a dolphin" }, mask: null });
  });

  it("reads masks from their pictures", async () => {
    const mask = { width: 1, height: 1, data: new Uint8Array([1]) };
    const command = await replaceWith({ regions: [{ mask: "data:image/png;base64,AA" }] }, 4, 2, async () => mask);
    expect(command.regions[0]?.mask).toBe(mask);
  });

  it("has a row and a column in the thinnest box", () => {
    const values = unzlibSync(rectangle(4, 4, [1, 0.5, 1, 0.5]).data);
    expect([...values].filter((value) => value === 255)).toHaveLength(1);
    expect(values[2 * 4 + 3]).toBe(255);
  });
});

describe("a preset's file", () => {
  it.each(["regions", "settings"] as const)("of %s is read back", (kind) => {
    const text = presetText(kind, "two foxes", { prompt: "a fox", name: "an older name" });
    const read = presetIn(text, "download.json");
    expect(read).toMatchObject({ kind, name: "two foxes", content: { prompt: "a fox" } });
  });

  it("may be settings that were copied as JSON", () => {
    expect(presetIn('{"prompt": "a fox", "num_steps": 9}', "fox.json")).toEqual({
      kind: "settings",
      name: "fox",
      content: { prompt: "a fox", num_steps: 9 },
    });
  });

  it.each(["{", "[]", "7", '{"format": "other", "prompt": ""}', "{}"])("is refused in a sentence: %s", (text) => {
    expect(() => presetIn(text, "odd.json")).toThrow(/^odd\.json is no /);
  });

  it("fills a form with what a form has", () => {
    expect(draftIn({ prompt: "a fox", num_steps: 9, seed: "7", image: "x", model: null })).toEqual({
      prompt: "a fox",
      num_steps: 9,
    });
  });
});
