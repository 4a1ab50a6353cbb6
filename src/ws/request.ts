/** The request and the response of a WebSocket handshake on the server (RFC 6455, section 4.2). */
import type { Operation, Wait } from '../kernel/operation.ts';
import { Lazy } from '../kernel/operation.ts';
import { timeout } from '../kernel/scope/with-scope.ts';
import type { Fields } from '../net/http/head.ts';
import { parseRequestHead, pathAndQueryOf, readHead, valuesOf } from '../net/http/head.ts';
import type { Socket } from '../net/tcp/socket.ts';
import { checkDuration, checkInteger } from '../support/checks.ts';
import { handshakeError } from './errors.ts';

/** Maximum size of a request head. */
const MAX_HEAD_BYTES = 16_384;
/** Default time limit of a request, in milliseconds. */
const REQUEST_TIMEOUT_MS = 10_000;

/** 16 bytes in base64. */
const KEY = /^[\d+/A-Za-z]{22}==$/;
const TOKEN = /^[!#$%&'*+\-.^_`|~\w]+$/;

const REASON_PHRASES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  426: 'Upgrade Required',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  503: 'Service Unavailable',
};

/** A valid request for a WebSocket connection. */
export class UpgradeRequest {
  /** The path, without the query: '/chat'. */
  readonly path: string;
  /** The query, without the question mark; '' without one. */
  readonly query: string;
  /** The subprotocols that the client offers, in its order of preference. */
  readonly protocols: readonly string[];
  /** The Sec-WebSocket-Key. @internal */
  readonly key: string;
  readonly #fields: Fields;

  /** Created by `readUpgrade`. @internal */
  constructor(target: string, fields: Fields, facts: { key: string; protocols: string[] }) {
    const at = target.indexOf('?');
    this.path = at < 0 ? target : target.slice(0, at);
    this.query = at < 0 ? '' : target.slice(at + 1);
    this.key = facts.key;
    this.protocols = facts.protocols;
    this.#fields = fields;
  }

  /** The value of a header, by its name in any case; several values are joined with ", ".
   *  `undefined`: the request does not have it. */
  header(name: string): string | undefined {
    const values = valuesOf(this.#fields, name.toLowerCase());
    return values.length === 0 ? undefined : values.join(', ');
  }
}

/** The status and the text of a response that rejects a request. */
export interface Rejection {
  readonly status: number;
  readonly text: string;
}

/**
 * Reads the request of a client for a WebSocket connection. A request that is not one is answered:
 * 400 if it is invalid, 405 for another method than GET, 426 without an upgrade to WebSocket
 * version 13, 431 above 16 KB or 100 headers. `null`: the peer disconnected before it was complete.
 * Cancel: the request stays partly read; close the socket.
 * Errors: ERR_WS_HANDSHAKE after such an answer; ERR_TIMEOUT after `timeoutMs` (10 s); and as
 * `socket.recv`.
 */
export function readUpgrade(
  socket: Socket,
  options: { readonly timeoutMs?: number } = {},
): Operation<UpgradeRequest | null> {
  const { timeoutMs = REQUEST_TIMEOUT_MS } = options;
  checkDuration('timeoutMs', timeoutMs);
  return new Lazy(() => timeout(timeoutMs, () => readRequest(socket))[Symbol.iterator]());
}

function* readRequest(socket: Socket): Generator<Wait, UpgradeRequest | null> {
  const lines = yield* readHead(socket.reader(), MAX_HEAD_BYTES);
  if (lines === null) return null;
  const request =
    'fault' in lines ? { status: lines.status, text: lines.fault } : parseUpgrade(lines);
  if (request instanceof UpgradeRequest) return request;
  yield* rejectUpgrade(socket, request.status, request.text);
  throw handshakeError(socket.name, `${request.status}, ${request.text}`, request.status);
}

/** Parses the lines of a request. */
export function parseUpgrade(lines: readonly string[]): UpgradeRequest | Rejection {
  const head = parseRequestHead(lines);
  if (typeof head === 'string') return { status: 400, text: head };
  const { fields } = head;
  const target = pathAndQueryOf(head.target);
  if (target === undefined) return { status: 400, text: 'Expected a path as the target' };
  if (head.method !== 'GET') return { status: 405, text: 'Only GET is supported' };
  const fault = upgradeFault(fields, head.minor);
  if (fault !== undefined) return fault;
  const protocols = tokensOf(fields, 'sec-websocket-protocol');
  if (!protocols.every((each) => TOKEN.test(each)) || new Set(protocols).size < protocols.length) {
    return { status: 400, text: 'Sec-WebSocket-Protocol is invalid' };
  }
  const [key = ''] = valuesOf(fields, 'sec-websocket-key');
  return new UpgradeRequest(target, fields, { key, protocols });
}

function upgradeFault(fields: Fields, minor: number): Rejection | undefined {
  const names = (field: string): string[] =>
    tokensOf(fields, field).map((token) => token.toLowerCase());
  if (minor > 1) return { status: 400, text: 'Expected HTTP/1.1' };
  if (minor < 1 || !names('upgrade').includes('websocket')) {
    return { status: 426, text: 'Expected Upgrade: websocket' };
  }
  if (!names('connection').includes('upgrade')) {
    return { status: 400, text: 'Expected Connection: Upgrade' };
  }
  const versions = valuesOf(fields, 'sec-websocket-version');
  if (versions.length !== 1 || versions[0] !== '13') {
    return { status: 426, text: 'Expected Sec-WebSocket-Version: 13' };
  }
  const keys = valuesOf(fields, 'sec-websocket-key');
  if (keys.length !== 1 || !KEY.test(keys[0] ?? '')) {
    return { status: 400, text: 'Expected one Sec-WebSocket-Key of 16 bytes' };
  }
  const length = valuesOf(fields, 'content-length');
  const hasBody = length.some((value) => !/^0+$/.test(value));
  if (hasBody || valuesOf(fields, 'transfer-encoding').length > 0) {
    return { status: 400, text: 'Expected a request without content' };
  }
  return undefined;
}

/** The elements of a list field (RFC 9110, section 5.6.1). */
export function tokensOf(fields: Fields, name: string): string[] {
  return valuesOf(fields, name)
    .flatMap((value) => value.split(','))
    .map((token) => token.replace(/^[\t ]+|[\t ]+$/g, ''))
    .filter((token) => token !== '');
}

/**
 * Answers a request with an error status and ends the sending direction.
 * Cancel: as `socket.sendAll`. Errors: RangeError for a status outside of 400 to 599; and as
 * `socket.sendAll`.
 */
export function rejectUpgrade(socket: Socket, status: number, text = ''): Operation<void> {
  checkInteger('status', status, 400, 599);
  return new Lazy(() => sendRejection(socket, status, text));
}

function* sendRejection(socket: Socket, status: number, text: string): Generator<Wait, void> {
  const body = text === '' ? '' : `${text}\n`;
  const head = [
    `HTTP/1.1 ${status} ${REASON_PHRASES[status] ?? 'Error'}`,
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    ...(status === 426 ? ['Upgrade: websocket', 'Sec-WebSocket-Version: 13'] : []),
    ...(status === 405 ? ['Allow: GET'] : []),
  ];
  yield* socket.sendAll(`${head.join('\r\n')}\r\n\r\n${body}`);
  socket.shutdown('send');
}
