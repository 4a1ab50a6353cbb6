/**
 * coronet/ws: WebSocket servers and clients. The frames are parsed by the npm package `ws`, an
 * optional peer dependency; sockets, limits, drain and TLS are those of Coronet.
 */
import { websocketEngine } from './node/peers/websocket-engine.ts';
import type { ConnectWs } from './ws/client.ts';
import { makeConnectWs } from './ws/client.ts';
import { PreparedMessage } from './ws/connection.ts';
import { OPCODE, serverFrame } from './ws/frame.ts';
import type { Upgrade, WebSocketServer } from './ws/server.ts';
import { makeUpgrade, makeWsServer } from './ws/server.ts';

export type { ConnectWsOptions } from './ws/client.ts';
export type { PreparedMessage, WebSocketConnection } from './ws/connection.ts';
export { WebSocketError } from './ws/errors.ts';
export type { WebSocketOptions } from './ws/options.ts';
export { readUpgrade, rejectUpgrade, type UpgradeRequest } from './ws/request.ts';
export type { UpgradeOptions, WebSocketHandler, WebSocketServerOptions } from './ws/server.ts';

/**
 * Listens at `address` and serves every WebSocket connection with `handler`, in a task of its own:
 * `tcpServer` with the handshake of RFC 6455 before the handler, and the closing handshake after
 * it. A handler that fails closes with 1011. While the server drains, connections are closed with
 * 1001. All options of `tcpServer` apply, among them `tls`, `proxyProtocol` and the limits.
 *
 * Cancel, Errors: as `tcpServer`; ERR_MISSING_PEER without the package `ws`.
 *
 * @example
 * await main(() =>
 *   wsServer(8080, function* (ws) {
 *     for (;;) {
 *       const message = yield* ws.receive();
 *       if (message === null) return;
 *       yield* ws.send(message);
 *     }
 *   }),
 * );
 */
export const wsServer: WebSocketServer = makeWsServer(websocketEngine);

/**
 * Accepts a request that `readUpgrade` has read, so that the program decides by its path or its
 * headers what a connection becomes. The socket is that of the handler of `tcpServer`.
 *
 * Cancel: as `socket.sendAll`. Errors: ERR_WS_HANDSHAKE if the origin is not allowed, after an
 * answer with 403; ERR_MISSING_PEER; TypeError, RangeError; and as `socket.sendAll`.
 *
 * @example
 * const request = yield* readUpgrade(socket);
 * if (request === null) return;
 * if (request.path !== '/chat') return yield* rejectUpgrade(socket, 404);
 * const ws = yield* upgrade(socket, request, { protocols: ['chat.v1'] });
 */
export const upgrade: Upgrade = makeUpgrade(websocketEngine);

/**
 * Connects to a `ws:` or `wss:` URL.
 *
 * Cancel: nothing is left open.
 * Errors: as `connect`; ERR_WS_HANDSHAKE if the server does not accept the connection (`.status`);
 * ERR_TIMEOUT after `timeoutMs`; ERR_MISSING_PEER; TypeError, RangeError.
 *
 * @example
 * using ws = yield* connectWs('ws://localhost:8080/chat');
 * yield* ws.send('hello');
 */
export const connectWs: ConnectWs = makeConnectWs(websocketEngine);

/** Frames a message once, to send it on many connections of a server. */
export function prepareMessage(data: string | Uint8Array): PreparedMessage {
  const opcode = typeof data === 'string' ? OPCODE.text : OPCODE.binary;
  return new PreparedMessage([Buffer.concat(serverFrame(data, opcode))]);
}
