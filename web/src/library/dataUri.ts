// Pictures within texts.

export async function uriOf(picture: Blob): Promise<string> {
  const bytes = new Uint8Array(await picture.arrayBuffer());
  let signs = "";
  for (const byte of bytes) signs += String.fromCharCode(byte);
  return `data:image/png;base64,${btoa(signs)}`;
}

export function bytesIn(uri: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(uri.slice(uri.indexOf(",") + 1)), (sign) => sign.charCodeAt(0));
}

export function pictureIn(uri: string): Blob {
  return new Blob([bytesIn(uri)], { type: "image/png" });
}
