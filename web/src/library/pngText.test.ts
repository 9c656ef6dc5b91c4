import { describe, expect, it } from "vitest";
import { readText, withText } from "./pngText";

const png = Uint8Array.from({ length: 60 }, (_, index) => index);
const read = (bytes: Uint8Array, from: number, to: number) => String.fromCharCode(...bytes.subarray(from, to));

describe("a text in a PNG", () => {
  it("stands behind the head, and the rest is as it was", () => {
    const told = withText(png, "parameters", "a fox");
    expect([...told.subarray(0, 33)]).toEqual([...png.subarray(0, 33)]);
    expect([...told.subarray(33, 37)]).toEqual([0, 0, 0, 16]);
    expect(read(told, 37, 57)).toBe("tEXtparameters\0a fox");
    expect([...told.subarray(61)]).toEqual([...png.subarray(33)]);
  });

  it("has the checksum that every reader expects", () => {
    // as zlib.crc32(b"tEXta\0b") says
    const told = withText(png, "a", "b");
    expect(new DataView(told.buffer).getUint32(33 + 8 + 3)).toBe(0xdc49a23b);
  });

  it.each(["a fox", "ein Apfel 🍎"])("is read again: %s", (text) => {
    const whole = Uint8Array.from([...png.subarray(0, 8), 0, 0, 0, 13, ...png.subarray(12, 33)]);
    const told = withText(withText(whole, "other", "?"), "words", text);
    expect(readText(told, "words")).toBe(text);
    expect(readText(told, "parameters")).toBeNull();
  });

  it("is UTF-8 where it must be", () => {
    const told = withText(png, "parameters", "ein Apfel 🍎");
    expect(read(told, 37, 41)).toBe("iTXt");
    expect(new TextDecoder().decode(told.subarray(41, told.length - 27 - 4))).toBe("parameters\0\0\0\0\0ein Apfel 🍎");
  });
});
