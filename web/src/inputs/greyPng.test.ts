import { zlibSync } from "fflate";
import { describe, expect, it } from "vitest";
import { greyPng, numbersIn } from "./greyPng";

const numbers = (width: number, height: number, value: (index: number) => number) => ({
  width,
  height,
  values: Uint16Array.from({ length: width * height }, (_, index) => value(index)),
});

/** A PNG with these bytes as its filtered rows, as another program may write it; checksums are not looked at. */
function written(width: number, height: number, bits: number, colour: number, rows: number[]): Uint8Array {
  const chunk = (kind: string, content: Uint8Array) => {
    const length = new Uint8Array(new Uint32Array([content.length]).buffer).reverse();
    return [...length, ...new TextEncoder().encode(kind), ...content, 0, 0, 0, 0];
  };
  const size = (side: number) => [0, 0, side >> 8, side & 255];
  const header = Uint8Array.from([...size(width), ...size(height), bits, colour, 0, 0, 0]);
  return Uint8Array.from([
    ...[137, 80, 78, 71, 13, 10, 26, 10],
    ...chunk("IHDR", header),
    ...chunk("IDAT", zlibSync(Uint8Array.from(rows))),
    ...chunk("IEND", new Uint8Array()),
  ]);
}

describe("a PNG of numbers", () => {
  it("comes back as it was, in 8 bits and in 16", () => {
    const small = numbers(7, 5, (index) => (index * 37) % 256);
    expect(numbersIn(greyPng(small, 8))).toEqual(small);
    const large = numbers(31, 3, (index) => (index * 7919) % 65536);
    expect(numbersIn(greyPng(large, 16))).toEqual(large);
  });

  it("is the file that others write, byte for byte where nothing can differ", () => {
    const file = greyPng(
      numbers(1, 1, () => 300),
      16,
    );
    expect([...file.subarray(0, 33)]).toEqual([
      ...[137, 80, 78, 71, 13, 10, 26, 10],
      ...[0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 1, 0, 0, 0, 1, 16, 0, 0, 0, 0, 106, 238, 71, 22],
    ]);
    expect([...file.subarray(-8)]).toEqual([73, 69, 78, 68, 174, 66, 96, 130]);
  });

  it("is read whatever filters its rows have", () => {
    const rows = [0, 1, 2, 3, 1, 1, 1, 1, 2, 1, 1, 1, 3, 1, 1, 1, 4, 1, 1, 1];
    expect(numbersIn(written(3, 5, 8, 0, rows))?.values).toEqual(
      Uint16Array.from([1, 2, 3, 1, 2, 3, 2, 3, 4, 2, 3, 4, 3, 4, 5]),
    );
  });

  it("is read from a palette of few bits by its numbers", () => {
    expect(numbersIn(written(5, 1, 2, 3, [0, 0b00011011, 0b01000000]))?.values).toEqual(
      Uint16Array.from([0, 1, 2, 3, 1]),
    );
    expect(numbersIn(written(3, 1, 1, 0, [0, 0b10100000]))?.values).toEqual(Uint16Array.from([1, 0, 1]));
  });

  it("is none where it has colours, or is another file", () => {
    expect(numbersIn(written(1, 1, 8, 2, [0, 1, 2, 3]))).toBeNull();
    expect(numbersIn(new TextEncoder().encode("no picture"))).toBeNull();
  });
});
