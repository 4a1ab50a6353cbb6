/** The drain of a server with queued connections, on a virtual clock. */
import { expect, test } from 'vitest';
import { play } from '../../test/support/kernel/virtual-host.ts';
import { FakeHandshakeStage, IMMEDIATE_STAGE } from '../../test/support/network/fake-handshakes.ts';
import { ScriptedTransport } from '../../test/support/network/scripted-transport.ts';
import { now, runningTask } from '../kernel/current.ts';
import { ClosedError } from '../kernel/errors.ts';
import type { Operation } from '../kernel/operation.ts';
import { Readiness } from '../kernel/readiness.ts';
import { group } from '../kernel/task/group.ts';
import { sleep } from '../kernel/waits.ts';
import { HandshakingListener } from '../net/handshake/handshaking-listener.ts';
import { Listener } from '../net/tcp/listener.ts';
import type { Socket } from '../net/tcp/socket.ts';
import { SystemError } from '../support/system-error.ts';
import type { HandshakeStage } from '../world/handshake.ts';
import type { ListenerTransport, Transport } from '../world/network.ts';
import { serve } from './serve.ts';
import type { Server } from './server.ts';

/** The queue length that the system reports. */
const BACKLOG = 5;
const STOPPED_AT = 100;

/** A listener with queued connections, each with a request. */
class QueueListener extends Readiness implements ListenerTransport {
  readonly local = { host: '127.0.0.1', port: 1, family: 4 } as const;
  /** Number of available descriptors. */
  descriptors = Infinity;
  queue: number;
  open = 0;
  closedAt = Infinity;
  /** Number of requests that were answered. */
  answered = 0;
  /** Provides the input of a connection. */
  arrive = (connection: ScriptedTransport): void => connection.feed('a request');
  /** The time that a response takes. */
  answerMs: number = 2 * STOPPED_AT;
  readonly connections: ScriptedTransport[] = [];

  constructor(queue: number) {
    super();
    this.queue = queue;
    this.canRecv = true;
  }

  tryListen(): boolean {
    return true;
  }

  tryAccept(): Transport | undefined {
    if (this.closedAt < Infinity) throw new ClosedError('ERR_CLOSED', 'closed');
    this.canRecv = this.queue > 0;
    if (!this.canRecv) return undefined;
    if (this.open >= this.descriptors) throw new SystemError('EMFILE', -24, 'accept');
    this.queue--;
    this.open++;
    const connection = new ScriptedTransport();
    this.arrive(connection);
    this.connections.push(connection);
    return connection;
  }

  close(): void {
    this.closedAt = Math.min(this.closedAt, now());
    this.rejectWaiters(new ClosedError('ERR_CLOSED', 'closed'));
  }
}

interface Stop {
  readonly maxConnections: number;
  readonly replaced?: boolean;
  /** The handshake stage of the listener. */
  readonly stage?: HandshakeStage;
  /** True: the network reports events only in later turns of the event loop. */
  readonly isLate?: boolean;
  /** Runs after the stop. */
  readonly after?: () => Operation<void>;
}

/** Serves on `listener`, stops the server without a time limit, and returns its result. */
function stopped(
  listener: QueueListener,
  options: Stop,
): { readonly accepted: number; readonly endedAt: number } {
  const { maxConnections, replaced = false, isLate = false } = options;
  let server: Server | undefined;
  const network = {
    backend: 'test',
    capabilities: { pausesAccept: true },
    limits: () => ({ backlog: BACKLOG }),
    poll: () => (isLate ? -1 : 0),
    settleMs: isLate ? 10 : 0,
  };
  const program = { replaced, serverListens: () => {}, serverEnds: () => {} };
  const world = { network, program, platform: { report: () => {} } };
  const endedAt = play(
    function* (): Operation<number> {
      yield* group(function* (tasks): Operation<void> {
        const onListening = (listening: Server): void => {
          server = listening;
        };
        const own = { maxConnections, onListening, lingerMs: 0 };
        const serving = withStage(listener, options.stage);
        tasks.spawn(() => serve(serving, (socket) => answer(socket, listener), own));
        yield* sleep(STOPPED_AT);
        server?.stop();
        if (options.after !== undefined) yield* options.after();
      });
      return now();
    },
    { world, maxTurns: 10_000 },
  );
  return { accepted: (server as unknown as Server).stats().accepted, endedAt };
}

function withStage(raw: QueueListener, stage: HandshakeStage | undefined): Listener {
  if (stage === undefined) return new Listener(raw);
  const proxies = new HandshakingListener(raw, stage, runningTask().scheduler);
  return new Listener(proxies, { proxyHeaders: proxies });
}

