/** The soft end of a server: take what is queued, close the door, let idle connections go. */
import type { Wait } from '../kernel/operation.ts';
import type { Scope } from '../kernel/scope.ts';
import { sleep } from '../kernel/waits.ts';
import type { Socket } from '../net/socket.ts';
import { currentWorld } from '../net/world.ts';
import { begin, isShortage } from './accept.ts';
import type { Handler } from './options.ts';
import type { ServerRecord } from './record.ts';

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
const LAST_HANDSHAKES_MS = 1000;

/** The longest queue where the system does not tell: what Linux allows unless it is told. */
const USUAL_BACKLOG = 4096;

/** Waits until the server is stopped, and drains it. */
export function* drainWhenStopped(
  server: ServerRecord,
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
  const gate = server.listener.lastGate;
  // Once: to ask the system costs several files.
  const most = server.network.limits().backlog ?? USUAL_BACKLOG;
  const take = (): boolean => takeQueued(server, handler, most);
  const isEmpty = take();
  if (gate !== undefined) gate.finish();
  // A successor has the same queue, and room for it.
  else if (isEmpty || isReplaced()) server.closeDoor();
  if (hearsLate) yield* sleep(SETTLE_MS);
  if (isReplaced()) yield* sleep(HANDOVER_MS);
  // Whoever comes through a gate from now on is drained in his time.
  server.drain(gate === undefined ? Infinity : stoppedAt);
  if (gate !== undefined) yield* comeThrough(server, most);
  else if (!server.listener.closed) yield* takeTheRest(server, take, most, hearsLate);
  server.closeDoor();
}

function isReplaced(): boolean {
  return currentWorld().program?.replaced === true;
}

/**
 * Gives what waits in the queue to handlers: `most`, which is as many as it can hold, since whoever
 * comes meanwhile queues up as well. False: more may wait, and there is no room for them now.
 */
function takeQueued(server: ServerRecord, handler: Handler, most: number): boolean {
  for (let left = most; left > 0; left--) {
    const next = queued(server);
    if (next === undefined || next === null) return next === undefined;
    begin(server, next, handler);
  }
  return true;
}

/**
 * Those at a gate, and those who wait below, come through as there is room; accepting goes on by
 * itself and ends behind the last of them. Whoever has come through has a moment for the first
 * bytes, which follow the handshake. Bounded as below.
 */
function* comeThrough(server: ServerRecord, most: number): Generator<Wait, void> {
  const { listener, scheduler } = server;
  const last = turnedUp(server) + most;
  server.drainsNewcomers = false;
  while (turnedUp(server) < last) {
    const until = scheduler.now();
    const before = isIdle(server) ? turnedUp(server) : -1;
    yield* sleep(HANDOVER_MS);
    // In all that time nobody has come in: the queue is empty, or there is a shortage.
    if (isIdle(server) && turnedUp(server) === before) return;
    server.drain(until);
    listener.giveUpAfter(LAST_HANDSHAKES_MS);
  }
  server.closeDoor();
  yield* sleep(HANDOVER_MS);
  server.drain();
}

/** Nobody is served, and nobody is at a gate. */
function isIdle({ open, listener }: ServerRecord): boolean {
  return open.size === 0 && !listener.busyAtGates;
}

/** How many have come so far, and are served or gone: silent ones could come for ever. */
function turnedUp({ listener, tally }: ServerRecord): number {
  const refused = Object.values(tally.refused).reduce((sum, count) => sum + count, 0);
  const { proxies } = listener.gates;
  return tally.accepted + refused + (listener.handshakes?.failed ?? 0) + (proxies?.gone ?? 0);
}

/**
 * Those who had connected while there was no room are served as connections end and make some.
 * Closing the listener at once would reset them, with their requests. The grace bounds it, and
 * without one the length of the queue.
 */
function* takeTheRest(
  server: ServerRecord,
  take: () => boolean,
  most: number,
  hearsLate: boolean,
): Generator<Wait, void> {
  const { tally } = server;
  const last = tally.accepted + most;
  server.drainsNewcomers = !hearsLate;
  while (!take() && tally.accepted < last) {
    // What is short is held by somebody else, who may never give it back.
    if (server.open.size === 0) break;
    if (hearsLate) yield* drainHeard(server);
    else yield* server.departure();
  }
  server.closeDoor();
  if (!hearsLate) return;
  yield* sleep(SETTLE_MS);
  server.drain();
}

/** Of those who have come in during the drain, drains those of whom the network has heard. */
function* drainHeard(server: ServerRecord): Generator<Wait, void> {
  const until = server.scheduler.now();
  yield* sleep(SETTLE_MS);
  server.drain(until);
}

/** The next one in the queue; null: there is no room for one; undefined: nobody waits. */
function queued({ hasRoom, listener }: ServerRecord): Socket | null | undefined {
  if (!hasRoom) return null;
  try {
    return listener.tryAccept();
  } catch (error) {
    return isShortage((error as { code?: unknown }).code) ? null : undefined;
  }
}
