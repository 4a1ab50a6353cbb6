/**
 * The accept loop of a server.
 *
 *   free slot ──► accept ──► refused by a limit per peer: reset
 *     ▲             ├──────► served in a task of its own
 *     │             └──────► no descriptor left: pause ──► shed the oldest connections in the queue
 *     └─ maxConnections are open: pause until one ends
 */
import type { Wait } from '../kernel/operation.ts';
import { moveOnAfter } from '../kernel/scope/with-scope.ts';
import type { Socket } from '../net/tcp/socket.ts';
import type { ServerImpl } from './server.ts';

/** The pause after an accept that failed for lack of a descriptor; it doubles each time. */
const FIRST_PAUSE_MS = 5;
const MAX_PAUSE_MS = 1000;

/**
 * How long a shortage lasts before connections are shed. Waiting out a short one costs clients less
 * than a reset does; in a long one they can connect elsewhere, but only if they are reset.
 */
const SHED_AFTER_MS = 2000;
/** Maximum number of connections that are reset after each pause, the oldest first. */
const MAX_SHED = 64;

/** Accepts and serves connections. Returns when the listener has been closed. */
export function* acceptAll(server: ServerImpl): Generator<Wait, void> {
  const { listener, scheduler } = server;
  let shortage: Shortage | null = null;
  for (;;) {
    if (!server.hasFreeSlot) yield* waitForFreeSlot(server);
    const startedAt = scheduler.now();
    let socket: Socket;
    try {
      listener.transport.acceptBatch = server.freeSlots;
      socket = yield* listener.accept();
    } catch (error) {
      const { code } = error as { code?: unknown };
      if (code === 'ERR_CLOSED') return;
      if (!isShortage(code)) throw error;
      // The accept waited for a connection, so an earlier shortage was over.
      if (scheduler.now() - startedAt > MAX_PAUSE_MS) shortage = null;
      shortage = noteShortage(server, code, shortage);
      // A connection that ends frees a descriptor.
      yield* moveOnAfter(shortage.pauseMs, () => server.waitForClose());
      continue;
    }
    shortage = null;
    startConnection(server, socket);
  }
}

/** Serves `socket` in a task of its own, unless a limit of its peer refuses it. */
export function startConnection(server: ServerImpl, socket: Socket): void {
  const connection = server.addConnection(socket);
  if (connection !== null) server.spawn(connection, connection);
}

/** Waits until another connection is allowed, or the listener has been closed. */
function* waitForFreeSlot(server: ServerImpl): Generator<Wait, void> {
  const { maxConnections, maxIsDerived } = server.limits;
  countPause(server);
  server.reporter.limited('maxConnections');
  if (maxIsDerived && server.network.capabilities.pausesAccept) {
    server.reporter.warn(
      `accepting is paused: ${maxConnections} connections are open, and no descriptors are left ` +
        'for more. See `ulimit -n`.',
    );
  }
  while (!server.hasFreeSlot && !server.listener.closed) yield* server.waitForClose();
}

/** Failures of accept for lack of descriptors or memory, one after the other. */
interface Shortage {
  readonly since: number;
  /** The pause after the latest failure. */
  readonly pauseMs: number;
}

/** Reports a failure, and sheds connections if the shortage lasts. `before`: the earlier ones. */
function noteShortage(server: ServerImpl, code: string, before: Shortage | null): Shortage {
  const now = server.scheduler.now();
  const pauseMs = before === null ? FIRST_PAUSE_MS : Math.min(2 * before.pauseMs, MAX_PAUSE_MS);
  const shortage = { since: before?.since ?? now, pauseMs };
  countPause(server);
  const { pausesAccept } = server.network.capabilities;
  const effect = pausesAccept ? 'accepting is paused' : 'new connections are reset';
  server.reporter.warn(
    `${code}: ${effect} until descriptors or memory are free. See \`ulimit -n\`.`,
  );
  if (now - shortage.since >= SHED_AFTER_MS) shed(server);
  return shortage;
}

/** Whether an accept failed for lack of descriptors or memory: the connection stays queued. */
export function isShortage(code: unknown): code is string {
  return code === 'EMFILE' || code === 'ENFILE' || code === 'ENOBUFS' || code === 'ENOMEM';
}

function countPause(server: ServerImpl): void {
  if (server.network.capabilities.pausesAccept) server.counters.acceptPauses++;
}

function shed(server: ServerImpl): void {
  const count = server.listener.transport.shed?.(MAX_SHED) ?? 0;
  if (count > 0) server.refused('shed', count);
}
