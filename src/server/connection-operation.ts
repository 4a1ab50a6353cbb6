/**
 * The life of one connection: its handler, then its end.
 *
 *   handler returns, fails, or was ended by a limit
 *                 ──► shutdown(send) ──► discard input until end of file ──► close
 *   handler was cancelled with the server ──► close
 *   handler was cut in a send (torn), or its peer does not read ──► reset
 *
 * A plain close with unread input would reset the connection, and the reset would destroy the last
 * reply on its way; hence the discarding, which the server bounds in time. What a limit has ended
 * is cancelled with all that follows in its task, so another one says good-bye.
 */

import type { UncooperativeError } from '../kernel/errors.ts';
import type { Frames, Wait } from '../kernel/operation.ts';
import { operationOf, Step } from '../kernel/operation.ts';
import type { ForcedEndHandler } from '../kernel/scope/cancellation-delivery.ts';
import { throwInto } from '../kernel/scope/cancellation-delivery.ts';
import { isCancelled } from '../kernel/scope/cancelled.ts';
import { moveOnAfter } from '../kernel/scope/with-scope.ts';
import { checkpoint, readable } from '../kernel/waits.ts';
import type { Socket } from '../net/tcp/socket.ts';
import type { Connection } from './connection.ts';
import type { Handler } from './options.ts';
import type { ServerImpl } from './server.ts';
import type { CloseCause } from './stats.ts';

/**
 * Serves a connection with `handler`. However the handler ends, the socket is closed; its failure
 * ends this connection only.
 *
 * Written by hand as far as the handler runs, since that is where connections are idle: a generator
 * between the task and the handler would take a tenth of the memory of a connection. What comes
 * after the handler is one.
 */
export class ConnectionOperation extends Step<void> implements ForcedEndHandler {
  readonly #server: ServerImpl;
  readonly #connection: Connection;
  /** Let go of when it has begun: what a function uses would be kept as long as the connection. */
  #handler: Handler | null;
  /** What the handler has returned; null before it has begun, and once it is through. */
  #frames: Frames<unknown> | null = null;
  /** The end of the connection; null until the handler is through. */
  #ending: Generator<Wait, void> | null = null;

  constructor(server: ServerImpl, record: Connection, handler: Handler) {
    super();
    this.#server = server;
    this.#connection = record;
    this.#handler = handler;
  }

  next(value?: unknown): IteratorResult<Wait, void> {
    if (this.#ending !== null) return this.#ending.next(value);
    try {
      const frames = this.#frames ?? this.#begin();
      const result = frames.next(value);
      if (result.done !== true) return result;
    } catch (error) {
      return this.#failed(error);
    }
    return this.#returned();
  }

  override throw(error: unknown): IteratorResult<Wait, void> {
    if (this.#ending !== null) return this.#ending.throw(error);
    try {
      const result = throwInto(this.#frames ?? this.#begin(), error);
      if (result.done !== true) return result;
    } catch (failure) {
      return this.#failed(failure);
    }
    return this.#returned();
  }

  /** By force: the handler is ended likewise, and nobody waits for the peer. */
  override return(): IteratorResult<Wait, void> {
    if (this.#ending !== null) return this.#ending.return();
    try {
      const result = this.#frames?.return?.();
      if (result?.done === false) return result;
    } finally {
      closeConnection(this.#server, this.#connection, false);
    }
    return super.return();
  }

  /** A handler that would not hear of its cancellation: a failure of this connection alone. */
  onForcedEnd(error: UncooperativeError): void {
    recordFailure(this.#server, this.#connection, error);
  }

  #begin(): Frames<unknown> {
    const { socket } = this.#connection;
    const handler = this.#handler as Handler;
    this.#handler = null;
    this.#frames = operationOf(() => handler(socket, socket.remoteAddress))[Symbol.iterator]();
    return this.#frames;
  }

  #returned(): IteratorResult<Wait, void> {
    const { socket } = this.#connection;
    return this.#end(() => {
      socket.checkDriven();
      socket.checkFlushed();
    });
  }

  #failed(error: unknown): IteratorResult<Wait, void> {
    return this.#end(() => {
      throw error;
    });
  }

  #end(outcome: () => void): IteratorResult<Wait, void> {
    this.#frames = null;
    this.#ending = endConnection(this.#server, this.#connection, outcome);
    return this.#ending.next();
  }
}

/** The handler is through; `outcome` throws what it has thrown, or left undone. */
function* endConnection(
  server: ServerImpl,
  record: Connection,
  outcome: () => void,
): Generator<Wait, void> {
  let whole = false;
  try {
    try {
      outcome();
      record.reason ??= server.stopped ? 'drained' : 'handler';
    } catch (error) {
      // One that is not of this connection (kept, and thrown elsewhere) is a failure as any other.
      if (record.task?.ownScope.cancelled === true && isCancelled(error)) throw error;
      const cause = recordFailure(server, record, error);
      record.reason ??= cause;
    }
    yield* linger(record.socket, server.limits.lingerMs);
    whole = true;
  } finally {
    if (record.limitExceeded) server.spawn(record, () => lingerAndClose(server, record));
    else closeConnection(server, record, whole);
  }
}

