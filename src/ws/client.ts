/** `connectWs`: a WebSocket connection of a client (RFC 6455, section 4.1). */
import type { Operation, Wait } from '../kernel/operation.ts';
import { Lazy } from '../kernel/operation.ts';
import { timeout } from '../kernel/scope/with-scope.ts';
import { currentWorld } from '../net/current-world.ts';
import type { Fields } from '../net/http/head.ts';
import { parseFields, readHead, valuesOf } from '../net/http/head.ts';
import type { ConnectOptions } from '../net/tcp/connect.ts';
import { connect } from '../net/tcp/connect.ts';
import type { Socket } from '../net/tcp/socket.ts';
import type { Keys } from '../support/checks.ts';
import { checkDuration, checkKeys, outOfRange } from '../support/checks.ts';
import type { TlsClientOptions } from '../world/tls.ts';
import type { WebSocketEngine } from '../world/websocket.ts';
import { WebSocketConnection } from './connection.ts';
import { handshakeError } from './errors.ts';
import { checkHeaders, checkProtocols } from './headers.ts';
import type { ConnectionSettings, WebSocketOptions } from './options.ts';
import { settingsOf, WEBSOCKET_KEYS } from './options.ts';
import { tokensOf } from './request.ts';

/** Maximum size of a response head. */
const MAX_HEAD_BYTES = 16_384;

/** Options of `connectWs`. */
export interface ConnectWsOptions extends WebSocketOptions {
  /** The subprotocols to offer, in the order of preference. */
  readonly protocols?: readonly string[];
  /** Additional headers of the request, for example Authorization, Cookie or Origin. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Options of TLS, for `wss:` URLs. */
  readonly tls?: TlsClientOptions;
  /** Time limit of the connection and the handshake, in milliseconds; 10 s. */
  readonly timeoutMs?: number;
}

/** `connectWs`. */
export type ConnectWs = (
  url: string | URL,
  options?: ConnectWsOptions,
) => Operation<WebSocketConnection>;

const CONNECT_WS_KEYS: Keys<ConnectWsOptions> = {
  ...WEBSOCKET_KEYS,
  protocols: true,
  headers: true,
  tls: true,
  timeoutMs: true,
};

export function makeConnectWs(engine: WebSocketEngine): ConnectWs {
  return (url, options = {}) => {
    checkKeys('options', options, CONNECT_WS_KEYS);
    const target = targetOf(url);
    if (options.protocols !== undefined) checkProtocols(options.protocols);
    if (options.headers !== undefined) checkHeaders(options.headers);
    const { timeoutMs = 10_000 } = options;
    checkDuration('timeoutMs', timeoutMs);
    const basis = { engine, settings: settingsOf(options) };
    return new Lazy(() =>
      timeout(timeoutMs, () => open(basis, target, options))[Symbol.iterator](),
    );
  };
}

interface Target {
  readonly secure: boolean;
  /** The value of the Host header. */
  readonly authority: string;
  readonly host: string;
  readonly port: number;
  readonly path: string;
}

/** RFC 6455, section 3. */
function targetOf(url: string | URL): Target {
  const expected = 'a URL such as ws://localhost:8080/chat';
  const parsed = URL.canParse(String(url)) ? new URL(String(url)) : null;
  if (parsed === null || !/^wss?:$/.test(parsed.protocol) || parsed.hostname === '') {
    throw outOfRange('url', expected, String(url));
  }
  if (parsed.hash !== '') throw outOfRange('url', `${expected}, without a fragment`, String(url));
  if (parsed.username !== '' || parsed.password !== '') {
    throw outOfRange('url', `${expected}, without a user name (use \`headers\`)`, parsed.host);
  }
  const secure = parsed.protocol === 'wss:';
  return {
    secure,
    authority: parsed.host,
    host: parsed.hostname.replace(/^\[|\]$/g, ''),
    port: parsed.port === '' ? (secure ? 443 : 80) : Number(parsed.port),
    path: `${parsed.pathname}${parsed.search}`,
  };
}

function* open(
  basis: { readonly engine: WebSocketEngine; readonly settings: ConnectionSettings },
  target: Target,
  options: ConnectWsOptions,
): Generator<Wait, WebSocketConnection> {
  const connectOptions: ConnectOptions = target.secure ? { tls: options.tls ?? true } : {};
  const socket = yield* connect({ host: target.host, port: target.port }, connectOptions);
  try {
    const protocol = yield* handshake(basis.engine, socket, { target, options });
    const { platform } = currentWorld();
    return new WebSocketConnection(socket, { ...basis, platform, isServer: false, protocol });
  } catch (error) {
    socket.close();
    throw error;
  }
}

/** Returns the agreed subprotocol. */
function* handshake(
  engine: WebSocketEngine,
  socket: Socket,
  { target, options }: { readonly target: Target; readonly options: ConnectWsOptions },
): Generator<Wait, string> {
  const { protocols = [], headers = {} } = options;
  const key = Buffer.from(currentWorld().platform.randomBytes(16)).toString('base64');
  const head = [
    `GET ${target.path} HTTP/1.1`,
    `Host: ${target.authority}`,
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Key: ${key}`,
    'Sec-WebSocket-Version: 13',
    ...(protocols.length === 0 ? [] : [`Sec-WebSocket-Protocol: ${protocols.join(', ')}`]),
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  yield* socket.sendAll(`${head.join('\r\n')}\r\n\r\n`);
  const lines = yield* readHead(socket.reader(), MAX_HEAD_BYTES);
  if (lines === null) throw handshakeError(socket.name, 'the server ended the connection');
  if ('fault' in lines) throw handshakeError(socket.name, lines.fault);
  const fields = checkResponse(socket.name, lines, engine.acceptKey(key));
  const [protocol = '', ...more] = tokensOf(fields, 'sec-websocket-protocol');
  if (more.length > 0 || (protocol !== '' && !protocols.includes(protocol))) {
    throw handshakeError(socket.name, `the subprotocol ${protocol} was not offered`);
  }
  return protocol;
}

function checkResponse(peer: string, lines: readonly string[], accept: string): Fields {
  const [statusLine = '', ...rest] = lines;
  const [, status] = /^HTTP\/1\.\d (\d{3})(?: .*)?$/.exec(statusLine) ?? [];
  if (status === undefined) throw handshakeError(peer, 'the response is not HTTP/1.1');
  if (status !== '101') {
    throw handshakeError(peer, `the server answered ${statusLine.slice(9, 80)}`, Number(status));
  }
  const fields = parseFields(rest);
  if (typeof fields === 'string') throw handshakeError(peer, fields, 101);
  const names = (field: string): string[] =>
    tokensOf(fields, field).map((token) => token.toLowerCase());
  if (!names('upgrade').includes('websocket') || !names('connection').includes('upgrade')) {
    throw handshakeError(peer, 'the response does not upgrade to WebSocket', 101);
  }
  const accepts = valuesOf(fields, 'sec-websocket-accept');
  if (accepts.length !== 1 || accepts[0] !== accept) {
    throw handshakeError(peer, 'Sec-WebSocket-Accept does not belong to the request', 101);
  }
  const [extension] = valuesOf(fields, 'sec-websocket-extensions');
  if (extension !== undefined) {
    throw handshakeError(peer, `the extension ${extension} was not offered`, 101);
  }
  return fields;
}
