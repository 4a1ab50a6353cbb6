/** The frames that an end sends (RFC 6455, section 5.2). */
import { applyMask, KEY_SIZE, keyAt } from './mask.ts';

export const OPCODE = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** Frames of a server with a payload below this size are one Buffer. */
const JOIN_BELOW = 4096;
const FIN = 0x80;
const MASKED = 0x80;

/** The pieces of an unfragmented frame of a server. A large payload is not copied. */
export function serverFrame(data: string | Uint8Array, opcode: number): Uint8Array[] {
  const length = byteLength(data);
  const headerSize = headerSizeOf(length);
  const isJoined = length < JOIN_BELOW;
  const frame = Buffer.allocUnsafe(isJoined ? headerSize + length : headerSize);
  writeHeader(frame, opcode, length, 0);
  if (!isJoined) return [frame, typeof data === 'string' ? Buffer.from(data) : data];
  writePayload(frame, headerSize, data);
  return [frame];
}

/** An unfragmented frame of a client. `key`: 4 bytes. */
export function clientFrame(
  data: string | Uint8Array,
  opcode: number,
  key: Uint8Array,
): Uint8Array {
  const length = byteLength(data);
  const headerSize = headerSizeOf(length);
  const payloadAt = headerSize + KEY_SIZE;
  const frame = Buffer.allocUnsafe(payloadAt + length);
  writeHeader(frame, opcode, length, MASKED);
  frame.set(key, headerSize);
  writePayload(frame, payloadAt, data);
  applyMask(frame, payloadAt, keyAt(key, 0));
  return frame;
}

function byteLength(data: string | Uint8Array): number {
  return typeof data === 'string' ? Buffer.byteLength(data) : data.length;
}

/** The size of a header without a masking key. */
function headerSizeOf(length: number): number {
  if (length < 126) return 2;
  return length < 65_536 ? 4 : 10;
}

function writeHeader(frame: Buffer, opcode: number, length: number, masked: number): void {
  frame[0] = FIN | opcode;
  if (length < 126) {
    frame[1] = masked | length;
  } else if (length < 65_536) {
    frame[1] = masked | 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = masked | 127;
    frame.writeUIntBE(0, 2, 2);
    frame.writeUIntBE(length, 4, 6);
  }
}

function writePayload(frame: Buffer, at: number, data: string | Uint8Array): void {
  if (typeof data === 'string') frame.write(data, at);
  else frame.set(data, at);
}
