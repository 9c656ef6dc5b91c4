import { describe, expect, it } from "vitest";
import { KIND, pack, unpack } from "./envelope";

describe("an envelope", () => {
  it("comes back as it went", () => {
    const payload = new Uint8Array([1, 2, 255]);
    const header = { type: "mask", op: 7, region: "fox", left: 0, erase: true };
    const envelope = unpack(pack(header, payload, KIND.mask).buffer);
    expect(envelope.kind).toBe(KIND.mask);
    expect(envelope.header).toEqual(header);
    expect([...envelope.payload]).toEqual([1, 2, 255]);
  });

  it("leaves out what is not said", () => {
    expect(unpack(pack({ type: "hello", session: undefined }).buffer).header).toEqual({ type: "hello" });
  });

  it("keeps numbers beyond 32 bits", () => {
    expect(unpack(pack({ seed: 2 ** 40 + 1 }).buffer).header).toEqual({ seed: 2 ** 40 + 1 });
  });

  it.each([
    ["too short", new Uint8Array([1, 1])],
    ["of another version", new Uint8Array([9, 1, 0, 0, 0, 0, 0, 0])],
    ["cut off", pack({ type: "hello" }).slice(0, 10)],
  ])("is refused when it is %s", (_, bytes) => {
    expect(() => unpack(bytes.buffer as ArrayBuffer)).toThrow();
  });
});
