/**
 * The life of one connection: its handler, then its end.
 *
 *   handler returns or fails ──► shutdown(send) ──► discard input until end of file ──► close
 *   handler was cancelled, by a limit or with the server ──► close
 *   handler was cut in a send (torn), or its peer does not read ──► reset
 *
 * A plain close with unread input would reset the connection, and the reset would destroy the last
 * reply on its way; hence the discarding, which the server bounds in time.
 */
import { isCancelled } from '../kernel/cancelled.ts';
import type { Operation, Wait } from '../kernel/operation.ts';
import { operationOf } from '../kernel/operation.ts';
import { checkpoint, readable } from '../kernel/waits.ts';
import { moveOnAfter } from '../kernel/with-scope.ts';
import type { Socket } from '../net/socket.ts';
import type { ConnectionRecord } from './connection-record.ts';
import type { Handler } from './options.ts';
import type { ServerRecord } from './record.ts';
import type { CloseCause } from './reports.ts';

/**
 * Serves a connection with `handler`. However the handler ends, the socket is closed; its failure
 * ends this connection only.
 */
export function* connection(
  server: ServerRecord,
  record: ConnectionRecord,
  handler: Handler,
): Generator<Wait, void> {
  const { socket } = record;
  let whole = false;
  try {
    try {
      yield* begun(handler, socket);
      socket.checkDriven();
      socket.checkFlushed();
      record.cause ??= server.stopped ? 'drained' : 'handler';
    } catch (error) {
      // One that is not of this connection (kept, and thrown elsewhere) is a failure as any other.
      if (isCancelled(error) && record.task?.ownScope.cancelled === true) throw error;
      const cause = noteFailure(server, record, error);
      record.cause ??= cause;
    }
    yield* linger(socket, server.limits.lingerMs);
    whole = true;
  } finally {
    end(server, record, whole);
  }
}

/** Not in the generator: what a function in it uses would be kept as long as the connection. */
function begun(handler: Handler, socket: Socket): Operation<unknown> {
  return operationOf(() => handler(socket, socket.remoteAddress));
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
  if (isResetByPeer(error)) {
    server.tally.resetByPeer++;
    return 'peerReset';
  }
  server.tally.failed++;
  server.teller.failed(error, record.socket.remoteAddress);
  return 'failed';
}

/** A peer that hangs up in the middle of TLS is as rude, and as common, as one that resets. */
function isResetByPeer(error: unknown): boolean {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return code === 'ECONNRESET' || code === 'EPIPE' || code === 'ERR_TLS_TRUNCATED';
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
