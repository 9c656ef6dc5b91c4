import { expect, it } from "vitest";
import { capital, counted, percent, quoted, sentence, short } from "./phrases";

it("somebody's words fit one line", () => {
  expect(quoted(`${"long ".repeat(40)}`).length).toBeLessThan(100);
  expect(quoted("two\nlines")).toBe("'two lines'");
});

it("things are counted", () => {
  expect([0, 1, 2].map((number) => counted(number, "step"))).toEqual(["0 steps", "1 step", "2 steps"]);
});

it("numbers are as short as they can be", () => {
  expect([3, 2.5, 0.126, 1 / 3].map(short)).toEqual(["3", "2.5", "0.13", "0.33"]);
  expect(percent(0.704)).toBe("70 %");
});

it("a sentence begins with a capital letter and ends once", () => {
  expect(capital("a fox")).toBe("A fox");
  expect(capital("")).toBe("");
  expect([" it broke ", "no room.", "why?"].map(sentence)).toEqual(["It broke.", "No room.", "Why?"]);
});
