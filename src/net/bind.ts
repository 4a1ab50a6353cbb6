/** Binding a socket at an address: names, all interfaces, and the files of Unix sockets. */

import type { Wait } from '../kernel/operation.ts';
import { isCancelled } from '../kernel/scope/cancelled.ts';
import { sleep, writable } from '../kernel/waits.ts';
import type { DatagramTransport, Endpoint, ListenerTransport } from '../world/network.ts';
import type { ParsedAddress } from './address.ts';
import { currentNetwork } from './current-world.ts';
import { resolveEndpoints } from './resolve.ts';
import { connect } from './tcp/connect.ts';

/** Time between two checks of a socket file. A server that is starting rejects connections for some
 *  microseconds, between its bind(2) and its listen(2), as a stale file does. */
const STALE_RECHECK_MS = 50;

type BindAttempt<T> = (at: Endpoint) => Generator<Wait, T>;

/** Calls `bind` with the endpoint of `address`, and a second time where a fallback exists. */
export function* bindAt<T>(address: ParsedAddress, bind: BindAttempt<T>): Generator<Wait, T> {
  if (address.path !== undefined) return yield* bindAtPath(address, bind);
  if (address.host === '') return yield* bindAllInterfaces(address.port, bind);
  const [endpoint] = yield* resolveEndpoints(address.host, address.port);
  return yield* bind(endpoint as Endpoint);
}

/**
 * Waits until `isOpen()` returns true, and returns the transport. Closes it if that throws.
 * Cancel: the transport is closed.
 */
export function* untilOpen<T extends ListenerTransport | DatagramTransport>(
  transport: T,
  isOpen: () => boolean,
): Generator<Wait, T> {
  let opened = false;
  try {
    while (!isOpen()) yield* writable(transport);
    opened = true;
    return transport;
  } finally {
    if (!opened) transport.close();
  }
}

/** All interfaces: one dual-stack socket, or IPv4 only if the machine has no IPv6. */
function* bindAllInterfaces<T>(port: number, bind: BindAttempt<T>): Generator<Wait, T> {
  try {
    return yield* bind({ host: '::', port, family: 6 });
  } catch (error) {
    const code = codeOf(error);
    if (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL') throw error;
    return yield* bind({ host: '0.0.0.0', port, family: 4 });
  }
}

/**
 * A path that is in use may be a stale file, left by a server that has ended: then it is replaced.
 * If several servers find the same stale file, one of them gets the path. `removeFile` removes only
 * the file that was seen here, so the others do not remove the winner's file, and their bind(2)
 * fails.
 */
function* bindAtPath<T>(at: { readonly path: string }, bind: BindAttempt<T>): Generator<Wait, T> {
  const removeFile = currentNetwork().socketFile(at.path);
  try {
    return yield* bind(at);
  } catch (error) {
    const mayBeStale = removeFile !== undefined && codeOf(error) === 'EADDRINUSE';
    if (!mayBeStale || !(yield* isStaleSocketFile(at.path))) throw error;
  }
  removeFile?.();
  return yield* bind(at);
}

function* isStaleSocketFile(path: string): Generator<Wait, boolean> {
  if (!(yield* refusesConnections(path))) return false;
  yield* sleep(STALE_RECHECK_MS);
  return yield* refusesConnections(path);
}

/** Only ECONNREFUSED proves that no server listens: a busy server fails with another error. After
 *  ENOENT the path is free. */
function* refusesConnections(path: string): Generator<Wait, boolean> {
  try {
    const socket = yield* connect({ path });
    socket.close();
    return false;
  } catch (error) {
    if (isCancelled(error)) throw error;
    const code = codeOf(error);
    return code === 'ECONNREFUSED' || code === 'ENOENT';
  }
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | null | undefined)?.code;
}
