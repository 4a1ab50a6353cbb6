/**
 * Serves one connection: runs its handler, then closes the connection.
 *
 *   handler returned, failed, or was ended by a limit
 *                 ──► shutdown(send) ──► discard input until end of file ──► close
 *   handler was cancelled with the server ──► close
 *   handler was cut during a send (torn), or the peer does not read ──► reset
 *
 * A close with unread input makes the system send a reset, and the reset destroys a response that
 * is still on its way (RFC 1122, 4.2.2.13). Therefore input is discarded first, for `lingerMs` at
 * most. A limit cancels the task of the handler with all that would follow in it, so a second task
 * closes the connection then.
 */
import type { UncooperativeError } from '../kernel/errors.ts';
import type { Frames, Operation, Wait } from '../kernel/operation.ts';
import { operationOf, throwInto } from '../kernel/operation.ts';
import { isCancelled } from '../kernel/scope/cancelled.ts';
import type { ForcedEndHandler } from '../kernel/scope/forced-end.ts';
import { moveOnAfter } from '../kernel/scope/with-scope.ts';
import { checkpoint, readable } from '../kernel/waits.ts';
import { isFaultOfPeer } from '../net/errors.ts';
import type { Socket } from '../net/tcp/socket.ts';
import { Connection } from './connection.ts';
import type { ServerImpl } from './server.ts';
import type { CloseReason } from './stats.ts';

/** Error codes after an end of file: a send may be answered with a reset, which is reported as
 *  EPIPE, and the close frame of a WebSocket connection is missing. */
