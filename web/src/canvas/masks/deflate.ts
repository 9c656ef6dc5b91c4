import { zlibSync } from "fflate";

const SMALL = 4096;

/** As the server reads it (zlib); by the browser's own code where it is much, so that painting does not wait for it. */
export async function deflate(bytes: Uint8Array): Promise<Uint8Array> {
  if (bytes.length <= SMALL || typeof CompressionStream === "undefined") return zlibSync(bytes, { level: 1 });
  const stream = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
