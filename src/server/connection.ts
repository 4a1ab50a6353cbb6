/**
 * The life of one connection: its handler, then its end.
 *
 *   handler returns or fails ──► shutdown(send) ──► discard input until end of file ──► close
 *   handler was cut in a send (torn) ──► reset
 *   handler was cancelled ──► close
 *
 * A plain close with unread input would reset the connection, and the reset would destroy the last
 * reply on its way; hence the discarding, which the server bounds in time.
 */
import { isCancelled } from '../kernel/cancelled.ts';
import { currentRecord } from '../kernel/current.ts';
import type { Wait } from '../kernel/operation.ts';
import { operationOf } from '../kernel/operation.ts';
import { checkpoint, readable } from '../kernel/waits.ts';
import { moveOnAfter } from '../kernel/with-scope.ts';
import type { SocketAddress } from '../net/address.ts';
import type { Socket } from '../net/socket.ts';
import { currentWorld } from '../net/world.ts';
import type { Handler, ServerRecord } from './server.ts';

/**
 * Serves `socket` with `handler`. However the handler ends, the socket is closed; its failure ends
 * this connection only.
 */
export function* connection(
  server: ServerRecord,
  socket: Socket,
  handler: Handler,
): Generator<Wait, void> {
  try {
    try {
      yield* operationOf(() => handler(socket, socket.remoteAddress));
      socket.checkDriven();
      socket.checkFlushed();
    } catch (error) {
      if (isCancelled(error)) throw error;
      noteFailure(server, error, socket.remoteAddress);
    }
    yield* linger(socket, server.lingerMs);
  } finally {
    socket.close();
    server.remove(socket);
  }
}

function noteFailure(server: ServerRecord, error: unknown, peer: SocketAddress): void {
  if (isResetByPeer(error)) {
    server.resetByPeer++;
    return;
  }
  server.failed++;
  const { onError } = server.options;
  if (onError === undefined) {
    currentWorld().platform.report(`coronet: the handler of ${peer} failed: ${describe(error)}`);
    return;
  }
  try {
    onError(error, peer);
  } catch (thrown) {
    currentRecord().scheduler.unhandled(thrown);
  }
}

/** A peer that hangs up in the middle of TLS is as rude, and as common, as one that resets. */
function isResetByPeer(error: unknown): boolean {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return code === 'ECONNRESET' || code === 'EPIPE' || code === 'ERR_TLS_TRUNCATED';
}

function describe(error: unknown): string {
  return (error instanceof Error && error.stack) || String(error);
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
