import { describe, expect, it } from "vitest";
import { combinations, tableOf, valuesIn } from "./choices";

describe("what was typed", () => {
  it.each([
    ["guidance_scale", "1, 3 5;5", [1, 3, 5]],
    ["prompt", "a cat, sitting\n\n a dog ", ["a cat, sitting", "a dog"]],
    ["sampler", "euler heun", ["euler", "heun"]],
    ["num_steps", "10 20", [10, 20]],
    ["seed", "8, 9, 8", [8, 9]],
  ] as const)("for %s as %j is %j", (setting, text, values) => {
    expect(valuesIn(setting, text)).toEqual({ values, problem: null });
  });

  it.each([
    ["guidance_scale", "3 much", "'much' is not a strength."],
    ["num_steps", "2.5", "'2.5' is not a number of steps."],
    ["num_steps", "0", "'0' is not a number of steps."],
    ["seed", "-1", "'-1' is not a seed."],
  ] as const)("for %s as %j is refused", (setting, text, problem) => {
    expect(valuesIn(setting, text)).toEqual({ values: [], problem });
  });
});

describe("choices", () => {
  const choices = combinations([
    { setting: "sampler", values: ["euler", "heun"] },
    { setting: "guidance_scale", values: [1, 3, 5] },
  ]);

  it("are all combinations, the last varying fastest", () => {
    expect(choices).toHaveLength(6);
    expect(choices[1]).toEqual({ kind: "choice", sampler: "euler", guidance_scale: 3 });
  });

  it("of two settings are a table", () => {
    const { rows, columns, cells } = tableOf(choices);
    expect([rows.length, columns.length]).toEqual([3, 2]);
    expect(rows).toEqual(["strength 1", "strength 3", "strength 5"]);
    expect(cells.flat().sort()).toEqual([0, 1, 2, 3, 4, 5]);
    expect(choices[cells[2]?.[1] ?? -1]).toMatchObject({ guidance_scale: 5, sampler: "heun" });
  });

  it("of one setting are a row", () => {
    const row = tableOf(combinations([{ setting: "prompt", values: ["a cat", "a dog"] }]));
    expect(row).toEqual({ rows: [""], columns: ["'a cat'", "'a dog'"], cells: [[0, 1]] });
  });
});
