/** WebSocket connections of a server: `upgrade` and `wsServer`. */
import type { Operation, Wait } from '../kernel/operation.ts';
import { Lazy, operationOf } from '../kernel/operation.ts';
import type { Address } from '../net/address.ts';
import { currentWorld } from '../net/current-world.ts';
import type { Socket } from '../net/tcp/socket.ts';
import type { ServerOptions } from '../server/options.ts';
import { tcpServer } from '../server/serve.ts';
import type { Keys } from '../support/checks.ts';
import { checkDuration, checkKeys, pick, wrongType } from '../support/checks.ts';
import type { WebSocketEngine } from '../world/websocket.ts';
import { WebSocketConnection } from './connection.ts';
import { handshakeError, WebSocketError } from './errors.ts';
import { checkHeaders, checkProtocols } from './headers.ts';
import type { ConnectionSettings, WebSocketOptions } from './options.ts';
import { settingsOf, WEBSOCKET_KEYS } from './options.ts';
import type { UpgradeRequest } from './request.ts';
import { readUpgrade, rejectUpgrade } from './request.ts';

/** Options of `upgrade`. */
export interface UpgradeOptions extends WebSocketOptions {
  /** The subprotocols of the server, in its order of preference. The first that the client offers
   *  is agreed. */
  readonly protocols?: readonly string[];
  /**
   * The values of Origin that are accepted: 'same-host', the default, accepts requests without an
   * Origin, as programs send them, and of pages of the same host and port; '*' accepts every page;
   * a list or a function states them. A browser lets every page connect, with the user's cookies.
   */
  readonly origins?: 'same-host' | '*' | readonly string[] | ((origin: string) => boolean);
  /** Additional headers of the response. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Options of `wsServer`. */
export interface WebSocketServerOptions extends ServerOptions, UpgradeOptions {
  /** The only path that is accepted; other requests get 404. Default: every path. */
  readonly path?: string;
  /** Time limit of the upgrade request, in milliseconds; 10 s. */
  readonly upgradeTimeoutMs?: number;
}

/** Serves one WebSocket connection. */
export type WebSocketHandler = (
  ws: WebSocketConnection,
  request: UpgradeRequest,
) => Operation<unknown>;

/** `upgrade`. */
export type Upgrade = (
  socket: Socket,
  request: UpgradeRequest,
  options?: UpgradeOptions,
) => Operation<WebSocketConnection>;

/** `wsServer`. */
export type WebSocketServer = (
  address: Address,
  handler: WebSocketHandler,
  options?: WebSocketServerOptions,
) => Operation<void>;

const UPGRADE_KEYS: Keys<UpgradeOptions> = {
  ...WEBSOCKET_KEYS,
  protocols: true,
  origins: true,
  headers: true,
};

/** The options of `wsServer` that `tcpServer` does not know. */
type OwnOptions = Omit<WebSocketServerOptions, keyof ServerOptions>;

const OWN_KEYS: Keys<OwnOptions> = { ...UPGRADE_KEYS, path: true, upgradeTimeoutMs: true };

export function makeUpgrade(engine: WebSocketEngine): Upgrade {
  return (socket, request, options = {}) => {
    checkKeys('options', options, UPGRADE_KEYS);
    const settings = checkedSettings(options);
    return new Lazy(() => accept({ engine, settings }, { socket, request, options }));
  };
}

export function makeWsServer(engine: WebSocketEngine): WebSocketServer {
  return (address, handler, options = {}) => {
    const own: OwnOptions = pick(options as OwnOptions, OWN_KEYS);
    const settings = checkedSettings(own);
    if (typeof handler !== 'function') throw wrongType('handler', 'a function', handler);
    if (own.upgradeTimeoutMs !== undefined) {
      checkDuration('upgradeTimeoutMs', own.upgradeTimeoutMs);
    }
    if (own.path !== undefined && !String(own.path).startsWith('/')) {
      throw wrongType('path', "a path that begins with '/'", own.path);
    }
    const rest = Object.entries(options).filter(([key]) => !Object.hasOwn(OWN_KEYS, key));
    const serve = (socket: Socket): Operation<void> =>
      serveConnection({ engine, settings }, { socket, handler, options: own });
    return tcpServer(address, serve, Object.fromEntries(rest) as ServerOptions);
  };
}

interface Basis {
  readonly engine: WebSocketEngine;
  readonly settings: ConnectionSettings;
}

function checkedSettings(options: UpgradeOptions): ConnectionSettings {
  if (options.protocols !== undefined) checkProtocols(options.protocols);
  if (options.headers !== undefined) checkHeaders(options.headers);
  const { origins } = options;
  const isKnown = origins === undefined || origins === '*' || origins === 'same-host';
  if (!isKnown && !Array.isArray(origins) && typeof origins !== 'function') {
    throw wrongType('origins', "'same-host', '*', a list or a function", origins);
  }
  return settingsOf(options);
}

function* serveConnection(
  basis: Basis,
  connection: {
    readonly socket: Socket;
    readonly handler: WebSocketHandler;
    readonly options: OwnOptions;
  },
): Generator<Wait, void> {
  const { socket, handler, options } = connection;
  const accepted = yield* acceptOrReject(basis, socket, options);
  if (accepted === null) return;
  const { ws, request } = accepted;
  try {
    yield* operationOf(() => handler(ws, request));
    yield* ws.close();
  } catch (error) {
    // 1011: the server has met an unexpected condition.
    if (!(error instanceof WebSocketError)) yield* ws.close(1011);
    throw error;
  } finally {
    // The server closes the socket, after a close frame that may still be on its way.
    ws.release();
  }
}

/** `null`: the request was answered with an error, or the peer disconnected. */
function* acceptOrReject(
  basis: Basis,
  socket: Socket,
  options: OwnOptions,
): Generator<Wait, { ws: WebSocketConnection; request: UpgradeRequest } | null> {
  const { upgradeTimeoutMs: timeoutMs, path } = options;
  try {
    const request = yield* readUpgrade(socket, timeoutMs === undefined ? {} : { timeoutMs });
    if (request === null) return null;
    if (path !== undefined && request.path !== path) {
      yield* rejectUpgrade(socket, 404, 'Not found');
      return null;
    }
    return { ws: yield* accept(basis, { socket, request, options }), request };
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    // A fault of the peer, which has been answered.
    if (code === 'ERR_WS_HANDSHAKE' || code === 'ERR_TIMEOUT') return null;
    throw error;
  }
}

function* accept(
  { engine, settings }: Basis,
  from: {
    readonly socket: Socket;
    readonly request: UpgradeRequest;
    readonly options: UpgradeOptions;
  },
): Generator<Wait, WebSocketConnection> {
  const { socket, request, options } = from;
  if (!isAllowedOrigin(request, options.origins ?? 'same-host')) {
    const origin = request.header('origin');
    yield* rejectUpgrade(socket, 403, 'This origin is not allowed');
    throw handshakeError(socket.name, `the origin ${origin} is not allowed`, 403);
  }
  const protocol = options.protocols?.find((each) => request.protocols.includes(each)) ?? '';
  const head = [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${engine.acceptKey(request.key)}`,
    ...(protocol === '' ? [] : [`Sec-WebSocket-Protocol: ${protocol}`]),
    ...Object.entries(options.headers ?? {}).map(([name, value]) => `${name}: ${value}`),
  ];
  yield* socket.sendAll(`${head.join('\r\n')}\r\n\r\n`);
  const { platform } = currentWorld();
  return new WebSocketConnection(socket, { engine, platform, settings, isServer: true, protocol });
}

function isAllowedOrigin(
  request: UpgradeRequest,
  origins: NonNullable<UpgradeOptions['origins']>,
): boolean {
  const origin = request.header('origin');
  if (origins === '*' || origin === undefined) return true;
  if (typeof origins === 'function') return origins(origin) === true;
  if (origins !== 'same-host') return origins.includes(origin);
  const [, host] = /^https?:\/\/([^/]+)$/i.exec(origin) ?? [];
  return host !== undefined && host.toLowerCase() === request.header('host')?.toLowerCase();
}