const END_CODES: ReadonlySet<unknown> = new Set(['EPIPE', 'ERR_WS_ABNORMAL_CLOSURE']);
/** Error codes of a peer that disconnects, also in the middle of a TLS stream. */
const DISCONNECT_CODES: ReadonlySet<unknown> = new Set([
  ...END_CODES,
  'ECONNRESET',
  'ERR_TLS_TRUNCATED',
]);
/** In addition, error codes of a peer that has become unreachable (tcp(7), "Error handling"). */
const PEER_FAULT_CODES: ReadonlySet<unknown> = new Set([
  ...DISCONNECT_CODES,
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);

/** In the place of the code of an error that a protocol over the socket ascribes to its peer. */
const FAULT_OF_PEER: unique symbol = Symbol('fault of the peer');

/** Maximum depth of nested AggregateErrors that is examined. */
const MAX_ERROR_DEPTH = 8;
/** Maximum number of reads of input before an error; the buffer of a socket holds less. */
const MAX_READS = 1024;
/** Receives input that is discarded. It is never read, so all connections share it. */
const DISCARD_BUFFER = new Uint8Array(65_536);

/**
 * Serves a connection with `handler`. The socket is closed however the handler ends, and a failure
 * of the handler ends this connection only.
 *
 * The handler is driven by hand because idle connections wait in it: a generator between the task
 * and the handler would add a tenth to the memory of a connection. A close that waits is a
 * generator.
 */
export class ServedConnection
  extends Connection
  implements Operation<void>, Frames<void>, ForcedEndHandler
{
  private readonly server: ServerImpl;
  /** The frames of the handler; null before it starts and after it has ended. */
  private frames: Frames<unknown> | null = null;
  /** Closes the connection; null until the handler has ended. */
  private ending: Generator<Wait, void> | null = null;

  constructor(server: ServerImpl, socket: Socket, peerKey: string | undefined) {
    super(socket, peerKey, server.scheduler.now());
    this.server = server;
  }

  /** Driven once, by the task of the connection. */
  [Symbol.iterator](): this {
    return this;
  }

  next(value?: unknown): IteratorResult<Wait, void> {
    if (this.ending !== null) return this.ending.next(value);
    try {
      const result = (this.frames ?? this.start()).next(value);
      if (result.done !== true) return result;
    } catch (error) {
      return this.failed(error);
    }
    return this.returned();
  }

  throw(error: unknown): IteratorResult<Wait, void> {
    if (this.ending !== null) return this.ending.throw(error);
    try {
      const result = throwInto(this.frames ?? this.start(), error);
      if (result.done !== true) return result;
    } catch (failure) {
      return this.failed(failure);
    }
    return this.returned();
  }

  /** A forced end: the handler is ended too, and the connection is closed without lingering. */
  return(): IteratorResult<Wait, void> {
    if (this.ending !== null) return this.ending.return();
    try {
      const result = this.frames?.return?.();
      if (result?.done === false) return result;
    } finally {
      closeConnection(this.server, this, false);
    }
    return { done: true, value: undefined };
  }

  /** A handler that ignores its cancellation is a failure of this connection only. */
  onForcedEnd(error: UncooperativeError): void {
    countFailure(this.server, this, error);
  }

  private start(): Frames<unknown> {
    const { socket } = this;
    const { handler } = this.server;
    this.frames = operationOf(() => handler(socket, socket.remoteAddress))[Symbol.iterator]();
    return this.frames;
  }

  private returned(): IteratorResult<Wait, void> {
    this.frames = null;
    let flush: Operation<void> | null;
    try {
      this.socket.checkDriven();
      flush = this.socket.finalFlush();
    } catch (error) {
      return this.failed(error);
    }
    if (flush === null) recordReturn(this.server, this);
    return this.end(flush);
  }

  private failed(error: unknown): IteratorResult<Wait, void> {
    this.frames = null;
    let recorded = false;
    try {
      recordFailure(this.server, this, error);
      recorded = true;
    } finally {
      if (!recorded) endConnection(this.server, this, false);
    }
    return this.end(null);
  }

  /** Most connections have nothing left to wait for and are closed at once. */
  private end(flush: Operation<void> | null): IteratorResult<Wait, void> {
    if (flush === null && !lingers(this)) {
      endConnection(this.server, this, true);
      return { done: true, value: undefined };
    }
    this.ending = finish(this.server, this, flush);
    return this.ending.next();
  }
}

/** After the handler: sends what is left to flush, lingers and closes the connection. */
function* finish(
  server: ServerImpl,
  connection: Connection,
  flush: Operation<void> | null,
): Generator<Wait, void> {
  let complete = false;
  try {
    if (flush !== null) yield* finishFlush(server, connection, flush);
    if (lingers(connection)) yield* linger(connection.socket, server.limits.lingerMs);
    complete = true;
  } finally {
    endConnection(server, connection, complete);
  }
}

function* finishFlush(
  server: ServerImpl,
  connection: Connection,
  flush: Operation<void>,
): Generator<Wait, void> {
  try {
    yield* flush;
    recordReturn(server, connection);
  } catch (error) {
    recordFailure(server, connection, error);
  }
}

/** `complete`: neither the handler nor the lingering close was cancelled. */
function endConnection(server: ServerImpl, connection: Connection, complete: boolean): void {
  if (connection.limitExceeded) server.spawn(connection, () => lingerAndClose(server, connection));
  else closeConnection(server, connection, complete);
}

/** Closes a connection that a limit has ended, after its handler. */
function* lingerAndClose(server: ServerImpl, connection: Connection): Generator<Wait, void> {
  try {
    if (connection.reason !== 'sendStallTimeoutMs' && lingers(connection)) {
      yield* linger(connection.socket, server.limits.lingerMs);
    }
  } finally {
    closeConnection(server, connection, true);
  }
}

/** `complete`: as in `endConnection`. */
function closeConnection(server: ServerImpl, connection: Connection, complete: boolean): void {
  const { socket, limitExceeded } = connection;
  const reason = complete || limitExceeded ? (connection.reason ?? 'cut') : 'cut';
  // After a plain close the system would keep unsent bytes for minutes.
  if (socket.torn || reason === 'sendStallTimeoutMs') socket.reset();
  else socket.close();
  server.removeConnection(connection, reason);
}

function recordReturn({ stopped }: ServerImpl, connection: Connection): void {
  connection.reason ??= stopped ? 'drained' : 'handler';
}

/** Records the failure of a handler as the reason. The cancellation of the connection is none, and
 *  is thrown again. */
function recordFailure(server: ServerImpl, connection: Connection, error: unknown): void {
  // A Cancelled of another scope, kept and thrown again, is a failure like any other.
  if (connection.task?.ownScope.cancelled === true && isCancelled(error)) throw error;
  const reason = countFailure(server, connection, error);
  connection.reason ??= reason;
}

/** Counts and reports a failure of the handler, also after a limit has ended it. */
function countFailure(server: ServerImpl, connection: Connection, error: unknown): CloseReason {
  if (isPeerFault(error, connection.socket)) {
    server.counters.resetByPeer++;
    return 'peerReset';
  }
  server.counters.failed++;
  server.reporter.failed(error, connection.socket.remoteAddress);
  return 'failed';
}

/** False: there is neither input to discard nor a peer that waits for the end. */
function lingers({ reason, socket }: Connection): boolean {
  return reason !== 'peerReset' && !socket.closed && !socket.ended && !socket.torn;
}

/** Shuts the sending direction down and waits for the peer to do the same. */
function* linger(socket: Socket, lingerMs: number): Generator<Wait, void> {
  socket.shutdown('send');
  yield* moveOnAfter(lingerMs, () => discardInput(socket));
}

/** Reads the transport, not the socket: a draining socket would report end of file early. */
function* discardInput({ transport }: Socket): Generator<Wait, void> {
  try {
    for (;;) {
      yield* checkpoint();
      const count = transport.tryRecvInto(DISCARD_BUFFER);
      if (count === 0) return;
      if (count < 0) yield* readable(transport);
    }
  } catch (error) {
    // An error of the connection ends it as well.
    if (isCancelled(error)) throw error;
  }
}

/**
 * Whether a handler has failed because its peer disconnected. That is common on the internet and
 * not a failure of the program, so it is counted and not reported.
 *
 * A broken connection to another host, such as a database, produces the same error codes and is a
 * failure. Therefore the state of this connection is checked too: its errors are sticky.
 */
export function isPeerFault(error: unknown, socket: Socket): boolean {
  const all = errorCodes(error, socket, MAX_ERROR_DEPTH);
  const codes = all.filter((code) => code !== FAULT_OF_PEER);
  if (codes.length === 0) return all.length > 0;
  if (!codes.every((code) => PEER_FAULT_CODES.has(code))) return false;
  // The handler has closed its socket, whose state is unknown then: assume the likely case.
  if (socket.closed) return codes.every((code) => DISCONNECT_CODES.has(code));
  const { recvError } = socket.transport;
  if (recvError !== undefined && recvError === error) return true;
  const state = peerState(socket);
  return state === 'broken' || (state === 'ended' && codes.every((code) => END_CODES.has(code)));
}

/** The code of an error, or the codes of all errors in a group. Never throws. */
function errorCodes(error: unknown, socket: Socket, depth: number): unknown[] {
  try {
    if (isFaultOfPeer(error, socket)) return [FAULT_OF_PEER];
    const { code, errors } = (error ?? {}) as { code?: unknown; errors?: unknown };
    if (!(error instanceof AggregateError) || !Array.isArray(errors)) return [code];
    return depth === 0 ? [code] : errors.flatMap((each) => errorCodes(each, socket, depth - 1));
  } catch {
    // A revoked proxy or a throwing getter: not an error of a network.
    return [undefined];
  }
}

/** The state of the connection after its unread input, which is discarded. */
function peerState({ transport }: Socket): 'alive' | 'ended' | 'broken' {
  try {
    for (let reads = 0; reads < MAX_READS; reads++) {
      const count = transport.tryRecvInto(DISCARD_BUFFER);
      if (count <= 0) return count === 0 ? 'ended' : 'alive';
    }
    return 'alive';
  } catch {
    return 'broken';
  }
}
