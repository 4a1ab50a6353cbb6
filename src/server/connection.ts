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
import { isCancelled } from '../kernel/cancelled.ts';
import type { UncooperativeError } from '../kernel/errors.ts';
import type { Frames, Wait } from '../kernel/operation.ts';
import { operationOf, Step } from '../kernel/operation.ts';
import type { Answerable } from '../kernel/refusal.ts';
import { throwInto } from '../kernel/refusal.ts';
import { checkpoint, readable } from '../kernel/waits.ts';
import { moveOnAfter } from '../kernel/with-scope.ts';
import type { Socket } from '../net/socket.ts';
import type { ConnectionRecord } from './connection-record.ts';
import type { Handler } from './options.ts';
import { isFaultOfPeer } from './peer-fault.ts';
import type { ServerRecord } from './record.ts';
import type { CloseCause } from './reports.ts';

/**
 * Serves a connection with `handler`. However the handler ends, the socket is closed; its failure
 * ends this connection only.
 *
 * Written by hand as far as the handler runs, since that is where connections are idle: a generator
 * between the task and the handler would take a tenth of the memory of a connection. What comes
 * after the handler is one.
 */
export class Connection extends Step<void> implements Answerable {
  readonly #server: ServerRecord;
  readonly #record: ConnectionRecord;
  /** Let go of when it has begun: what a function uses would be kept as long as the connection. */
  #handler: Handler | null;
  /** What the handler has returned; null before it has begun, and once it is through. */
  #frames: Frames<unknown> | null = null;
  /** The end of the connection; null until the handler is through. */
  #ending: Generator<Wait, void> | null = null;

  constructor(server: ServerRecord, record: ConnectionRecord, handler: Handler) {
    super();
    this.#server = server;
    this.#record = record;
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
      end(this.#server, this.#record, false);
    }
    return super.return();
  }

  /** A handler that would not hear of its cancellation: a failure of this connection alone. */
  endedByForce(error: UncooperativeError): void {
    noteFailure(this.#server, this.#record, error);
  }

  #begin(): Frames<unknown> {
    const { socket } = this.#record;
    const handler = this.#handler as Handler;
    this.#handler = null;
    this.#frames = operationOf(() => handler(socket, socket.remoteAddress))[Symbol.iterator]();
    return this.#frames;
  }

  #returned(): IteratorResult<Wait, void> {
    const { socket } = this.#record;
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
    this.#ending = ending(this.#server, this.#record, outcome);
    return this.#ending.next();
  }
}

/** The handler is through; `outcome` throws what it has thrown, or left undone. */
function* ending(
  server: ServerRecord,
  record: ConnectionRecord,
  outcome: () => void,
): Generator<Wait, void> {
  let whole = false;
  try {
    try {
      outcome();
      record.cause ??= server.stopped ? 'drained' : 'handler';
    } catch (error) {
      // One that is not of this connection (kept, and thrown elsewhere) is a failure as any other.
      if (record.task?.ownScope.cancelled === true && isCancelled(error)) throw error;
      const cause = noteFailure(server, record, error);
      record.cause ??= cause;
    }
    yield* linger(record.socket, server.limits.lingerMs);
    whole = true;
  } finally {
    if (record.passedLimit) server.spawn(record, () => goodBye(server, record));
    else end(server, record, whole);
  }
}

/** A limit has ended the handler, which is through. */
function* goodBye(server: ServerRecord, record: ConnectionRecord): Generator<Wait, void> {
  try {
    if (record.cause !== 'sendStallTimeoutMs') {
      yield* linger(record.socket, server.limits.lingerMs);
    }
  } finally {
    end(server, record, true);
  }
}

/** `whole`: the handler and what follows it have come to their own end. */
function end(server: ServerRecord, record: ConnectionRecord, whole: boolean): void {
  const { socket, cause } = record;
  const why = cause !== null && (whole || record.passedLimit) ? cause : 'cut';
  // What the system still holds for a peer that does not read would stay for minutes.
  if (socket.torn || why === 'sendStallTimeoutMs') socket.reset();
  else socket.close();
  server.leave(record, why);
}

/** A failure of a handler that a limit has ended is told like any other: none is dropped. */
function noteFailure(server: ServerRecord, record: ConnectionRecord, error: unknown): CloseCause {
  if (isFaultOfPeer(error, record.socket)) {
    server.tally.resetByPeer++;
    return 'peerReset';
  }
  server.tally.failed++;
  server.teller.failed(error, record.socket.remoteAddress);
  return 'failed';
}

/** The end of a connection whose handler is through. */
function* linger(socket: Socket, lingerMs: number): Generator<Wait, void> {
  if (socket.closed || socket.ended) return;
  if (socket.torn) return socket.reset();
  socket.shutdown('send');
  yield* moveOnAfter(lingerMs, () => discard(socket));
}

/** Where discarded input goes: nobody reads it, so all connections share it. */
const DISCARDED = new Uint8Array(65536);

/** Past the socket, which may be draining: what matters here is the end of file of the peer. */
function* discard({ transport }: Socket): Generator<Wait, void> {
  try {
    for (;;) {
      yield* checkpoint();
      const count = transport.tryRecvInto(DISCARDED);
      if (count === 0) return;
      if (count < 0) yield* readable(transport);
    }
  } catch (error) {
    // Whatever the peer does now, the connection is at its end.
    if (isCancelled(error)) throw error;
  }
}
