/**
 * Accepting: one connection after the other, as long as there is room.
 *
 *   room ──► accept ──► refused by a limit of its peer: reset
 *     ▲         ├─────► a task of its own
 *     │         └─────► no descriptor left: pause ──► shed what has waited too long
 *     └─ maxConnections are open: pause until one ends
 */
import type { Wait } from '../kernel/operation.ts';
import { moveOnAfter } from '../kernel/scope/with-scope.ts';
import type { Socket } from '../net/tcp/socket.ts';
import { ConnectionOperation } from './connection-operation.ts';
import type { Handler } from './options.ts';
import type { ServerImpl } from './server.ts';

/** Accepting pauses for this long when there is no descriptor left; twice as long each time. */
const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 1000;

/**
 * A shortage that passes costs those who wait in the queue less than a refusal would. One that has
 * lasted for so long will not pass soon: those who wait are better off elsewhere, and know it.
 */
const SHED_AFTER_MS = 2000;
/** Connections that are shed at once, those that have waited longest; again after each pause. */
const MAX_SHED = 64;

/** Returns when the listener has been closed. */
export function* acceptAll(server: ServerImpl, handler: Handler): Generator<Wait, void> {
  for (;;) {
    if (!server.hasFreeSlot) yield* waitForFreeSlot(server);
    const socket = yield* acceptNext(server);
    if (socket === undefined) return;
    startConnection(server, socket, handler);
  }
}

/** Serves `socket` in a task of its own, unless a limit of its peer refuses it. */
export function startConnection(server: ServerImpl, socket: Socket, handler: Handler): void {
  const record = server.addConnection(socket);
  if (record === null) return;
  server.spawn(record, new ConnectionOperation(server, record, handler));
}

/** Waits until there is room for a connection, or nobody comes in any more. */
function* waitForFreeSlot(server: ServerImpl): Generator<Wait, void> {
  const { maxConnections, maxIsDerived } = server.limits;
  countPause(server);
  server.reporter.limited('maxConnections');
  if (maxIsDerived && server.network.capabilities.pausesAccept) {
    server.reporter.warn(
      `it pauses accepting: ${maxConnections} connections are open, and there are no descriptors ` +
        'for more. See `ulimit -n`.',
    );
  }
  while (!server.hasFreeSlot && !server.listener.closed) yield* server.waitForClose();
}

/** The next connection; `undefined` once the listener has been closed. */
function* acceptNext(server: ServerImpl): Generator<Wait, Socket | undefined> {
  const { listener, scheduler } = server;
  let pauseMs = FIRST_PAUSE_MS;
  let since = Infinity;
  for (;;) {
    const triedAt = scheduler.now();
    try {
      listener.transport.acceptBatch = server.freeSlots;
      return yield* listener.accept();
    } catch (error) {
      const { code } = error as { code?: unknown };
      if (code === 'ERR_CLOSED') return undefined;
      if (!isShortage(code)) throw error;
      const now = scheduler.now();
      // It has waited for somebody to come: what was before is another shortage.
      const isNew = now - triedAt > LONGEST_PAUSE_MS;
      if (isNew) pauseMs = FIRST_PAUSE_MS;
      since = isNew ? now : Math.min(since, now);
      reportShortage(server, String(code));
      if (now - since >= SHED_AFTER_MS) shed(server);
    }
    // A connection that ends gives a descriptor back.
    yield* moveOnAfter(pauseMs, () => server.waitForClose());
    pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
  }
}

/** The system has nothing left to give. The connection stays queued; it will be there later. */
export function isShortage(code: unknown): boolean {
  return code === 'EMFILE' || code === 'ENFILE' || code === 'ENOBUFS' || code === 'ENOMEM';
}

function reportShortage(server: ServerImpl, code: string): void {
  countPause(server);
  server.reporter.warn(
    `${code}: it pauses accepting until descriptors or memory are free again. See \`ulimit -n\`.`,
  );
}

function countPause(server: ServerImpl): void {
  if (server.network.capabilities.pausesAccept) server.counters.acceptPauses++;
}

function shed(server: ServerImpl): void {
  const count = server.listener.transport.shed?.(MAX_SHED) ?? 0;
  if (count > 0) server.refused('shed', count);
}
