/** The soft end of a server: take what is queued, close the door, let idle connections go. */
import type { Group } from '../kernel/group.ts';
import type { Wait } from '../kernel/operation.ts';
import type { Scope } from '../kernel/scope.ts';
import { sleep } from '../kernel/waits.ts';
import type { Socket } from '../net/socket.ts';
import { currentWorld } from '../net/world.ts';
import { begin } from './accept.ts';
import type { Handler } from './options.ts';
import type { ServerRecord } from './record.ts';

/**
 * What has been sent before a drain counts as received. A network that hears of it only in the
 * event loop is given this long to hear.
 */
const SETTLE_MS = 10;

/**
 * A program that is replaced by a successor is in no hurry: clients that it has accepted last have
 * so long for their first bytes, since they count as idle before.
 */
const HANDOVER_MS = 200;

/** Handshakes of TLS and headers of proxies that are under way when the server is stopped have so
 *  long to complete: a silent client must not hold it up. */
const LAST_HANDSHAKES_MS = 1000;

/** Waits until the server is stopped, and drains it. */
export function* drainWhenStopped(
  server: ServerRecord,
  own: Scope,
  tasks: Group,
  handler: Handler,
): Generator<Wait, void> {
  yield* own.waitStopping();
  server.beginStop();
  // A grace of no time: whoever were let in now would only be cut.
  if (own.cancelled) return;
  for (let socket = queued(server); socket !== undefined; socket = queued(server)) {
    begin(server, socket, tasks, handler);
  }
  const comeThrough = server.listener.finish();
  if (!comeThrough) server.closeDoor();
  if (server.network.poll() < 0) yield* sleep(SETTLE_MS);
  if (currentWorld().program?.replaced === true) yield* sleep(HANDOVER_MS);
  server.drain();
  if (comeThrough) yield* sleep(LAST_HANDSHAKES_MS);
  server.closeDoor();
}

/** What waits in the queue is taken as far as there is room; the rest goes with the listener. */
function queued(server: ServerRecord): Socket | undefined {
  try {
    return server.hasRoom ? server.listener.tryAccept() : undefined;
  } catch {
    return undefined;
  }
}
