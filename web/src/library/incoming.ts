// What kind of file somebody has brought. Pure.

const PICTURES = ["image/png", "image/jpeg", "image/webp"];
const ENDINGS: Record<string, string> = { png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg", webp: "image/webp" };
export const ACCEPTED = [...PICTURES, "application/json", ".json"].join(",");
export const UNKNOWN = "Only pictures (PNG, JPEG, WebP) and presets (.json) can be brought in here.";

/** "picture", "preset", or nothing that we know. Some systems tell no type: then the name's ending does. */
export function kindOf({ type, name }: { type: string; name: string }): "picture" | "preset" | null {
  if (PICTURES.includes(typeOf({ type, name }))) return "picture";
  return type === "application/json" || /\.json$/i.test(name) ? "preset" : null;
}

export function typeOf({ type, name }: { type: string; name: string }): string {
  return type || (ENDINGS[name.split(".").at(-1)?.toLowerCase() ?? ""] ?? "");
}

/** The largest part of a picture, from its middle, that has the shape of another size: left, top, width, height. */
export function cropped(from: { width: number; height: number }, to: { width: number; height: number }) {
  const scale = Math.min(from.width / to.width, from.height / to.height);
  const [width, height] = [to.width * scale, to.height * scale];
  return { left: (from.width - width) / 2, top: (from.height - height) / 2, width, height };
}

/** How much of a picture changes, in words. */
export function strengthWords(strength: number): string {
  if (strength < 0.35) return "A touch: shapes and colours stay.";
  if (strength < 0.6) return "Some: the arrangement stays, details are new.";
  if (strength < 0.85) return "Much: what is where stays recognisable.";
  return "Nearly everything: only a hint of it stays.";
}