/** Responds to each request after a delay, until end of file. */
function* answer(socket: Socket, listener: QueueListener): Operation<void> {
  try {
    while ((yield* socket.recv()).length > 0) {
      yield* sleep(listener.answerMs);
      yield* socket.sendAll('a response');
      listener.answered++;
    }
  } finally {
    socket.close();
    listener.open--;
  }
}

test('connections without a descriptor are served as others end', () => {
  const listener = new QueueListener(4);
  listener.descriptors = 1;
  const { accepted, endedAt } = stopped(listener, { maxConnections: Infinity });
  expect(accepted).toBe(4);
  expect(endedAt).toBeGreaterThan(listener.closedAt);
  expect(listener.closedAt).toBeGreaterThanOrEqual(6 * STOPPED_AT);
});

test('a drain without open connections does not wait for a descriptor', () => {
  const listener = new QueueListener(4);
  listener.descriptors = 0;
  const end = { accepted: 0, endedAt: STOPPED_AT };
  expect(stopped(listener, { maxConnections: Infinity })).toEqual(end);
});

test('a drain serves at most as many connections as the queue can hold', () => {
  const { accepted } = stopped(new QueueListener(Infinity), { maxConnections: 2 });
  // The two open ones, and one that took a free slot during the drain.
  expect(accepted).toBeGreaterThanOrEqual(2 + BACKLOG);
  expect(accepted).toBeLessThanOrEqual(2 + BACKLOG + 1);
});

test('a full server with an empty queue closes its listener when a slot is free', () => {
  const listener = new QueueListener(2);
  stopped(listener, { maxConnections: 2 });
  expect(listener.closedAt).toBe(2 * STOPPED_AT);
});

test('a program that is replaced leaves queued connections to its successor', () => {
  const listener = new QueueListener(4);
  const { accepted } = stopped(listener, { maxConnections: 1, replaced: true });
  expect([accepted, listener.closedAt]).toEqual([1, STOPPED_AT]);
});

test('a silent connection that completes its handshake last is drained', () => {
  const listener = new QueueListener(Infinity);
  listener.answerMs = 50;
  listener.arrive = (connection) => {
    if (listener.connections.length % 2 !== 0) return;
    connection.feed('a request');
    connection.finish();
  };
  const { accepted, endedAt } = stopped(listener, { maxConnections: 1, stage: IMMEDIATE_STAGE });
  expect(accepted).toBeGreaterThanOrEqual(1 + BACKLOG);
  expect(endedAt).toBeLessThan(20 * STOPPED_AT);
});

test.each([undefined, IMMEDIATE_STAGE])(
  'a connection that the network reports late is served',
  (stage) => {
    const listener = new QueueListener(0);
    stopped(listener, {
      maxConnections: 2,
      ...(stage && { stage }),
      isLate: true,
      *after() {
        yield* sleep(1);
        listener.queue = 1;
        listener.notifyRecv();
      },
    });
    expect(listener.answered).toBe(1);
  },
);

test('peers that disconnect during the handshake do not delay the drain', () => {
  const listener = new QueueListener(Infinity);
  const stage = new FakeHandshakeStage();
  stopped(listener, {
    maxConnections: 2,
    stage,
    *after() {
      for (let left = 100; left > 0 && listener.closedAt === Infinity; left--) {
        yield* sleep(STOPPED_AT);
        for (const handshake of stage.handshakes.splice(0)) handshake.disconnected();
      }
    },
  });
  expect(listener.closedAt).toBeLessThan(20 * STOPPED_AT);
});

test('a connection that waits for its handshake is served, whenever a slot is free', () => {
  for (let answerMs = 50; answerMs <= 1000; answerMs += 50) {
    const listener = new QueueListener(3);
    listener.answerMs = answerMs;
    const { accepted } = stopped(listener, { maxConnections: 1, stage: IMMEDIATE_STAGE });
    expect([answerMs, accepted, listener.answered]).toEqual([answerMs, 3, 3]);
  }
});

test('a handshake that completes after the stop leaves time for a request', () => {
  const listener = new QueueListener(1);
  listener.arrive = () => {};
  const stage = new FakeHandshakeStage();
  stopped(listener, {
    maxConnections: 2,
    stage,
    isLate: true,
    *after() {
      yield* sleep(5);
      stage.at(0).complete(stage.at(0).raw);
      yield* sleep(50);
      listener.connections[0]?.feed('a request');
    },
  });
  expect(listener.answered).toBe(1);
});
