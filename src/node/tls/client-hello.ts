/**
 * Reads the server name of a ClientHello before a TLS engine receives it.
 *
 * node:tls before 24 adds the certificate of an SNICallback to that of the listener instead of
 * replacing it. If one has an RSA key and the other an EC key, OpenSSL chooses between the two by
 * what the client prefers, whatever name it has requested. So the context for a name is chosen
 * before the engine exists.
 *
 * The formats are in RFC 8446 (sections 4.1.2, 4.2 and 5.1) and RFC 6066 (section 3).
 */
import type { Duplex } from 'node:stream';

/** A client that sends more before its ClientHello is complete gets the default certificate. */
const MAX_BYTES = 16_384;

const RECORD_HEADER = 5;
const HANDSHAKE_RECORD = 22;
const MESSAGE_HEADER = 4;
const CLIENT_HELLO = 1;
/** Version and random. */
const FIXED_BYTES = 34;
const SERVER_NAME = 0;
const HOST_NAME = 0;

/**
 * Calls `done` once with the server name that the client requests, '' if it requests none. The
 * bytes stay in `stream`. Nothing is called if the stream ends before.
 */
export function peekServername(stream: Duplex, done: (servername: string) => void): void {
  let received: Buffer = Buffer.alloc(0);
  const onReadable = (): void => {
    const before = received.length;
    for (;;) {
      const chunk: Buffer | null = stream.read(); // Since Node 26, one chunk at a time.
      if (chunk === null) break;
      received = Buffer.concat([received, chunk]);
    }
    const servername = received.length > before ? servernameIn(received) : undefined;
    if (servername === undefined) return;
    stream.off('readable', onReadable);
    stream.unshift(received);
    done(servername);
  };
  stream.on('readable', onReadable);
}

/** The server name in the first bytes of a connection; '' if there is none, also if they are not
 *  TLS: the engine reports that. `undefined`: more bytes are needed. */
export function servernameIn(received: Buffer): string | undefined {
  try {
    const hello = clientHello(received);
    if (hello !== undefined) return hostName(extensionsOf(hello));
    return received.length < MAX_BYTES ? undefined : '';
  } catch {
    return ''; // A length that exceeds the message.
  }
}

/** The body of the message, which may be in several records; `undefined`: not complete. */
function clientHello(received: Buffer): Buffer | undefined {
  const fragments: Buffer[] = [];
  for (let at = 0; at + RECORD_HEADER <= received.length; ) {
    if (received[at] !== HANDSHAKE_RECORD) throw new RangeError('not a handshake record');
    const start = at + RECORD_HEADER;
    at = start + received.readUInt16BE(at + 3);
    fragments.push(received.subarray(start, at));
  }
  const message = Buffer.concat(fragments);
  if (message.length < MESSAGE_HEADER) return undefined;
  if (message[0] !== CLIENT_HELLO) throw new RangeError('not a ClientHello');
  const end = MESSAGE_HEADER + message.readUIntBE(1, 3);
  return message.length < end ? undefined : message.subarray(MESSAGE_HEADER, end);
}

/** The extensions follow session id, cipher suites and compression methods. */
function extensionsOf(hello: Buffer): Buffer {
  let at = FIXED_BYTES;
  at += 1 + hello.readUInt8(at);
  at += 2 + hello.readUInt16BE(at);
  at += 1 + hello.readUInt8(at);
  return at === hello.length ? hello.subarray(at) : vector(hello, at);
}

function hostName(extensions: Buffer): string {
  for (let at = 0; at < extensions.length; ) {
    const body = vector(extensions, at + 2);
    if (extensions.readUInt16BE(at) === SERVER_NAME) {
      const names = vector(body, 0);
      return names.readUInt8(0) === HOST_NAME ? vector(names, 1).toString('latin1') : '';
    }
    at += 4 + body.length;
  }
  return '';
}

/** The bytes after a length of two bytes. */
function vector(bytes: Buffer, at: number): Buffer {
  const start = at + 2;
  const end = start + bytes.readUInt16BE(at);
  if (end > bytes.length) throw new RangeError('a length exceeds the message');
  return bytes.subarray(start, end);
}
