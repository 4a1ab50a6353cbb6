/**
 * The drain, which is the graceful shutdown of a server. Its phases:
 *
 *   1. accept the queued connections
 *   2. stop accepting: close the listener, unless handshakes or queued connections are left
 *   3. drain idle connections: their `recv` returns end of file
 *   4. finish the pending handshakes, or accept the rest of the queue as slots become free
 *   5. wait for busy connections, which the end of the grace period cuts
 */
import type { Wait } from '../kernel/operation.ts';
import { sleep } from '../kernel/waits.ts';
import { currentWorld } from '../net/current-world.ts';
import type { Socket } from '../net/tcp/socket.ts';
import { isShortage, startConnection } from './accept.ts';
import type { ServerImpl } from './server.ts';

/**
 * How long a newly accepted connection may take to send its first bytes before it is drained as
 * idle. Applies after a handshake, and if a successor serves new connections.
 */
const FIRST_BYTES_MS = 200;

/** Age at which a TLS handshake or PROXY header is aborted: silent clients must not delay the
 *  drain. */
const HANDSHAKE_TIMEOUT_MS = 1000;

/** Assumed queue length where the system does not report it: the default of Linux. */
const DEFAULT_BACKLOG = 4096;

/** Waits until the server is stopped, then runs phases 1 to 4. Phase 5 is the group of the server,
 *  and the end of the grace period cancels its scope, this task included. */
export function* drainWhenStopped(server: ServerImpl): Generator<Wait, void> {
  yield* server.scope.waitStopping();
  server.beginStop();
  // Without a grace period, a connection that is accepted now would only be cut.
  if (server.scope.cancelled) return;
  yield* new Drain(server).run();
}

class Drain {
  readonly #server: ServerImpl;
  /** Maximum length of the accept queue: bounds the drain while new connections keep arriving. */
  readonly #backlog: number;
  readonly #stoppedAt: number;

  constructor(server: ServerImpl) {
    this.#server = server;
    this.#backlog = server.network.limits().backlog ?? DEFAULT_BACKLOG;
    this.#stoppedAt = server.scheduler.now();
  }

  /**
   * A connection that was established before the stop is served, including its first request if
   * that was sent before the stop. The network may report either late, so `#settle` runs first.
   */
  *run(): Generator<Wait, void> {
    yield* this.#settle();
    const isQueueEmpty = this.#acceptQueued();
    this.#stopAccepting(isQueueEmpty);
    yield* this.#settle();
    if (isReplaced()) yield* sleep(FIRST_BYTES_MS);
    // Connections whose handshakes complete after the stop are drained by `#finishHandshakes`.
    this.#server.drain(this.#hasStages ? this.#stoppedAt : Infinity);
    if (this.#hasStages) yield* this.#finishHandshakes();
    else if (!this.#server.listener.closed) yield* this.#acceptRemaining();
    this.#server.closeListener();
  }

  /** True: accepted connections pass a TLS handshake or a PROXY header first. */
  get #hasStages(): boolean {
    return this.#server.listener.lastStage !== undefined;
  }

  /** Waits until the network has reported every connection and byte that has arrived. */
  *#settle(): Generator<Wait, void> {
    const { network } = this.#server;
    network.poll();
    if (network.settleMs > 0) yield* sleep(network.settleMs);
  }

  /**
   * Accepts up to a full queue of connections; more may arrive meanwhile. False: connections may be
   * left, because of `maxConnections` or a lack of descriptors.
   */
  #acceptQueued(): boolean {
    for (let left = this.#backlog; left > 0; left--) {
      const socket = tryAcceptNext(this.#server);
      if (socket === 'none') return true;
      if (socket === 'no resources') return false;
      startConnection(this.#server, socket);
    }
    return true;
  }

  /** Connections that are still queued keep the listener open: closing it would reset them, unless
   *  a successor accepts from the same queue. */
  #stopAccepting(isQueueEmpty: boolean): void {
    const { lastStage } = this.#server.listener;
    if (lastStage !== undefined) lastStage.finish();
    else if (isQueueEmpty || isReplaced()) this.#server.closeListener();
  }

  /**
   * Lets pending and queued handshakes complete, and drains each connection once its first bytes
   * had time to arrive. The accept loop goes on meanwhile and ends after the last of them.
   */
  *#finishHandshakes(): Generator<Wait, void> {
    const server = this.#server;
    const last = arrivals(server) + this.#backlog;
    server.drainsNewConnections = false;
    while (arrivals(server) < last) {
      const until = server.scheduler.now();
      const before = isIdle(server) ? arrivals(server) : -1;
      yield* sleep(FIRST_BYTES_MS);
      // Nothing arrived in all that time: the queue is empty, or there is a shortage.
      if (isIdle(server) && arrivals(server) === before) return;
      server.drain(until);
      server.listener.abortHandshakesOlderThan(HANDSHAKE_TIMEOUT_MS);
    }
    server.closeListener();
    yield* sleep(FIRST_BYTES_MS);
    server.drain();
  }

  /** Accepts queued connections as others end, until the queue is empty. Bounded by the grace
   *  period and by the length of the queue. */
  *#acceptRemaining(): Generator<Wait, void> {
    const server = this.#server;
    const { counters, network } = server;
    const last = counters.accepted + this.#backlog;
    const isLate = network.settleMs > 0;
    server.drainsNewConnections = !isLate;
    while (!this.#acceptQueued() && counters.accepted < last) {
      // The missing resource is held elsewhere and may never be freed.
      if (server.open.size === 0) break;
      if (isLate) yield* this.#drainSettled();
      else yield* server.waitForClose();
    }
    server.closeListener();
    yield* this.#settle();
    server.drain();
  }

  /** Drains the connections whose first bytes the network has had time to report. */
  *#drainSettled(): Generator<Wait, void> {
    const until = this.#server.scheduler.now();
    yield* this.#settle();
    this.#server.drain(until);
  }
}

function isReplaced(): boolean {
  return currentWorld().program?.replaced === true;
}

function tryAcceptNext({ hasFreeSlot, listener }: ServerImpl): Socket | 'none' | 'no resources' {
  if (!hasFreeSlot) return 'no resources';
  try {
    return listener.tryAccept() ?? 'none';
  } catch (error) {
    return isShortage((error as { code?: unknown }).code) ? 'no resources' : 'none';
  }
}

/** True: no connection is open, and no handshake is pending. */
function isIdle({ open, listener }: ServerImpl): boolean {
  return open.size === 0 && !listener.hasHandshakes;
}

/** Number of connections that have arrived, whatever became of them. */
function arrivals({ listener, counters }: ServerImpl): number {
  const refused = Object.values(counters.refused).reduce((sum, count) => sum + count, 0);
  const failed = listener.handshakes?.failed ?? 0;
  return counters.accepted + refused + failed + (listener.stages.proxyHeaders?.disconnected ?? 0);
}