/** A limit has ended the handler, which is through. */
function* lingerAndClose(server: ServerImpl, record: Connection): Generator<Wait, void> {
  try {
    if (record.reason !== 'sendStallTimeoutMs') {
      yield* linger(record.socket, server.limits.lingerMs);
    }
  } finally {
    closeConnection(server, record, true);
  }
}

/** `whole`: the handler and what follows it have come to their own end. */
function closeConnection(server: ServerImpl, record: Connection, whole: boolean): void {
  const { socket, reason } = record;
  const why = reason !== null && (whole || record.limitExceeded) ? reason : 'cut';
  // What the system still holds for a peer that does not read would stay for minutes.
  if (socket.torn || why === 'sendStallTimeoutMs') socket.reset();
  else socket.close();
  server.removeConnection(record, why);
}

/** A failure of a handler that a limit has ended is told like any other: none is dropped. */
function recordFailure(server: ServerImpl, record: Connection, error: unknown): CloseCause {
  if (isPeerFault(error, record.socket)) {
    server.counters.resetByPeer++;
    return 'peerReset';
  }
  server.counters.failed++;
  server.reporter.failed(error, record.socket.remoteAddress);
  return 'failed';
}

/** The end of a connection whose handler is through. */
function* linger(socket: Socket, lingerMs: number): Generator<Wait, void> {
  if (socket.closed || socket.ended) return;
  if (socket.torn) return socket.reset();
  socket.shutdown('send');
  yield* moveOnAfter(lingerMs, () => discardInput(socket));
}

/** Where discarded input goes: nobody reads it, so all connections share it. */
const DISCARD_BUFFER = new Uint8Array(65536);

/** Past the socket, which may be draining: what matters here is the end of file of the peer. */
function* discardInput({ transport }: Socket): Generator<Wait, void> {
  try {
    for (;;) {
      yield* checkpoint();
      const count = transport.tryRecvInto(DISCARD_BUFFER);
      if (count === 0) return;
      if (count < 0) yield* readable(transport);
    }
  } catch (error) {
    // Whatever the peer does now, the connection is at its end.
    if (isCancelled(error)) throw error;
  }
}

/**
 * Whether a handler has failed because its peer is gone. That is no failure of the program, and on
 * the internet it is ordinary: it is counted, and not told.
 *
 * A handler may use other connections as well. When one to a database breaks, the error has the
 * same code, and it is a failure. So the connection is asked: one that is broken says so every
 * time.
 */

/** How a connection ends whose peer hangs up: also in the middle of TLS, which is as common. */
const DISCONNECT_CODES: ReadonlySet<unknown> = new Set([
  'ECONNRESET',
  'EPIPE',
  'ERR_TLS_TRUNCATED',
]);
/** How one ends whose peer cannot be reached any more (tcp(7), "Error handling"). */
const UNREACHABLE_CODES: ReadonlySet<unknown> = new Set([
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);

/** Groups inside of groups, looked into so deep. */
const MAX_ERROR_DEPTH = 8;
/** Input that stands before the end, in reads of up to 64 KB: a socket's buffer has less. */
const MAX_READS = 1024;
/** Nobody reads it. */
const SCRATCH = new Uint8Array(65_536);

export function isPeerFault(error: unknown, socket: Socket): boolean {
  const codes = errorCodes(error, MAX_ERROR_DEPTH);
  if (
    codes.length === 0 ||
    !codes.every((code) => DISCONNECT_CODES.has(code) || UNREACHABLE_CODES.has(code))
  ) {
    return false;
  }
  // A handler that has closed its socket by itself: what is left is what is likely.
  if (socket.closed) return codes.every((code) => DISCONNECT_CODES.has(code));
  const end = peerState(socket);
  // Who is sent to after the end may answer with a reset, which comes as EPIPE.
  return end === 'broken' || (end === 'ended' && codes.every((code) => code === 'EPIPE'));
}

/** The codes of an error, or of all that a group has collected. Never throws. */
function errorCodes(error: unknown, depth: number): unknown[] {
  try {
    const { code, errors } = (error ?? {}) as { code?: unknown; errors?: unknown };
    if (!(error instanceof AggregateError) || !Array.isArray(errors)) return [code];
    return depth === 0 ? [code] : errors.flatMap((each) => errorCodes(each, depth - 1));
  } catch {
    // A revoked proxy, a getter that throws: no error of a network is like that.
    return [undefined];
  }
}

/** What a connection has to say behind the bytes that it still holds; they are discarded. */
function peerState({ transport }: Socket): 'alive' | 'ended' | 'broken' {
  try {
    for (let reads = 0; reads < MAX_READS; reads++) {
      const count = transport.tryRecvInto(SCRATCH);
      if (count <= 0) return count === 0 ? 'ended' : 'alive';
    }
    return 'alive';
  } catch {
    return 'broken';
  }
}
