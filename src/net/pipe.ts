/** `pipe`: everything that one connection receives goes out on another. */
import { isCancelled } from '../kernel/cancelled.ts';
import { wrongType } from '../kernel/checks.ts';
import type { Operation, Wait } from '../kernel/operation.ts';
import { Lazy } from '../kernel/operation.ts';
import { checkpoint, readable, writable } from '../kernel/waits.ts';
import { busySocket } from './errors.ts';
import { Socket } from './socket.ts';

/** How `pipe` goes about it. */
export interface PipeOptions {
  /** Pass the end of file on, as `to.shutdown('send')` does. Default true. */
  readonly end?: boolean;
}

/**
 * Sends on `to` what `from` receives, until the end of file, and gives the number of bytes. No more
 * than 64 KB are on the way: a slow receiver slows the sender down.
 *
 * Cancel: what has gone out is whole, unless `to` was taking bytes at that moment: then those that
 * were received and not yet sent are lost, and `to` is torn (ERR_TORN).
 * Errors: those of `from` and `to` (ECONNRESET, EPIPE, ERR_CLOSED, …); ERR_BUSY if a task is
 * receiving on `from` or sending on `to`; TypeError for what is no Socket.
 *
 * @example
 * // A proxy: both directions, each with its end of file.
 * yield* all([() => pipe(client, upstream), () => pipe(upstream, client)]);
 */
export function pipe(from: Socket, to: Socket, options: PipeOptions = {}): Operation<number> {
  if (!(from instanceof Socket)) throw wrongType('from', 'a Socket', from);
  if (!(to instanceof Socket)) throw wrongType('to', 'a Socket', to);
  return new Lazy(() => runPipe(from, to, options.end ?? true));
}

function* runPipe(from: Socket, to: Socket, end: boolean): Generator<Wait, number> {
  if (from.receiving !== null) throw busySocket('receive', from.name);
  if (to.sending !== null) throw busySocket('send', to.name);
  from.checkUnread();
  to.checkUnflushed();
  const user = {};
  from.receiving = user;
  to.sending = user;
  try {
    const total = yield* move(from, to);
    if (end) to.shutdown('send');
    return total;
  } finally {
    from.receiving = null;
    to.sending = null;
  }
}

/** Memory is held only while bytes are on their way: an idle connection has none. */
function* move(from: Socket, to: Socket): Generator<Wait, number> {
  for (let total = 0; ; ) {
    yield* checkpoint();
    const count = from.worthReceiving() ? yield* moveSome(from, to) : -1;
    if (count === 0) return total;
    if (count > 0) total += count;
    else yield* readable(from);
  }
}

/** How many bytes were moved; 0 at end of file, −1: none were there. */
function* moveSome(from: Socket, to: Socket): Generator<Wait, number> {
  const memory = spare.pop() ?? new Uint8Array(MOST_BYTES);
  try {
    const count = from.receiveInto(memory);
    if (count > 0) yield* sendWhole(to, memory.subarray(0, count));
    return count;
  } finally {
    if (spare.length < MOST_SPARE) spare.push(memory);
  }
}

/** A cancellation leaves a gap in the stream, even if none of these bytes has gone out. */
function* sendWhole(to: Socket, data: Uint8Array): Generator<Wait, void> {
  let rest = data;
  try {
    while (rest.length > 0) {
      const sent = to.transmit(rest);
      if (sent === 0) yield* writable(to);
      rest = rest.subarray(sent);
    }
    to.sendCompleted();
  } catch (error) {
    if (isCancelled(error)) to.tear(data.length - rest.length);
    throw error;
  }
}

/** Of one piece: what the system hands over in one call, and what stays in a core's cache. */
const MOST_BYTES = 65536;

/** Memory for the next pieces, whatever connection they are of. */
const spare: Uint8Array[] = [];
const MOST_SPARE = 16;
