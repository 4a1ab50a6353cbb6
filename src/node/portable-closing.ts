/** The two ways in which a node:net socket is let go: with its last bytes, or with RST. */
import type { Socket } from 'node:net';

/** A closed connection delivers its last bytes for so many linger periods at most. */
const LINGER_PERIODS = 12;

function destroy(this: Socket): void {
  this.destroy();
}

/**
 * Closes `socket` once the kernel has its last bytes, or the peer takes none of them for
 * `lingerMs`, or altogether too long. The kernel would try for minutes, but these bytes are in our
 * memory and hold the process up.
 *
 * Node restarts its timer whenever some of a pending write has gone: a slow peer gets everything, a
 * dead one is given up after one to two periods. The limit for the whole is for peers that take a
 * byte now and then, and for Bun, whose timer does not fire behind a blocked write.
 */
export function release(socket: Socket, lingerMs: number): void {
  if (socket.writableLength === 0 || socket.destroyed) {
    socket.destroy();
    return;
  }
  socket.pause();
  socket.ref();
  socket.once('finish', destroy);
  socket.setTimeout(lingerMs, destroy);
  const limit = setTimeout(() => socket.destroy(), LINGER_PERIODS * lingerMs);
  socket.once('close', () => clearTimeout(limit));
  socket.end();
}

/** Closes `socket` with RST where there is such a thing. */
export function abort(socket: Socket): void {
  if (socket.destroyed) return;
  // libuv cannot reset while its shutdown(2) is under way, and would leak the descriptor.
  if (finUnderWay(socket)) socket.once('finish', resetOrDestroy);
  else resetOrDestroy.call(socket);
}

function finUnderWay(socket: Socket): boolean {
  return socket.writableEnded && !socket.writableFinished && socket.writableLength === 0;
}

/** Only TCP knows RST: for a pipe Node throws, and an attempt it would first let succeed. */
function resetOrDestroy(this: Socket): void {
  const isTcp = this.remoteAddress !== undefined;
  if (isTcp && !this.connecting && 'resetAndDestroy' in this) this.resetAndDestroy();
  else this.destroy();
}
