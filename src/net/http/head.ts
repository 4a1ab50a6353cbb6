/**
 * The head of an HTTP/1.1 message (RFC 9112): its start line and its header fields. The parser is
 * strict where the RFC lets a server choose between rejecting and repairing a message.
 */
import type { Wait } from '../../kernel/operation.ts';
import type { Reader } from '../buffered/reader.ts';

const CARRIAGE_RETURN = 13;

/** Header fields in order, with names in lower case. */
export type Fields = readonly (readonly [name: string, value: string])[];

/** The head of a request. */
export interface RequestHead {
  readonly method: string;
  readonly target: string;
  /** The minor version: 1 of HTTP/1.1. */
  readonly minor: number;
  readonly fields: Fields;
}

/** The maximum number of header lines. */
const MAX_LINES = 100;

/** A head that cannot be used, with the status of the response to it. */
export interface HeadFault {
  readonly status: 400 | 431;
  readonly fault: string;
}

/** RFC 9112, section 3. A later minor version is read as 1.1 (RFC 9110, section 2.5). */
const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~\w]+) ([!-~]+) HTTP\/1\.(\d)$/;
/**
 * RFC 9112, section 5: no space before the colon, no continuation of the line before (obs-fold),
 * and no control character in the value (RFC 9110, section 5.5).
 */
const FIELD_LINE = /^([!#$%&'*+\-.^_`|~\w]+):[\t ]*((?:[\t ]|[^\p{Cc}])*?)[\t ]*$/u;
/** RFC 3986, section 3.2: a name or an address, which may be empty, and a port. */
const HOST_AND_PORT = /^(?:\[[\da-z:.%]+\]|[\w!$&'()*+,;=.~%-]*)(?::\d*)?$/i;
/** RFC 9112, section 3.2.2. */
const ABSOLUTE_FORM = /^https?:\/\/([^/?#]+)([^#]*)$/i;
/** The same length may be repeated (RFC 9110, section 8.6). */
const CONTENT_LENGTH = /^(\d+)(?:[\t ]*,[\t ]*\1)*$/;

/**
 * Reads the lines of a head of at most `max` bytes, up to the empty line. `null`: the peer ended
 * the stream first. Every line has to end with CR LF, and no empty line may precede the first one.
 */
export function* readHead(
  reader: Reader,
  max: number,
): Generator<Wait, readonly string[] | HeadFault | null> {
  const lines: string[] = [];
  let left = max;
  for (;;) {
    const bytes = yield* readHeadLine(reader, Math.max(1, left));
    if (bytes === null) return null;
    if (bytes === undefined || lines.length > MAX_LINES) {
      const fault = `Expected a head of at most ${max} bytes and ${MAX_LINES} headers`;
      return { status: 431, fault };
    }
    left -= bytes.length;
    const line = String(bytes.subarray(0, -2));
    if (bytes.at(-2) !== CARRIAGE_RETURN || (line === '' && lines.length === 0)) {
      return { status: 400, fault: 'Expected lines that end with CR LF' };
    }
    if (line === '') return lines;
    lines.push(line);
  }
}

/** `undefined`: the line is too long; `null`: the stream has ended. */
function* readHeadLine(reader: Reader, max: number): Generator<Wait, Buffer | null | undefined> {
  try {
    return yield* reader.readUntil('\n', { max });
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    if (code === 'ERR_LIMIT') return undefined;
    if (code === 'ERR_UNEXPECTED_EOF') return null;
    throw error;
  }
}

/** Parses the lines of a request head. Returns a text that states the fault of an invalid one. */
export function parseRequestHead([requestLine = '', ...lines]: readonly string[]):
  | RequestHead
  | string {
  const [, method, target = '', minor] = REQUEST_LINE.exec(requestLine) ?? [];
  if (method === undefined) return 'Expected GET /path HTTP/1.1';
  const fields = parseFields(lines);
  if (typeof fields === 'string') return fields;
  const fault = hostFault(fields, minor !== '0') ?? lengthFault(fields);
  return fault ?? { method, target, minor: Number(minor), fields };
}

/** Parses header lines. Returns a text that states the fault of an invalid one. */
export function parseFields(lines: readonly string[]): Fields | string {
  const fields: (readonly [name: string, value: string])[] = [];
  for (const line of lines) {
    const [, name, value = ''] = FIELD_LINE.exec(line) ?? [];
    if (name === undefined) return 'Expected a header such as Host: localhost';
    fields.push([name.toLowerCase(), value]);
  }
  return fields;
}

/** The values of all fields with this name, which is in lower case. */
export function valuesOf(fields: Fields, name: string): string[] {
  return fields.filter(([each]) => each === name).map(([, value]) => value);
}

/** The path and the query of a target in origin form or absolute form; `undefined` if it is
 *  neither. */
export function pathAndQueryOf(target: string): string | undefined {
  const [, authority = '', rest] = ABSOLUTE_FORM.exec(target) ?? [];
  if (rest !== undefined) {
    if (!HOST_AND_PORT.test(authority)) return undefined;
    return rest.startsWith('/') ? rest : `/${rest}`;
  }
  return target.startsWith('/') && !target.includes('#') ? target : undefined;
}

/** RFC 9112, section 3.2. */
function hostFault(fields: Fields, isRequired: boolean): string | undefined {
  const hosts = valuesOf(fields, 'host');
  if (hosts.length === 0) return isRequired ? 'Expected a Host header' : undefined;
  if (hosts.length > 1) return 'Expected one Host header';
  return HOST_AND_PORT.test(hosts[0] ?? '') ? undefined : 'The Host header is invalid';
}

function lengthFault(fields: Fields): string | undefined {
  const lengths = valuesOf(fields, 'content-length');
  const isValid = lengths.length === 0 || CONTENT_LENGTH.test(lengths.join(','));
  return isValid ? undefined : 'The Content-Length header is invalid';
}
