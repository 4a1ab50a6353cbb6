/** Statistics, close records and diagnostics channels of a server. */
import { AsyncLocalStorage } from 'node:async_hooks';
import diagnostics from 'node:diagnostics_channel';
import { array, assert, asyncProperty, constantFrom, integer, record } from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { CloseRecord, Operation, Server, Socket } from '../../../src/index.ts';
import { connect, group, scope, sleep, sleepForever, TaskLocal } from '../../../src/index.ts';
import type { TestBackend } from '../../support/backends.ts';
import { backends } from '../../support/backends.ts';
import { pattern } from '../../support/data.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { ask, closeReasons, untilAllClosed, withServer } from '../../support/servers.ts';
import { echo, eventually, failure, receiveExactly, together } from '../../support/sockets.ts';

const subscriptions: (() => void)[] = [];

for (const backend of backends) {
  describe(`observability of a server on ${backend.name}:`, () => {
    expectNothingLeft(backend);
    afterEach(() => {
      for (const unsubscribe of subscriptions.splice(0)) unsubscribe();
    });

    it('onClose receives a frozen record of each closed connection', () => {
      const records: CloseRecord[] = [];
      const onClose = (record: CloseRecord): unknown => records.push(record);
      return backend.run(() =>
        withServer(
          handleByWord,
          function* (server): Operation<void> {
            const peers: unknown[] = [];
            for (const word of ['echo', 'fail', 'quit', 'wait']) {
              using client = yield* connect(server.address);
              peers.push(client.localAddress);
              yield* client.sendAll(word);
              yield* receiveExactly(client, 4);
              if (word === 'echo') client.reset();
              yield* untilAllClosed(server);
            }
            const facts = { bytesReceived: 4, bytesSent: 4, durationMs: expect.any(Number) };
            expect(records).toEqual([
              { peer: peers[0], reason: 'peerReset', ...facts },
              { peer: peers[1], reason: 'failed', ...facts },
              { peer: peers[2], reason: 'handler', ...facts },
              { peer: peers[3], reason: 'idleTimeoutMs', ...facts },
            ]);
            expect(
              records.every((record) => Object.isFrozen(record) && record.durationMs >= 0),
            ).toBe(true);
            expect(server.stats()).toMatchObject({ failed: 1, resetByPeer: 1 });
          },
          { onClose, onError: () => {}, idleTimeoutMs: 400, lingerMs: 20 },
        ),
      );
    });

    it('an exception of onClose is unhandled, and the server continues', async () => {
      const onUnhandled = vi.fn();
      const onClose = () => {
        throw new Error('in onClose');
      };
      const program = () =>
        withServer(
          echo,
          function* (server): Operation<void> {
            expect(yield* ask(server, 'one')).toBe('one');
            expect(yield* ask(server, 'two')).toBe('two');
            yield* untilAllClosed(server);
            expect(closeReasons(server)).toEqual({ handler: 2 });
          },
          { onClose },
        );
      await backend.run(program, { hooks: { onUnhandled } });
      expect(onUnhandled.mock.calls.map(String)).toEqual(Array(2).fill('Error: in onClose'));
    });

    it('a Cancelled of another scope is a failure of its handler only', () => {
      const errors: unknown[] = [];
      const handler = function* (): Operation<void> {
        let kept: unknown;
        yield* scope(function* (own): Operation<void> {
          own.cancel('another scope');
          try {
            yield* sleep(1);
          } catch (error) {
            kept = error;
          }
        });
        throw kept;
      };
      return backend.run(() =>
        withServer(
          handler,
          function* (server): Operation<void> {
            for (let i = 0; i < 2; i++) expect(yield* ask(server, 'x')).toBe('');
            yield* untilAllClosed(server);
            expect(errors.map(String)).toEqual(Array(2).fill('Cancelled: another scope'));
            expect(closeReasons(server)).toEqual({ failed: 2 });
          },
          { onError: (error) => errors.push(error) },
        ),
      );
    });

    it.runIf(backend.real)('events are published on channels of node:diagnostics_channel', () => {
      const messages = subscribed(['connection', 'close', 'limit']);
      return backend.run(() =>
        withServer(
          echo,
          function* (server): Operation<void> {
            using client = yield* connect(server.address);
            const peer = client.localAddress;
            yield* eventually('it was accepted', () => server.stats().accepted === 1);
            yield* failure(() => visit(server));
            yield* failure(() => receiveExactly(client, 1));
            yield* untilAllClosed(server);
            const { address } = server;
            const facts = { bytesReceived: 0, bytesSent: 0, durationMs: expect.any(Number) };
            const [reason, limit] = ['firstByteTimeoutMs', 'maxConnectionsPerPeer'];
            expect(messages).toEqual([
              ['connection', { server: address, peer }],
              [
                'limit',
                { server: address, limit, peer: expect.objectContaining({ host: peer.host }) },
              ],
              ['limit', { server: address, limit: reason, peer }],
              ['close', { server: address, peer, reason, ...facts }],
            ]);
          },
          { firstByteTimeoutMs: 400, maxConnectionsPerPeer: 1, lingerMs: 20 },
        ),
      );
    });

    it('stats() counts the bytes of open and of closed connections', () => {
      return backend.run(() =>
        withServer(echo, function* (server): Operation<void> {
          expect(yield* ask(server, 'twelve bytes')).toBe('twelve bytes');
          using client = yield* connect(server.address);
          yield* client.sendAll('five!');
          yield* receiveExactly(client, 5);
          expect(server.stats()).toMatchObject({ bytesReceived: 17, bytesSent: 17 });
          expect(Object.isFrozen(server.stats())).toBe(true);
          // Turns take no time in a simulation.
          expect(server.stats().longestTurnMs > 0).toBe(backend.real);
        }),
      );
    });

    it('stats() counts connections that found the accept queue full', () => {
      return backend.run(() =>
        withServer(
          sleepForever,
          function* (server): Operation<void> {
            const before = server.stats();
            if (backend.capabilities.pausesAccept) {
              expect(before.overflowed).toBeUndefined();
              expect([0, undefined]).toContain(before.hostOverflowed);
              return;
            }
            yield* group(function* (tasks): Operation<void> {
              for (let i = 0; i < 5; i++) {
                tasks.spawn(() => failure(() => visit(server)), { daemon: true });
              }
              yield* eventually('two were reset', () => server.stats().overflowed === 2);
            });
          },
          { backlog: 2, maxConnections: 1 },
        ),
      );
    });

    it('stats() counts queued connections, and handlers that wait to send', () => {
      const handler = function* (socket: Socket): Operation<void> {
        for (;;) yield* socket.sendAll(pattern(100_000));
      };
      return backend.run(() =>
        withServer(
          handler,
          function* (server): Operation<void> {
            expect(server.stats()).toMatchObject({ queued: 0, stalled: 0 });
            using first = yield* connect(server.address);
            yield* first.recv(1);
            using second = yield* connect(server.address);
            yield* eventually('one handler waits to send', () => server.stats().stalled === 1);
            yield* eventually('one client is queued', () => server.stats().queued === 1);
            first.reset();
            yield* second.recv(1);
            expect(server.stats().queued).toBe(0);
          },
          { maxConnections: 1 },
        ),
      );
    });

    // Other networks have a queue of their own, or the system does not count.
    it.runIf(backend.real && backend.capabilities.pausesAccept)(
      'hostOverflowed counts connections that the system dropped',
      () => {
        return backend.run(() =>
          withServer(
            sleepForever,
            function* (server): Operation<void> {
              expect(server.stats().hostOverflowed).toBe(0);
              yield* group(function* (tasks): Operation<void> {
                // One is served, a queue of one holds two (listen(2)), and the others are dropped.
                for (let i = 0; i < 5; i++) tasks.spawn(() => visit(server), { daemon: true });
                const dropped = () => server.stats().hostOverflowed ?? 0;
                yield* eventually('the system has dropped some', () => dropped() > 0);
              });
              expect(server.stats().accepted).toBe(1);
            },
            { backlog: 1, maxConnections: 1 },
          ),
        );
      },
    );

    it('the statistics are consistent after any mixture of clients', async () => {
      const visits = array(
        record({
          word: constantFrom('echo', 'fail', 'quit', 'wait'),
          end: constantFrom('close', 'reset', 'stay', 'silent'),
          from: integer({ min: 1, max: 4 }),
        }),
        { minLength: 1, maxLength: 25 },
      );
      await assert(
        asyncProperty(visits, (plan) => backend.run(() => randomWorkload(backend, plan))),
        { numRuns: 12 },
      );
    });
  });

  describe(`request ids in handlers on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('an AsyncLocalStorage around a task of a handler persists across its waits', () => {
      const ids = new AsyncLocalStorage<string>();
      const handler = (socket: Socket): Operation<void> =>
        group(function* (tasks): Operation<void> {
          ids.run(String(socket.remoteAddress), () => tasks.spawn(() => answer(socket)));
        });
      function* answer(socket: Socket): Operation<void> {
        for (;;) {
          const data = yield* socket.recv();
          if (data.length === 0) return;
          yield* sleep(1);
          yield* socket.sendAll(`${ids.getStore()}\n`);
        }
      }
      return backend.run(() => withServer(handler, expectOwnIds));
    });

    it('a TaskLocal of a handler persists across its waits', () => {
      const id = new TaskLocal<string>('none');
      function* handler(socket: Socket): Operation<void> {
        id.set(String(socket.remoteAddress));
        for (;;) {
          const data = yield* socket.recv();
          if (data.length === 0) return;
          yield* socket.sendAll(`${id.get()}\n`);
        }
      }
      return backend.run(() => withServer(handler, expectOwnIds));
    });
  });
}

/** Connects and waits for a response, which does not come. */
function* visit(server: Server): Operation<void> {
  using socket = yield* connect(server.address);
  yield* receiveExactly(socket, 1);
}

/** Concurrent clients receive their own address in each response. */
function* expectOwnIds(server: Server): Operation<void> {
  yield* together(
    ...Array.from({ length: 5 }, () => {
      return function* (): Operation<void> {
        using client = yield* connect(server.address);
        for (let i = 0; i < 5; i++) {
          yield* client.sendAll('id?');
          const own = `${client.localAddress}\n`;
          expect(String(yield* receiveExactly(client, own.length))).toBe(own);
        }
      };
    }),
  );
}

/** Echoes the word, then continues to echo, fails, returns, or waits, depending on the word. */
function* handleByWord(socket: Socket): Operation<void> {
  const word = String(yield* receiveExactly(socket, 4));
  yield* socket.sendAll(word);
  if (word === 'fail') throw new Error('on purpose');
  if (word === 'echo') yield* echo(socket);
  if (word === 'wait') yield* sleepForever();
}

interface Visit {
  readonly word: string;
  readonly end: string;
  readonly from: number;
}

function* randomWorkload(backend: TestBackend, plan: readonly Visit[]): Operation<void> {
  const records: CloseRecord[] = [];
  const limits = { firstByteTimeoutMs: 30, idleTimeoutMs: 40, maxLifetimeMs: 60, lingerMs: 10 };
  yield* withServer(
    handleByWord,
    function* (server, serving): Operation<void> {
      yield* together(...plan.map((visit) => () => runClient(server, visit)));
      server.stop({ graceMs: 20 });
      yield* serving.join();
      const { accepted, open, closed, refused, bytesReceived, bytesSent } = server.stats();
      expect([open, records.length]).toEqual([0, accepted]);
      expect(sum(Object.values(closed))).toBe(accepted);
      expect(refused.maxConnectionsPerPeer + accepted).toBeLessThanOrEqual(plan.length);
      if (backend.capabilities.pausesAccept) {
        expect(refused.maxConnectionsPerPeer + accepted).toBe(plan.length);
      }
      expect(sum(records.map((each) => each.bytesReceived))).toBe(bytesReceived);
      expect(sum(records.map((each) => each.bytesSent))).toBe(bytesSent);
      for (const [reason, count] of Object.entries(closed)) {
        expect(records.filter((each) => each.reason === reason).length, reason).toBe(count);
      }
    },
    {
      ...limits,
      maxConnections: 5,
      maxConnectionsPerPeer: 3,
      onError: () => {},
      onClose: (record) => records.push(record),
    },
  );
}

/** One random client. Any outcome is valid. */
function* runClient(server: Server, { word, end, from }: Visit): Operation<void> {
  const localAddress = { host: `127.0.0.${from}`, port: 0 };
  yield* failure(function* () {
    using socket = yield* connect(server.address, { localAddress });
    if (end !== 'silent') yield* socket.sendAll(word);
    if (end !== 'silent') yield* receiveExactly(socket, 4);
    if (end === 'reset') socket.reset();
    if (end === 'stay' || end === 'silent') yield* receiveExactly(socket, 1);
    throw new Error('the client has ended');
  });
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

/** The messages on the channels of servers, in order, until the end of the test. */
function subscribed(names: readonly string[]): [string, unknown][] {
  const messages: [string, unknown][] = [];
  for (const name of names) {
    const channel = `coronet:server:${name}`;
    const listener = (message: unknown): unknown => messages.push([name, message]);
    diagnostics.subscribe(channel, listener);
    subscriptions.push(() => diagnostics.unsubscribe(channel, listener));
  }
  return messages;
}
