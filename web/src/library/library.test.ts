import { describe, expect, it } from "vitest";
import type { Settings } from "../wire";
import { fileName, freeName } from "./names";
import { openingFields, parametersText } from "./settingsText";
import { ago, statesWords, statusWords, titleWords } from "./words";

const settings: Settings = {
  prompt: "a red apple",
  negative_prompt: "a worm",
  num_steps: 25,
  guidance_scale: 3.5,
  sampler: "euler-ancestral",
  seed: 7,
  width: 128,
  height: 96,
};

describe("words of the history", () => {
  it.each([
    [5, "just now"],
    [60, "1 minute ago"],
    [35 * 60, "35 minutes ago"],
    [3600, "1 hour ago"],
    [5 * 3600, "5 hours ago"],
    [30 * 3600, "yesterday"],
    [4 * 86400, "4 days ago"],
    [-20, "just now"],
  ])("tell %i seconds as %s", (seconds, words) => {
    expect(ago(1e9 - seconds, 1e9)).toBe(words);
  });

  it("tell an old time as its day", () => {
    expect(ago(0, 1e9)).toMatch(/1970|1969/);
  });

  it("tell how a session is doing", () => {
    expect(statusWords("finished")).toBe("finished");
    expect(statusWords("waiting", 3)).toBe("number 3 in the queue");
    expect(statusWords("something new")).toBe("something new");
    expect([statesWords(0), statesWords(1), statesWords(2), statesWords(26)]).toEqual([
      "not begun",
      "not begun",
      "1 step",
      "25 steps",
    ]);
    expect(titleWords("  ")).toBe("Without words");
  });
});

describe("settings as text", () => {
  it("read as other programs write them", () => {
    expect(parametersText("emoji-scenes", settings)).toBe(
      "a red apple\nNegative prompt: a worm\nSteps: 25, Sampler: Euler a, CFG scale: 3.5, Seed: 7, Size: 128x96, Model: emoji-scenes",
    );
  });

  it("quote what would end early, and leave out what is not said", () => {
    const text = parametersText("my, model", { ...settings, prompt: "", negative_prompt: "", sampler: "dpmpp-2m" });
    expect(text).toBe('Steps: 25, Sampler: DPM++ 2M, CFG scale: 3.5, Seed: 7, Size: 128x96, Model: "my, model"');
  });

  it("are the fields of an opening too", () => {
    expect(openingFields("m", settings)).toEqual({ model: "m", ...settings });
    expect(openingFields(null, { prompt: "a fox", seed: null })).toEqual({ prompt: "a fox", negative_prompt: "" });
  });
});

describe("a name", () => {
  it("of a file is plain", () => {
    expect(fileName("Ein Äpfel / (shiny:1.2)", "png")).toBe("ein-apfel-shiny-1-2.png");
    expect(fileName("苹果", "png")).toBe("picture.png");
    expect(fileName("a ".repeat(100), "png").length).toBeLessThan(65);
  });

  it("is free", () => {
    expect(freeName("fox", new Set())).toBe("fox");
    expect(freeName(" fox ", new Set(["fox", "fox 2"]))).toBe("fox 3");
    expect(freeName("", new Set())).toBe("preset");
  });
});
