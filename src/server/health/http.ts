/** As much of HTTP/1.1 (RFC 9112) as answering a GET takes: one request, one answer, the end. */
import type { Wait } from '../../kernel/operation.ts';
import type { Reader } from '../../net/buffered/reader.ts';
import type { Socket } from '../../net/tcp/socket.ts';

/** Bytes of the request line and all headers. */
const MAX_HEAD_BYTES = 8192;
/** What is thrown away after the answer, so that the close does not destroy it. */
const MAX_DISCARDED_BYTES = 65536;

/** An answer. */
export interface HttpResponse {
  readonly status: 200 | 400 | 404 | 405 | 431 | 500 | 503;
  /** Text; its length in bytes is told. */
  readonly body: string;
  /** Content-Type; default plain text. */
  readonly type?: string;
  /** The answer to HEAD: everything but the body. */
  readonly headOnly?: boolean;
}

const REASON_PHRASES: Readonly<Record<HttpResponse['status'], string>> = {
  200: 'OK',
  400: 'Bad Request',
  404: 'Not Found',
  405: 'Method Not Allowed',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

/** What is asked for. */
export interface HttpRequest {
  /** The path, without a query. */
  readonly target: string;
  readonly headOnly: boolean;
}

/**
 * The request; an answer where it is none that could be served; `null` where the peer has gone
 * before it was complete.
 */
export function* readRequest(socket: Socket): Generator<Wait, HttpRequest | HttpResponse | null> {
  const lines = yield* readHead(socket.reader());
  if (lines === null || 'status' in lines) return lines;
  const match = /^(\S+) (\S+) HTTP\/1\.[01]$/.exec(lines[0] ?? '');
  if (match === null) return { status: 400, body: 'Expected GET /path HTTP/1.1\n' };
  const [, method, target = ''] = match;
  if (method === 'GET' || method === 'HEAD') {
    return { target: target.replace(/\?.*$/, ''), headOnly: method === 'HEAD' };
  }
  return { status: 405, body: 'Only GET and HEAD are answered\n' };
}

/** The lines before the empty one. Empty lines at the beginning are passed over (RFC 9112, 2.2). */
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
  return { status: 431, body: `A request has ${MAX_HEAD_BYTES} bytes at most\n` };
}

/** `undefined`: it is too long. */
function* readHeadLine(reader: Reader, max: number): Generator<Wait, string | null | undefined> {
  try {
    return yield* reader.readLine({ max });
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ERR_LIMIT') return undefined;
    throw error;
  }
}

/** Sends the answer and ends the connection in order. */
export function* sendResponse(socket: Socket, answer: HttpResponse): Generator<Wait, void> {
  const { status, body, type = 'text/plain; charset=utf-8', headOnly = false } = answer;
  const head = [
    `HTTP/1.1 ${status} ${REASON_PHRASES[status]}`,
    `Content-Type: ${type}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    'Connection: close',
    ...(status === 405 ? ['Allow: GET, HEAD'] : []),
  ];
  yield* socket.sendAll(`${head.join('\r\n')}\r\n\r\n${headOnly ? '' : body}`);
  socket.shutdown('send');
  yield* discardInput(socket.reader());
}

/** A close with unread input would reset the connection, and the answer on its way with it. */
function* discardInput(reader: Reader): Generator<Wait, void> {
  for (let left = MAX_DISCARDED_BYTES; left > 0; ) {
    const data = yield* reader.read();
    if (data.length === 0) return;
    left -= data.length;
  }
}
