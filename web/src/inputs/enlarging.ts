// How large a small picture is drawn. Pure.

export interface Size {
  width: number;
  height: number;
}

interface Plan {
  /** What of the picture is looked at, from its middle, in its own pixels. */
  part: Size;
  /** What the model is shown. */
  small: Size;
  /** What is drawn. */
  drawn: Size;
}

interface Rules {
  factor: number;
  /** What drawn sides are multiples of. */
  stride: number;
  /** The most pixels that are drawn. */
  pixels: number;
}

/** The size follows the picture, cut to what the model can draw, and made smaller first where the server allows no more. */
export function enlarged(picture: Size, { factor, stride, pixels }: Rules): Plan {
  const unit = stride / common(stride, factor);
  const scale = Math.min(1, Math.sqrt(pixels / (picture.width * picture.height * factor ** 2)));
  const grown = Math.max(1, unit / (picture.width * scale), unit / (picture.height * scale)) * scale;
  const whole = (side: number) => Math.max(unit, Math.floor((side * grown) / unit + 1e-6) * unit);
  const small = { width: whole(picture.width), height: whole(picture.height) };
  const part = { width: small.width / grown, height: small.height / grown };
  return { part, small, drawn: { width: small.width * factor, height: small.height * factor } };
}

/** What becomes of a picture, in words. */
export function enlargedWords(picture: Size, { small, drawn }: Plan): string {
  const by = ({ width, height }: Size) => `${width} x ${height} px`;
  const isScaled = small.width * small.height < 0.9 * picture.width * picture.height;
  const first = isScaled
    ? `${by(picture)} is more than can be drawn larger here, so it is made ${by(small)} first`
    : by(small);
  return `${first}, and drawn as ${by(drawn)}.`;
}

function common(one: number, other: number): number {
  return other === 0 ? one : common(other, one % other);
}
