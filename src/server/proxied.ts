/**
 * `proxied`: a handler behind a proxy that speaks the PROXY protocol.
 *
 *   accept ──► trusted? ──no──► reset (or served as itself)
 *                 └──yes──► header within timeoutMs? ──no──► reset, and the handler has failed
 *                                   └──yes──► handler(socket, the real peer)
 *
 * The header is taken from the connection byte for byte: nothing behind it is touched, so a handler
 * reads with `recv` or with a reader as it likes.
 */
import { checkBoolean, checkDuration, wrongType } from '../kernel/checks.ts';
import type { Operation, Wait } from '../kernel/operation.ts';
import { Lazy, operationOf } from '../kernel/operation.ts';
import { moveOnAfter } from '../kernel/with-scope.ts';
import type { SocketAddress } from '../net/address.ts';
import type { Keys } from '../net/keys.ts';
import { checkKeys } from '../net/keys.ts';
import type { Socket } from '../net/socket.ts';
import { ProxyHeaderError } from './proxy-errors.ts';
import type { ProxyHeader, ProxyParse } from './proxy-protocol.ts';
import { parseProxyHeader } from './proxy-protocol.ts';
import { Ranges } from './ranges.ts';
import type { Handler } from './server.ts';

/** A header with all fields that proxies are known to send is a tenth of it. */
const MOST_BYTES = 4096;
const DEFAULT_TIMEOUT_MS = 5000;

/** What `proxied` is told. */
export interface ProxyProtocolOptions {
  /**
   * Who may speak for others: ranges of addresses ('10.0.0.0/8', 'fd00::/8', '192.0.2.7') and
   * 'unix' for whoever reaches a Unix socket. What anybody else sends is not looked at.
   */
  readonly trusted: readonly string[];
  /** How long a header may take, in milliseconds. Default 5000. */
  readonly timeoutMs?: number;
  /**
   * True (the default): a connection without a header is refused, with a reset. False: it is served
   * for what it is, whether it comes from a proxy or from anybody else.
   */
  readonly required?: boolean;
}

const PROXY_KEYS: Keys<ProxyProtocolOptions> = { trusted: true, timeoutMs: true, required: true };

const headers = new WeakMap<Socket, ProxyHeader>();

/**
 * A handler that reads the header of the PROXY protocol (version 1 or 2) and calls `handler` with
 * the peer that it names; `socket.remoteAddress` is the proxy's. A proxy that speaks for itself (a
 * health check) is its own peer. On a server with TLS the header is looked for inside of TLS.
 *
 * A connection that nobody vouches for is reset, unless `required` is false. A header of a trusted
 * proxy that is wrong, cut off or late is a failure of the handler.
 * Errors: TypeError, RangeError; of the handler ERR_PROXY_HEADER.
 *
 * @example
 * yield* tcpServer(25000, proxied(echo, { trusted: ['10.0.0.0/8'] }));
 */
export function proxied(handler: Handler, options: ProxyProtocolOptions): Handler {
  if (typeof handler !== 'function') throw wrongType('handler', 'a function', handler);
  checkKeys('options', options, PROXY_KEYS);
  const { timeoutMs = DEFAULT_TIMEOUT_MS, required = true } = options;
  checkDuration('options.timeoutMs', timeoutMs);
  checkBoolean('options.required', required);
  const rules: Rules = {
    trusted: new Ranges('options.trusted', options.trusted),
    timeoutMs,
    required,
  };
  return (socket: Socket, peer: SocketAddress): Operation<unknown> =>
    new Lazy(() => serveProxied(socket, peer, handler, rules));
}

/**
 * What the proxy said of this connection: both addresses, and the further fields of version 2
 * (TLS, server name, …). `undefined` without a header.
 */
export function proxyHeader(socket: Socket): ProxyHeader | undefined {
  return headers.get(socket);
}

interface Rules {
  readonly trusted: Ranges;
  readonly timeoutMs: number;
  readonly required: boolean;
}

function* serveProxied(
  socket: Socket,
  proxy: SocketAddress,
  handler: Handler,
  rules: Rules,
): Generator<Wait, unknown> {
  if (!rules.trusted.has(proxy)) {
    if (rules.required) return socket.reset();
    return yield* operationOf(() => handler(socket, proxy));
  }
  const outcome = yield* moveOnAfter(rules.timeoutMs, () => readHeader(socket));
  if (outcome === undefined) throw refused(socket, `it did not come within ${rules.timeoutMs} ms`);
  if (outcome === null) return;
  if (typeof outcome === 'string') throw refused(socket, outcome);
  if (outcome.kind === 'absent') {
    if (rules.required) throw refused(socket, 'there is none');
    return yield* operationOf(() => handler(socket, proxy));
  }
  const { header } = outcome;
  headers.set(socket, header);
  return yield* operationOf(() => handler(socket, header.source ?? proxy));
}

/** Where it is known how a connection begins. */
type Begun = Extract<ProxyParse, { readonly kind: 'header' | 'absent' }>;

/**
 * The header, or that there is none (then nothing was taken), or what is wrong with it; `null`: the
 * peer has gone without a byte, as some who only ask whether the port is open do. Never receives
 * more than belongs to the header.
 */
function* readHeader(socket: Socket): Generator<Wait, Begun | string | null> {
  let bytes: Buffer = Buffer.alloc(0);
  for (;;) {
    const parse = parseProxyHeader(bytes, MOST_BYTES);
    if (parse.kind === 'wrong') return parse.why;
    if (parse.kind !== 'more') {
      // The bytes of a header call for no answer: a connection that is drained now is idle.
      if (parse.kind === 'header') socket.sendCompleted();
      else socket.unreceive(bytes);
      return parse;
    }
    const more = yield* socket.recv(parse.atLeast - bytes.length);
    if (more.length > 0) bytes = Buffer.concat([bytes, more]);
    else return bytes.length === 0 ? null : 'the connection ended in the middle of it';
  }
}

function refused(socket: Socket, why: string): ProxyHeaderError {
  const error = new ProxyHeaderError(`${socket.remoteAddress}`, why);
  socket.reset();
  return error;
}
