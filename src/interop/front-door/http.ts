/** The servers of node:http and node:http2 on connections of `tcpServer`, and their drain. */
import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http';
import type { Http2Server, ServerHttp2Session } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { Socket } from '../../net/tcp/socket.ts';
import { setImmediate } from '../../node/timers.ts';
import type { HandedOverStreamImpl } from './handed-over-stream.ts';

/** The server that a value is. Importing node:http for `instanceof` would slow down each start. */
export function httpVersionOf(server: unknown): 1 | 2 | undefined {
  const members = (server ?? {}) as Record<string, unknown>;
  const isTls = typeof members['addContext'] === 'function';
  if (isTls || typeof members['emit'] !== 'function') return undefined;
  if (typeof members['updateSettings'] === 'function') return 2;
  return typeof members['closeIdleConnections'] === 'function' ? 1 : undefined;
}

/** Passes a connection to a server of node:http. */
export function openHttp1(server: HttpServer, stream: HandedOverStreamImpl, socket: Socket): void {
  observe(server);
  const connection = new HttpConnection(stream, socket);
  connections.set(stream, connection);
  server.emit('connection', stream);
  if (socket.draining) connection.drain();
}

const connections = new WeakMap<Duplex, HttpConnection>();

/**
 * The state of a connection that its drain depends on.
 *
 *   idle ──request──► busy ──request and response closed──► idle
 *    │                  │ drain: `connection: close`         │ drain
 *    └──────────────────┴────────────────────────────────────┴──► ended
 */
class HttpConnection {
  readonly #stream: HandedOverStreamImpl;
  readonly #socket: Socket;
  /** The requests and the responses that have not ended. */
  readonly #open = new Set<IncomingMessage | ServerResponse>();
  /** The bytes received when the connection became idle. More of them: a request has begun. */
  #receivedWhenIdle = 0;
  #draining = false;

  constructor(stream: HandedOverStreamImpl, socket: Socket) {
    this.#stream = stream;
    this.#socket = socket;
    socket.onDrain = () => this.drain();
  }

  begin(request: IncomingMessage, response: ServerResponse): void {
    for (const part of [request, response]) {
      this.#open.add(part);
      part.once('close', () => this.#ended(part));
    }
    if (this.#draining) announceClose(response);
  }

  /** The connection is no longer one of HTTP. */
  release(): void {
    this.#socket.onDrain = null;
    if (this.#draining) this.#socket.drain();
  }

  /** Deferred: bytes that have arrived may contain a request. */
  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    for (const part of this.#open) if ('headersSent' in part) announceClose(part);
    setImmediate(() => this.#endIfIdle());
  }

  #ended(part: IncomingMessage | ServerResponse): void {
    this.#open.delete(part);
    if (this.#open.size > 0) return;
    this.#receivedWhenIdle = this.#socket.bytesReceived;
    if (this.#draining) this.#endIfIdle();
  }

  #endIfIdle(): void {
    const { bytesReceived, onDrain } = this.#socket;
    if (onDrain === null || this.#open.size > 0 || bytesReceived > this.#receivedWhenIdle) return;
    this.#stream.destroySoon();
  }
}

/** With this header, node:http ends the connection after the response. */
function announceClose(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('connection', 'close');
}

/** The events of servers that are observed. */
const observed = new WeakMap<HttpServer, Set<string>>();

/**
 * Listens to the requests of a server, once for each event. A listener for the other events would
 * change how the server treats such requests, so it is added only where the program has one.
 */
function observe(server: HttpServer): void {
  let events = observed.get(server);
  if (events === undefined) {
    events = new Set();
    observed.set(server, events);
    startTimeouts(server);
  }
  for (const [event, listener] of Object.entries(listeners)) {
    if (events.has(event) || (event !== 'request' && server.listenerCount(event) === 0)) continue;
    events.add(event);
    server.prependListener(event, listener as (...args: unknown[]) => void);
  }
}

const begin = (request: IncomingMessage, response: ServerResponse): void =>
  connections.get(request.socket)?.begin(request, response);
const release = (_request: IncomingMessage, stream: Duplex): void =>
  connections.get(stream)?.release();

const listeners = {
  request: begin,
  checkContinue: begin,
  checkExpectation: begin,
  upgrade: release,
  connect: release,
};

/** node:http checks `headersTimeout` and `requestTimeout` only after the server has begun to
 *  listen, in its first listener for that event, which is found by its name. */
function startTimeouts(server: HttpServer): void {
  if (server.listening) return;
  for (const listener of server.listeners('listening')) {
    if (listener.name === 'setupConnectionsTracking') listener.call(server);
  }
}

/** Passes a connection to a server of node:http2. */
export function openHttp2(server: Http2Server, stream: HandedOverStreamImpl, socket: Socket): void {
  let session: ServerHttp2Session | undefined;
  const onSession = (opened: ServerHttp2Session): void => {
    session = opened;
  };
  server.once('session', onSession);
  server.emit('connection', stream);
  server.off('session', onSession);
  // Sends GOAWAY, and closes the connection after the last stream.
  socket.onDrain = () => void setImmediate(() => session?.close());
  if (socket.draining) socket.onDrain();
}
