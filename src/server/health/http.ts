/**
 * The part of HTTP/1.1 (RFC 9112) that answers GET and HEAD: one request per connection.
 *
 * The parser is strict where the RFC lets a server choose between rejecting and repairing a
 * request. The content of a request is not read: the connection ends after the response.
 */
import type { Wait } from '../../kernel/operation.ts';
import type { Reader } from '../../net/buffered/reader.ts';
import type { Fields } from '../../net/http/head.ts';
import { parseRequestHead, pathAndQueryOf } from '../../net/http/head.ts';
import type { Socket } from '../../net/tcp/socket.ts';

/** Maximum size of the request line and all headers. */
const MAX_HEAD_BYTES = 8192;
/** Maximum size of input that is discarded before the close, which would otherwise reset the
 *  connection and destroy the response. */
const MAX_DISCARDED_BYTES = 65_536;

const REASON_PHRASES = {
  200: 'OK',
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
} as const;

export interface HttpResponse {
  readonly status: keyof typeof REASON_PHRASES;
  readonly body: string | Uint8Array;
  /** Content-Type; default plain text. */
  readonly type?: string;
  /** Additional header fields. */
  readonly headers?: Readonly<Record<string, string>>;
  /** True: a response to HEAD, without the body. */
  readonly headOnly?: boolean;
}

export interface HttpRequest {
  /** The path, without the query. */
  readonly target: string;
  /** The text after the question mark; '' without one. */
  readonly query: string;
  readonly fields: Fields;
  readonly headOnly: boolean;
}

/** Reads a request. Returns a response if it is invalid, `null` if the peer disconnected first. */
export function* readRequest(socket: Socket): Generator<Wait, HttpRequest | HttpResponse | null> {
  const lines = yield* readHead(socket.reader());
  return lines === null || 'status' in lines ? lines : parseRequest(lines);
}

function parseRequest(lines: readonly string[]): HttpRequest | HttpResponse {
  const head = parseRequestHead(lines);
  if (typeof head === 'string') return invalid(head);
  const { method, fields } = head;
  if (method !== 'GET' && method !== 'HEAD') {
    return { status: 405, body: 'Only GET and HEAD are supported\n' };
  }
  const path = pathAndQueryOf(head.target);
  if (path === undefined) return invalid('Expected a path or an http URL as the target');
  const [, target = '', query = ''] = /^([^?]*)\??(.*)$/.exec(path) ?? [];
  return { target, query, fields, headOnly: method === 'HEAD' };
}

function invalid(why: string): HttpResponse {
  return { status: 400, body: `${why}\n` };
}

/**
 * The lines before the empty line. A line may end with a line feed alone, and leading empty lines
 * are skipped (RFC 9112, section 2.2).
 */
function* readHead(reader: Reader): Generator<Wait, readonly string[] | HttpResponse | null> {
  const lines: string[] = [];
  for (let left = MAX_HEAD_BYTES; left > 0; ) {
    const line = yield* readHeadLine(reader, left);
    if (line === null) return null;
    if (line === undefined) break;
    left -= Buffer.byteLength(line) + 2;
    if (line !== '') lines.push(line);
    else if (lines.length > 0) return lines;
  }
  return { status: 431, body: `A request may have at most ${MAX_HEAD_BYTES} bytes\n` };
}

/** `undefined`: the line is too long. */
function* readHeadLine(reader: Reader, max: number): Generator<Wait, string | null | undefined> {
  try {
    return yield* reader.readLine({ max });
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ERR_LIMIT') return undefined;
    throw error;
  }
}

/** Sends the response and waits until the peer has finished. */
export function* sendResponse(socket: Socket, response: HttpResponse): Generator<Wait, void> {
  const { status, type = 'text/plain; charset=utf-8', headers = {}, headOnly = false } = response;
  const body = typeof response.body === 'string' ? Buffer.from(response.body) : response.body;
  const head = [
    `HTTP/1.1 ${status} ${REASON_PHRASES[status]}`,
    `Content-Type: ${type}`,
    `Content-Length: ${body.length}`,
    'Cache-Control: no-store',
    'Connection: close',
    ...(status === 405 ? ['Allow: GET, HEAD'] : []),
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  const headBytes = Buffer.from(`${head.join('\r\n')}\r\n\r\n`);
  yield* socket.sendv(headOnly ? [headBytes] : [headBytes, body]);
  socket.shutdown('send');
  yield* discardInput(socket.reader());
}

function* discardInput(reader: Reader): Generator<Wait, void> {
  for (let left = MAX_DISCARDED_BYTES; left > 0; ) {
    const data = yield* reader.read();
    if (data.length === 0) return;
    left -= data.length;
  }
}
