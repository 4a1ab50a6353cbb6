/** The soft end of a server: take what is queued, close the door, let idle connections go. */
import type { Wait } from '../kernel/operation.ts';
import type { Scope } from '../kernel/scope/scope.ts';
import { sleep } from '../kernel/waits.ts';
import { currentWorld } from '../net/current-world.ts';
import type { Socket } from '../net/tcp/socket.ts';
import { isShortage, startConnection } from './accept.ts';
import type { Handler } from './options.ts';
import type { ServerImpl } from './server.ts';

/**
 * Who has connected before a drain has come in, and what has been sent before it counts as
 * received. A network that hears of either only in the event loop is given this long to hear.
 */
const SETTLE_MS = 10;

/**
 * A program that is replaced by a successor is in no hurry: clients that it has accepted last have
 * so long for their first bytes, since they count as idle before.
 */
const HANDOVER_MS = 200;

/** Handshakes of TLS and headers of proxies that are under way when the server is stopped have so
 *  long to complete: a silent client must not hold it up. */
const HANDSHAKE_TIMEOUT_MS = 1000;

/** The longest queue where the system does not tell: what Linux allows unless it is told. */
const DEFAULT_BACKLOG = 4096;

/** Waits until the server is stopped, and drains it. */
export function* drainWhenStopped(
  server: ServerImpl,
  own: Scope,
  handler: Handler,
): Generator<Wait, void> {
  yield* own.waitStopping();
  server.beginStop();
  const stoppedAt = server.scheduler.now();
  // A grace of no time: whoever were let in now would only be cut.
  if (own.cancelled) return;
  const hearsLate = server.network.poll() < 0;
  if (hearsLate) yield* sleep(SETTLE_MS);
  const gate = server.listener.lastStage;
  // Once: to ask the system costs several files.
  const most = server.network.limits().backlog ?? DEFAULT_BACKLOG;
  const take = (): boolean => acceptQueued(server, handler, most);
  const isEmpty = take();
  if (gate !== undefined) gate.finish();
  // A successor has the same queue, and room for it.
  else if (isEmpty || isReplaced()) server.closeListener();
  if (hearsLate) yield* sleep(SETTLE_MS);
  if (isReplaced()) yield* sleep(HANDOVER_MS);
  // Whoever comes through a gate from now on is drained in his time.
  server.drain(gate === undefined ? Infinity : stoppedAt);
  if (gate !== undefined) yield* drainHandshakes(server, most);
  else if (!server.listener.closed) yield* acceptRemaining(server, take, most, hearsLate);
  server.closeListener();
}

function isReplaced(): boolean {
  return currentWorld().program?.replaced === true;
}

/**
 * Gives what waits in the queue to handlers: `most`, which is as many as it can hold, since whoever
 * comes meanwhile queues up as well. False: more may wait, and there is no room for them now.
 */
function acceptQueued(server: ServerImpl, handler: Handler, most: number): boolean {
  for (let left = most; left > 0; left--) {
    const next = tryAcceptNext(server);
    if (next === undefined || next === null) return next === undefined;
    startConnection(server, next, handler);
  }
  return true;
}

/**
 * Those at a gate, and those who wait below, come through as there is room; accepting goes on by
 * itself and ends behind the last of them. Whoever has come through has a moment for the first
 * bytes, which follow the handshake. Bounded as below.
 */
function* drainHandshakes(server: ServerImpl, most: number): Generator<Wait, void> {
  const { listener, scheduler } = server;
  const last = arrivals(server) + most;
  server.drainsNewConnections = false;
  while (arrivals(server) < last) {
    const until = scheduler.now();
    const before = isIdle(server) ? arrivals(server) : -1;
    yield* sleep(HANDOVER_MS);
    // In all that time nobody has come in: the queue is empty, or there is a shortage.
    if (isIdle(server) && arrivals(server) === before) return;
    server.drain(until);
    listener.abortHandshakesOlderThan(HANDSHAKE_TIMEOUT_MS);
  }
  server.closeListener();
  yield* sleep(HANDOVER_MS);
  server.drain();
}

/** Nobody is served, and nobody is at a gate. */
function isIdle({ open, listener }: ServerImpl): boolean {
  return open.size === 0 && !listener.hasHandshakes;
}

/** How many have come so far, and are served or gone: silent ones could come for ever. */
function arrivals({ listener, counters }: ServerImpl): number {
  const refused = Object.values(counters.refused).reduce((sum, count) => sum + count, 0);
  const { proxyHeaders } = listener.stages;
  return (
    counters.accepted +
    refused +
    (listener.handshakes?.failed ?? 0) +
    (proxyHeaders?.disconnected ?? 0)
  );
}

/**
 * Those who had connected while there was no room are served as connections end and make some.
 * Closing the listener at once would reset them, with their requests. The grace bounds it, and
 * without one the length of the queue.
 */
function* acceptRemaining(
  server: ServerImpl,
  take: () => boolean,
  most: number,
  hearsLate: boolean,
): Generator<Wait, void> {
  const { counters } = server;
  const last = counters.accepted + most;
  server.drainsNewConnections = !hearsLate;
  while (!take() && counters.accepted < last) {
    // What is short is held by somebody else, who may never give it back.
    if (server.open.size === 0) break;
    if (hearsLate) yield* drainSettled(server);
    else yield* server.waitForClose();
  }
  server.closeListener();
  if (!hearsLate) return;
  yield* sleep(SETTLE_MS);
  server.drain();
}

/** Of those who have come in during the drain, drains those of whom the network has heard. */
function* drainSettled(server: ServerImpl): Generator<Wait, void> {
  const until = server.scheduler.now();
  yield* sleep(SETTLE_MS);
  server.drain(until);
}

/** The next one in the queue; null: there is no room for one; undefined: nobody waits. */
function tryAcceptNext({ hasFreeSlot, listener }: ServerImpl): Socket | null | undefined {
  if (!hasFreeSlot) return null;
  try {
    return listener.tryAccept();
  } catch (error) {
    return isShortage((error as { code?: unknown }).code) ? null : undefined;
  }
}
