// A text in a PNG file, where other programs look for how a picture was made. Pure.

const HEAD = 8 + 25; // the signature, and the first chunk, which says how large the picture is

/** The same file with one more text in it (PNG 1.2, 4.2.3): plain where it can be, UTF-8 elsewhere. */
export function withText(png: Uint8Array, keyword: string, text: string): Uint8Array<ArrayBuffer> {
  const isPlain = [...text].every((sign) => (sign.codePointAt(0) ?? 256) < 256);
  const body = isPlain
    ? latin1(`${keyword}\0${text}`)
    : joined([latin1(`${keyword}\0\0\0\0\0`), new TextEncoder().encode(text)]);
  return joined([png.subarray(0, HEAD), chunk(isPlain ? "tEXt" : "iTXt", body), png.subarray(HEAD)]);
}

/** A text that was put there so; null = there is none. */
export function readText(png: Uint8Array, keyword: string): string | null {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  for (let at = 8; at + 12 <= png.length; ) {
    const length = view.getUint32(at);
    const kind = String.fromCharCode(...png.subarray(at + 4, at + 8));
    const body = png.subarray(at + 8, Math.min(png.length, at + 8 + length));
    const end = body.indexOf(0);
    if ((kind === "tEXt" || kind === "iTXt") && end > 0 && String.fromCharCode(...body.subarray(0, end)) === keyword) {
      if (kind === "tEXt") return new TextDecoder("latin1").decode(body.subarray(end + 1));
      // packed, or in a language: nobody here writes it so
      return body.subarray(end + 1, end + 5).some(Boolean) ? null : new TextDecoder().decode(body.subarray(end + 5));
    }
    at += 12 + length;
  }
  return null;
}

function chunk(kind: string, body: Uint8Array): Uint8Array {
  const told = joined([latin1(kind), body]);
  const numbers = new DataView(new ArrayBuffer(8));
  numbers.setUint32(0, body.length);
  numbers.setUint32(4, checksum(told));
  const bytes = new Uint8Array(numbers.buffer);
  return joined([bytes.subarray(0, 4), told, bytes.subarray(4)]);
}

function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (sign) => sign.charCodeAt(0));
}

function joined(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** CRC-32, as in PNG 1.2, annex D. */
function checksum(bytes: Uint8Array): number {
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return ~sum >>> 0;
}
