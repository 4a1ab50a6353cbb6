/**
 * Whether a handler has failed because its peer is gone. That is no failure of the program, and on
 * the internet it is ordinary: it is counted, and not told.
 *
 * A handler may use other connections as well. When one to a database breaks, the error has the
 * same code, and it is a failure. So the connection is asked: one that is broken says so every
 * time.
 */
import type { Socket } from '../net/socket.ts';

/** How a connection ends whose peer hangs up: also in the middle of TLS, which is as common. */
const HUNG_UP: ReadonlySet<unknown> = new Set(['ECONNRESET', 'EPIPE', 'ERR_TLS_TRUNCATED']);
/** How one ends whose peer cannot be reached any more (tcp(7), "Error handling"). */
const OUT_OF_REACH: ReadonlySet<unknown> = new Set(['ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH']);

/** Groups inside of groups, looked into so deep. */
const DEEPEST = 8;
/** Input that stands before the end, in reads of up to 64 KB: a socket's buffer has less. */
const MOST_READS = 1024;
/** Nobody reads it. */
const SCRATCH = new Uint8Array(65_536);

export function isFaultOfPeer(error: unknown, socket: Socket): boolean {
  const codes = codesOf(error, DEEPEST);
  if (codes.length === 0 || !codes.every((code) => HUNG_UP.has(code) || OUT_OF_REACH.has(code))) {
    return false;
  }
  // A handler that has closed its socket by itself: what is left is what is likely.
  if (socket.closed) return codes.every((code) => HUNG_UP.has(code));
  const end = endOf(socket);
  // Who is sent to after the end may answer with a reset, which comes as EPIPE.
  return end === 'broken' || (end === 'ended' && codes.every((code) => code === 'EPIPE'));
}

/** The codes of an error, or of all that a group has collected. Never throws. */
function codesOf(error: unknown, depth: number): unknown[] {
  try {
    const { code, errors } = (error ?? {}) as { code?: unknown; errors?: unknown };
    if (!(error instanceof AggregateError) || !Array.isArray(errors)) return [code];
    return depth === 0 ? [code] : errors.flatMap((each) => codesOf(each, depth - 1));
  } catch {
    // A revoked proxy, a getter that throws: no error of a network is like that.
    return [undefined];
  }
}

/** What a connection has to say behind the bytes that it still holds; they are discarded. */
function endOf({ transport }: Socket): 'alive' | 'ended' | 'broken' {
  try {
    for (let reads = 0; reads < MOST_READS; reads++) {
      const count = transport.tryRecvInto(SCRATCH);
      if (count <= 0) return count === 0 ? 'ended' : 'alive';
    }
    return 'alive';
  } catch {
    return 'broken';
  }
}
