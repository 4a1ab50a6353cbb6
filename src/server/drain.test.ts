/** What a drain does with those who wait in the queue of the listener, on a virtual clock. */
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

/** The longest queue, as the system tells it. */
const BACKLOG = 5;
const STOPPED_AT = 100;

/** One behind which so many wait, each with a question. */
class CrowdedListener extends Readiness implements ListenerTransport {
  readonly local = { host: '127.0.0.1', port: 1, family: 4 } as const;
  /** Connections that there are descriptors for. */
  descriptors = Infinity;
  queue: number;
  open = 0;
  closedAt = Infinity;
  /** Questions that were answered. */
  answered = 0;
  /** What comes in on a connection. */
  arrive = (connection: ScriptedTransport): void => connection.feed('a question');
  /** How long an answer takes. */
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
  /** What stands in front of the connections. */
  readonly gate?: HandshakeStage;
  /** True: the network hears of what has happened in the event loop only. */
  readonly hearsLate?: boolean;
  /** What happens after the stop. */
  readonly after?: () => Operation<void>;
}

/** How a server ends that is stopped, without a grace, while it serves on `listener`. */
function stopped(
  listener: CrowdedListener,
  options: Stop,
): { readonly accepted: number; readonly endedAt: number } {
  const { maxConnections, replaced = false, hearsLate = false } = options;
  let server: Server | undefined;
  const network = {
    backend: 'test',
    capabilities: { pausesAccept: true },
    limits: () => ({ backlog: BACKLOG }),
    poll: () => (hearsLate ? -1 : 0),
    settleMs: hearsLate ? 10 : 0,
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
        const serving = gated(listener, options.gate);
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

function gated(raw: CrowdedListener, gate: HandshakeStage | undefined): Listener {
  if (gate === undefined) return new Listener(raw);
  const proxies = new HandshakingListener(raw, gate, runningTask().scheduler);
  return new Listener(proxies, { proxyHeaders: proxies });
}

/** Takes its time, and goes on until the connection ends. */
function* answer(socket: Socket, listener: CrowdedListener): Operation<void> {
  try {
    while ((yield* socket.recv()).length > 0) {
      yield* sleep(listener.answerMs);
      yield* socket.sendAll('an answer');
      listener.answered++;
    }
  } finally {
    socket.close();
    listener.open--;
  }
}

test('those for whom there was no descriptor are served as connections end', () => {
  const listener = new CrowdedListener(4);
  listener.descriptors = 1;
  const { accepted, endedAt } = stopped(listener, { maxConnections: Infinity });
  expect(accepted).toBe(4);
  expect(endedAt).toBeGreaterThan(listener.closedAt);
  expect(listener.closedAt).toBeGreaterThanOrEqual(6 * STOPPED_AT);
});

test('a server in which nothing is open waits for no descriptor', () => {
  const listener = new CrowdedListener(4);
  listener.descriptors = 0;
  const end = { accepted: 0, endedAt: STOPPED_AT };
  expect(stopped(listener, { maxConnections: Infinity })).toEqual(end);
});

test('a full server serves as many as its queue can hold, however many come', () => {
  const { accepted } = stopped(new CrowdedListener(Infinity), { maxConnections: 2 });
  // Both that were open, and one more that took the last place while the drain looked.
  expect(accepted).toBeGreaterThanOrEqual(2 + BACKLOG);
  expect(accepted).toBeLessThanOrEqual(2 + BACKLOG + 1);
});

test('a full server behind which nobody waits closes its door when a place is free', () => {
  const listener = new CrowdedListener(2);
  stopped(listener, { maxConnections: 2 });
  expect(listener.closedAt).toBe(2 * STOPPED_AT);
});

test('what waits for a program that is replaced is left to its successor', () => {
  const listener = new CrowdedListener(4);
  const { accepted } = stopped(listener, { maxConnections: 1, replaced: true });
  expect([accepted, listener.closedAt]).toEqual([1, STOPPED_AT]);
});

test('a silent one that comes through a gate as the last of many is ended, too', () => {
  const listener = new CrowdedListener(Infinity);
  listener.answerMs = 50;
  listener.arrive = (connection) => {
    if (listener.connections.length % 2 !== 0) return;
    connection.feed('a question');
    connection.finish();
  };
  const { accepted, endedAt } = stopped(listener, { maxConnections: 1, gate: IMMEDIATE_STAGE });
  expect(accepted).toBeGreaterThanOrEqual(1 + BACKLOG);
  expect(endedAt).toBeLessThan(20 * STOPPED_AT);
});

test.each([undefined, IMMEDIATE_STAGE])(
  'who had connected before a late notice of it is served',
  (gate) => {
    const listener = new CrowdedListener(0);
    stopped(listener, {
      maxConnections: 2,
      ...(gate && { gate }),
      hearsLate: true,
      *after() {
        yield* sleep(1);
        listener.queue = 1;
        listener.notifyRecv();
      },
    });
    expect(listener.answered).toBe(1);
  },
);

test('those who come to a gate and go again hold up no drain', () => {
  const listener = new CrowdedListener(Infinity);
  const gate = new FakeHandshakeStage();
  stopped(listener, {
    maxConnections: 2,
    gate,
    *after() {
      for (let left = 100; left > 0 && listener.closedAt === Infinity; left--) {
        yield* sleep(STOPPED_AT);
        for (const passage of gate.handshakes.splice(0)) passage.disconnected();
      }
    },
  });
  expect(listener.closedAt).toBeLessThan(20 * STOPPED_AT);
});

test('who waits below a gate is served, whenever the one before him ends', () => {
  for (let answerMs = 50; answerMs <= 1000; answerMs += 50) {
    const listener = new CrowdedListener(3);
    listener.answerMs = answerMs;
    const { accepted } = stopped(listener, { maxConnections: 1, gate: IMMEDIATE_STAGE });
    expect([answerMs, accepted, listener.answered]).toEqual([answerMs, 3, 3]);
  }
});

test('who comes through a gate after the stop has a moment for a question', () => {
  const listener = new CrowdedListener(1);
  listener.arrive = () => {};
  const gate = new FakeHandshakeStage();
  stopped(listener, {
    maxConnections: 2,
    gate,
    hearsLate: true,
    *after() {
      yield* sleep(5);
      gate.at(0).complete(gate.at(0).raw);
      yield* sleep(50);
      listener.connections[0]?.feed('a question');
    },
  });
  expect(listener.answered).toBe(1);
});
