/** The frames of a server, which are not masked (RFC 6455, section 5.2). */

export const OPCODE = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** Frames with a payload below this size are one Buffer. */
const JOIN_BELOW = 4096;
const FIN = 0x80;

/** The pieces of an unfragmented frame. A large payload is not copied. */
export function serverFrame(data: string | Uint8Array, opcode: number): Uint8Array[] {
  const isText = typeof data === 'string';
  const length = isText ? Buffer.byteLength(data) : data.length;
  const headerSize = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const isJoined = length < JOIN_BELOW;
  const frame = Buffer.allocUnsafe(isJoined ? headerSize + length : headerSize);
  frame[0] = FIN | opcode;
  if (headerSize === 2) {
    frame[1] = length;
  } else if (headerSize === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 127;
    frame.writeUIntBE(0, 2, 2);
    frame.writeUIntBE(length, 4, 6);
  }
  if (!isJoined) return [frame, isText ? Buffer.from(data) : data];
  if (isText) frame.write(data, headerSize);
  else frame.set(data, headerSize);
  return [frame];
}
