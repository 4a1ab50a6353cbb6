/** Helpers for tests of WebSocket connections. */
import type { Operation, Server, Socket } from '../../src/index.ts';
import { connect, group } from '../../src/index.ts';
import type {
  ConnectWsOptions,
  WebSocketConnection,
  WebSocketHandler,
  WebSocketServerOptions,
} from '../../src/ws.ts';
import { connectWs, wsServer } from '../../src/ws.ts';
import { eventually, LOOPBACK } from './sockets.ts';

/** Runs `body` while a WebSocket server listens on loopback, then cancels the server. */
export function* withWsServer(
  handler: WebSocketHandler,
  body: (server: Server, url: string) => Operation<void>,
  options: WebSocketServerOptions = {},
): Operation<void> {
  yield* group(function* (tasks): Operation<void> {
    let server: Server | undefined;
    const serving = tasks.spawn(() =>
      wsServer(LOOPBACK, handler, {
        ...options,
        onListening(listening) {
          server = listening;
        },
      }),
    );
    yield* eventually('the server listens', () => server !== undefined);
    const listening = server as unknown as Server;
    yield* body(listening, `ws://${listening.address}/chat`);
    serving.cancel();
  });
}

/** Runs `body` with a client and its server. */
export function* withWs(
  handler: WebSocketHandler,
  body: (ws: WebSocketConnection, server: Server) => Operation<void>,
  options: { readonly server?: WebSocketServerOptions; readonly client?: ConnectWsOptions } = {},
): Operation<void> {
  yield* withWsServer(
    handler,
    function* (server, url): Operation<void> {
      using ws = yield* connectWs(url, options.client);
      yield* body(ws, server);
    },
    options.server,
  );
}

/** Sends every message back. */
export function* echoMessages(ws: WebSocketConnection): Operation<void> {
  for (;;) {
    const message = yield* ws.receive();
    if (message === null) return;
    yield* ws.send(message);
  }
}

/** The head of a valid request. */
export const REQUEST: readonly string[] = [
  'GET /chat HTTP/1.1',
  'Host: localhost',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
];

/** Connects, makes the handshake, and returns the socket: frames are written by the test. */
export function* connectRaw(server: Server): Operation<Socket> {
  const socket = yield* connect(server.address);
  yield* socket.sendAll(`${REQUEST.join('\r\n')}\r\n\r\n`);
  yield* socket.reader().readUntil('\r\n\r\n');
  return socket;
}

/** A frame of a client, with a mask. `first` is its first byte: FIN and opcode. */
export function maskedFrame(first: number, payload: string | Uint8Array): Buffer {
  const bytes = Buffer.from(payload);
  const mask = Buffer.from([1, 2, 3, 4]);
  const length = bytes.length < 126 ? [bytes.length] : [126, bytes.length >> 8, bytes.length & 255];
  const header = [first, (length[0] as number) | 128, ...length.slice(1), ...mask];
  return Buffer.concat([
    Buffer.from(header),
    bytes.map((byte, i) => byte ^ (mask[i % 4] as number)),
  ]);
}

/** The frames of a server up to the end of the stream: first byte and payload. */
export function* readFrames(socket: Socket): Operation<[first: number, payload: string][]> {
  const reader = socket.reader();
  const frames: [number, string][] = [];
  for (;;) {
    const head = yield* reader.readExactly(2);
    if (head === null) return frames;
    let length = (head[1] as number) & 127;
    if (length === 126) length = (yield* reader.readExactly(2))?.readUInt16BE() ?? 0;
    frames.push([head[0] as number, String(yield* reader.readExactly(length))]);
  }
}

/** The text of a close frame's payload: its code and its reason. */
export function closeText(payload: string | Buffer): string {
  const bytes = Buffer.from(payload as string, 'latin1');
  return `${bytes.readUInt16BE()} ${bytes.subarray(2)}`;
}
