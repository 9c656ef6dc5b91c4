// Binary messages: u8 version | u8 kind | u16 flags | u32 length of the header | header in msgpack | payload (numbers little-endian).

import { decode, encode } from "@msgpack/msgpack";

const VERSION = 1;
const START = 8;

export const KIND = { event: 1, frame: 2, mask: 3 } as const;
type Kind = (typeof KIND)[keyof typeof KIND];

export interface Envelope {
  kind: Kind;
  header: Record<string, unknown>;
  payload: Uint8Array;
}

const NOTHING = new Uint8Array(0);

/** The message's bytes. */
export function pack(header: object, payload: Uint8Array = NOTHING, kind: Kind = KIND.event): Uint8Array<ArrayBuffer> {
  const packed = encode(header, { ignoreUndefined: true });
  const message = new Uint8Array(START + packed.length + payload.length);
  const view = new DataView(message.buffer);
  view.setUint8(0, VERSION);
  view.setUint8(1, kind);
  view.setUint32(4, packed.length, true);
  message.set(packed, START);
  message.set(payload, START + packed.length);
  return message;
}

/** Read a message. Throws where the bytes are none, or of another version. */
export function unpack(data: ArrayBuffer): Envelope {
  const view = new DataView(data);
  const version = data.byteLength < START ? Number.NaN : view.getUint8(0);
  if (version !== VERSION)
    throw new Error(`Messages of version ${VERSION} are read here, but one of version ${version} came.`);
  const end = START + view.getUint32(4, true);
  if (end > data.byteLength)
    throw new Error(`A header that ends at ${end} was announced in a message of ${data.byteLength}.`);
  const header = decode(new Uint8Array(data, START, end - START)) as Record<string, unknown>;
  return { kind: view.getUint8(1) as Kind, header, payload: new Uint8Array(data, end) };
}
