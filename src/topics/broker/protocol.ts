/**
 * The text protocol of NATS, for the client and the server of simulations:
 * https://docs.nats.io/reference/reference-protocols/nats-protocol
 */
import type { Wait } from '../../kernel/operation.ts';
import type { Reader } from '../../net/buffered/reader.ts';
import { TopicsError } from '../errors.ts';

/** The maximum size of a message with its headers: max_payload of nats-server. */
export const MAX_PAYLOAD: number = 2 ** 20;
/** The maximum length of a line: max_control_line of nats-server. */
const MAX_LINE = 4096;

const HEADER_VERSION = 'NATS/1.0';
/** The headers of the message that reports a request without receivers. */
export const NO_RESPONDERS: Buffer = Buffer.from(`${HEADER_VERSION} 503\r\n\r\n`);

/** A line of the protocol, with the bytes that follow it. */
export interface Command {
  readonly verb: string;
  readonly args: readonly string[];
  /** The line after the verb: the JSON of INFO and CONNECT, the text of -ERR. */
  readonly rest: string;
  /** The encoded headers, empty if there are none. */
  readonly headers: Buffer;
  readonly data: Buffer;
}

const NOTHING = Buffer.alloc(0);

/**
 * Reads the next command. Returns null at the end of file.
 * Errors: those of the reader; ERR_TOPICS_CONNECT if the peer violates the protocol.
 */
export function* readCommand(reader: Reader): Generator<Wait, Command | null> {
  const line = yield* reader.readLine({ max: MAX_LINE });
  if (line === null) return null;
  const [, verb = '', rest = ''] = /^(\S+)\s*(.*)$/.exec(line) ?? [];
  const args = rest.split(' ').filter((arg) => arg !== '');
  const command = { verb: verb.toUpperCase(), args, rest, headers: NOTHING, data: NOTHING };
  if (!/^H?(?:PUB|MSG)$/.test(command.verb)) return command;
  const size = sizeOf(args.pop());
  const headerSize = command.verb.startsWith('H') ? sizeOf(args.pop()) : 0;
  if (headerSize > size) throw violation(line);
  const bytes = yield* reader.readExactly(size + 2);
  if (bytes === null) return null;
  return {
    ...command,
    headers: bytes.subarray(0, headerSize),
    data: bytes.subarray(headerSize, size),
  };
}

function sizeOf(text: string | undefined): number {
  const size = /^\d{1,9}$/.test(text ?? '') ? Number(text) : Infinity;
  if (size > MAX_PAYLOAD) throw violation(`a size of ${text}`);
  return size;
}

export function violation(text: string): TopicsError {
  return new TopicsError('ERR_TOPICS_CONNECT', `Violation of the NATS protocol: ${text}`);
}

/** The bytes of PUB, HPUB, MSG or HMSG; `head` is the line up to the sizes. */
export function encodeMessage(
  verb: 'PUB' | 'MSG',
  head: string,
  headers: Buffer,
  data: Buffer,
): Buffer {
  const size = headers.length + data.length;
  const line =
    headers.length === 0 ? `${verb} ${head} ${size}` : `H${verb} ${head} ${headers.length} ${size}`;
  return Buffer.concat([Buffer.from(`${line}\r\n`), headers, data, Buffer.from('\r\n')]);
}

export function encodeHeaders(headers: Readonly<Record<string, string>> | undefined): Buffer {
  if (headers === undefined) return NOTHING;
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`${HEADER_VERSION}\r\n${lines.join('')}\r\n`);
}

export function decodeHeaders(encoded: Buffer): Record<string, string> {
  const lines = String(encoded)
    .split('\r\n')
    .slice(1)
    .filter((line) => line !== '');
  return Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    }),
  );
}
