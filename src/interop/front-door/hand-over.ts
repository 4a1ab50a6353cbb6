/** `handOver`: serves a connection with a library that expects a stream of Node. */
import type { Server as HttpServer } from 'node:http';
import type { Http2Server } from 'node:http2';
import type { Operation } from '../../kernel/operation.ts';
import { isPromise } from '../../kernel/operation.ts';
import type { SocketAddress } from '../../net/address.ts';
import type { Socket } from '../../net/tcp/socket.ts';
import { wrongType } from '../../support/checks.ts';
import { callback } from '../callback.ts';
import type { HandedOverStream } from './handed-over-stream.ts';
import { HandedOverStreamImpl } from './handed-over-stream.ts';
import { httpVersionOf, openHttp1, openHttp2 } from './http.ts';

/** A handler of `tcpServer`. */
type ConnectionHandler = (socket: Socket, peer: SocketAddress) => Operation<void>;

/** Gets a connection, and attaches a library to it. */
export type StreamHandler = (stream: HandedOverStream, peer: SocketAddress) => unknown;

/** The type of `handOver`. */
export interface HandOver {
  (fn: StreamHandler): ConnectionHandler;

  /**
   * As `handOver`, for a server of node:http, or one of node:http2 without TLS, which never
   * listens itself. TLS is an option of `tcpServer`. A drain ends idle connections at once. Other
   * ones end after the responses to the requests that have begun, which get the header
   * `connection: close`; those of HTTP/2 get GOAWAY. After an upgrade (WebSocket) or CONNECT the
   * connection belongs to the program, and is drained as with `handOver(fn)`.
   *
   * `headersTimeout`, `requestTimeout`, `keepAliveTimeout` and `maxRequestsPerSocket` of the server
   * apply; its `maxConnections` does not.
   *
   * Cancel, errors: as `handOver`. TypeError for another server, such as one of node:https.
   *
   * @example
   * const site = createServer((request, response) => response.end('hello\n'));
   * await main(() => tcpServer(8080, handOver.http(site)));
   */
  http(server: HttpServer | Http2Server): ConnectionHandler;
}

/**
 * Returns a handler of `tcpServer` that passes each connection to `fn` as a stream, for a library
 * that accepts one: aedes, ssh2, http2, … The handler ends when the stream is closed, and the
 * server then closes the connection. Limits, PROXY protocol, TLS, statistics, drain and workers are
 * those of `tcpServer`; an idle connection gets end of file when the server drains. Bytes that the
 * reader of the socket holds, for example after `reader.peek`, come first.
 *
 * As with net.Server, the stream ends when the peer has ended. An error of the connection or of
 * the library (`stream.destroy(error)`), an exception of `fn`, or the rejection of its promise is
 * the failure of this handler only. It is never an unhandled 'error' event.
 *
 * Cancel: the stream is destroyed. Errors: TypeError if `fn` is not a function.
 *
 * @example
 * const broker = new Aedes();
 * await main(() => tcpServer(1883, handOver((stream) => broker.handle(stream))));
 */
export const handOver: HandOver = Object.assign(handOverTo, { http: handOverHttp });

function handOverTo(fn: StreamHandler): ConnectionHandler {
  if (typeof fn !== 'function') throw wrongType('fn', 'a function', fn);
  return (socket, peer) => serveStream(socket, false, (stream) => fn(stream, peer));
}

function handOverHttp(server: HttpServer | Http2Server): ConnectionHandler {
  const version = httpVersionOf(server);
  if (version === undefined) {
    throw wrongType('server', 'a server of node:http, or of node:http2 without TLS', server);
  }
  return (socket) =>
    serveStream(socket, true, (stream) => {
      stream.once('close', () => {
        socket.onDrain = null;
      });
      if (version === 1) openHttp1(server as HttpServer, stream, socket);
      else openHttp2(server as Http2Server, stream, socket);
    });
}

/** Opens the stream, which begins with the bytes of the reader, and waits until it is closed. */
function serveStream(
  socket: Socket,
  allowHalfOpen: boolean,
  open: (stream: HandedOverStreamImpl) => unknown,
): Operation<void> {
  return callback<void>((resume, fail) => {
    socket.returnUnread();
    const stream = new HandedOverStreamImpl(socket, allowHalfOpen);
    stream.on('error', fail);
    stream.on('close', resume);
    const failed = (error: unknown): void => {
      fail(error);
      stream.destroy();
    };
    try {
      const result = open(stream);
      if (isPromise(result)) result.then(undefined, failed);
    } catch (error) {
      failed(error);
    }
    return () => void stream.destroy();
  });
}
