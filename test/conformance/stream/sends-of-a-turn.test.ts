/** Small sends of tasks that run in the same turn: a backend may carry them out together. */
import { describe, expect, it } from 'vitest';
import type { Operation, Socket, Task } from '../../../src/index.ts';
import { Broadcast, Channel, Event, group, sleep, sleepForever } from '../../../src/index.ts';
import { localTopics } from '../../../src/topics.ts';
import type { TestBackend } from '../../support/backends.ts';
import { backends, backendsWithTls } from '../../support/backends.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { failure, onPair, receiveText, withPairs } from '../../support/sockets.ts';
import { onSecurePair } from '../../support/tls.ts';

/** A queue; `next` receives from it. */
interface Outbox {
  /** Does not wait. Fails, or lets `next` fail, if the queue is full. */
  publish(item: string): Operation<unknown> | undefined;
  next(): Operation<unknown>;
}

const CAPACITY = 8;

/** The queues of clients. */
const outboxes: Record<string, () => Operation<Outbox>> = {
  *'a channel'(): Operation<Outbox> {
    const channel = new Channel<string>(CAPACITY);
    return {
      publish: (item) => void expect(channel.trySend(item)).toBe(true),
      next: () => channel.receive(),
    };
  },
  *'a broadcast'(): Operation<Outbox> {
    const broadcast = new Broadcast<string>({ capacity: CAPACITY, slow: 'fail' });
    const subscription = broadcast.subscribe();
    return {
      publish: (item) => void broadcast.trySend(item),
      next: () => subscription.next(),
    };
  },
  *'a topic'(): Operation<Outbox> {
    const topics = yield* localTopics();
    const subscription = yield* topics.subscribe('topic', { capacity: CAPACITY, slow: 'fail' });
    return {
      publish: (item) => topics.publish('topic', item),
      next: () => subscription.next(),
    };
  },
};

type Step = (tasks: readonly Task<unknown>[]) => Operation<unknown> | undefined;

/**
 * Runs the steps in tasks that become ready in the same turn, in this order: on epoll, where sends
 * are queued after a receive, because each of them has received a byte. The order of receives on
 * several connections is not determined elsewhere.
 */
function together(backend: TestBackend, ...steps: Step[]): Operation<void> {
  return withPairs(steps.length, function* (near, far): Operation<void> {
    const start = new Event();
    yield* group(function* (g): Operation<void> {
      const tasks: Task<unknown>[] = [];
      for (const [i, step] of steps.entries()) {
        const ready = backend.name === 'epoll' ? (near[i] as Socket).recv() : start.wait();
        tasks.push(
          g.spawn(function* (): Operation<void> {
            yield* ready;
            const operation = step(tasks);
            if (operation !== undefined) yield* operation;
          }),
        );
      }
      yield* sleep(1);
      start.set();
      for (const socket of far) socket.trySend('x');
    });
  });
}

for (const backend of backends) {
  const tls = backendsWithTls.includes(backend) ? [['TLS', onSecurePair] as const] : [];
  const pairs = [['TCP', onPair] as const, ...tls];

  describe(`sends of a turn on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('tasks that send on one connection in the same turn all send, in their order', () =>
      onPair(backend, function* (near, far): Operation<void> {
        yield* together(
          backend,
          () => near.sendAll('a'),
          () => near.sendAll('b'),
          () => near.send('c'),
          () => near.sendv([Buffer.from('d'), Buffer.from('e')]),
          () => near.sendAll('f'),
        );
        near.shutdown('send');
        expect(yield* receiveText(far)).toBe('abcdef');
      }));

    it('trySend sends after the sends of other tasks before it', () =>
      onPair(backend, function* (near, far): Operation<void> {
        yield* together(
          backend,
          () => near.sendAll('a'),
          () => void near.trySend('b'),
          () => near.sendAll('c'),
          () => undefined,
        );
        near.shutdown('send');
        expect(yield* receiveText(far)).toBe('abc');
      }));

    it('bytes of a writer follow a send of the same turn', () =>
      onPair(backend, function* (near, far): Operation<void> {
        yield* together(
          backend,
          () => near.sendAll('a'),
          function* (): Operation<void> {
            near.writer().write('b');
            yield* near.writer().flush();
          },
          () => undefined,
        );
        near.shutdown('send');
        expect(yield* receiveText(far)).toBe('ab');
      }));

    for (const end of ['shutdown', 'close'] as const) {
      it(`a send that precedes a ${end} in the same turn is complete`, () =>
        onPair(backend, function* (near, far): Operation<void> {
          yield* together(
            backend,
            () => near.sendAll('a'),
            () => void (end === 'close' ? near.close() : near.shutdown('send')),
            () => undefined,
          );
          expect(yield* receiveText(far)).toBe('a');
        }));
    }

    it('a send that precedes a reset in the same turn does not fail', () =>
      onPair(backend, function* (near): Operation<void> {
        yield* together(
          backend,
          () => near.sendAll('a'),
          () => void near.reset(),
          () => undefined,
        );
        expect(yield* failure(() => near.sendAll('b'))).toMatchObject({ code: 'ERR_CLOSED' });
      }));

    it('a send that precedes the cancellation of its task has happened', () =>
      onPair(backend, function* (near, far): Operation<void> {
        let hasSent = false;
        yield* together(
          backend,
          function* (): Operation<void> {
            yield* near.sendAll('a');
            hasSent = true;
            yield* sleepForever();
          },
          ([sender]) => void sender?.cancel(),
          () => undefined,
        );
        expect(hasSent).toBe(true);
        near.shutdown('send');
        expect(yield* receiveText(far)).toBe('a');
      }));

    it('a send to a peer that has reset the connection fails with its error', () =>
      onPair(backend, function* (near, far): Operation<void> {
        far.reset();
        yield* failure(() => near.recv());
        const errors: unknown[] = [];
        function* send(): Operation<void> {
          errors.push(yield* failure(() => near.sendAll('a')));
        }
        yield* together(backend, send, send, () => undefined);
        expect(errors.map((error) => (error as { code?: unknown }).code)).toEqual([
          expect.stringMatching(/^(EPIPE|ECONNRESET)$/),
          expect.stringMatching(/^(EPIPE|ECONNRESET)$/),
        ]);
      }));

    it.each(pairs)(
      'a send over %s whose memory is transferred in the same turn fails, or has happened',
      (_, on) =>
        on(backend, function* (near, far): Operation<void> {
          const data = new Uint8Array(100).fill(97);
          yield* together(
            backend,
            function* (): Operation<void> {
              yield* failure(function* (): Operation<void> {
                yield* near.sendAll(data);
                throw new Error('sent');
              });
            },
            () => void structuredClone(data.buffer, { transfer: [data.buffer] }),
            () => undefined,
          );
          near.shutdown('send');
          expect(['', 'a'.repeat(100)]).toContain(yield* receiveText(far));
        }),
    );

    it('a task that sends runs again before other tasks run twice', () =>
      onPair(backend, function* (near): Operation<void> {
        let turns = 0;
        let turnsUntilSent = Infinity;
        const count = function* (): Operation<void> {
          for (let i = 0; i < 20; i++) {
            turns++;
            yield;
          }
        };
        yield* together(
          backend,
          function* (): Operation<void> {
            yield* near.sendAll('a');
            turnsUntilSent = turns;
          },
          count,
          count,
        );
        expect(turnsUntilSent).toBeLessThanOrEqual(4);
      }));

    it.each(Object.entries(outboxes))(
      'a task that sends what it receives from %s keeps up with turns of its capacity',
      (_, make) =>
        backend.run(() =>
          withPairs(3, function* (near, far): Operation<void> {
            const all: Outbox[] = [];
            for (const _ of near) all.push(yield* make());
            const turns = 40;
            yield* group(function* (g): Operation<void> {
              for (const [i, socket] of near.entries()) {
                g.spawn(function* (): Operation<void> {
                  for (let left = turns * CAPACITY; left > 0; left--) {
                    yield* (all[i] as Outbox).next();
                    yield* socket.sendAll('x');
                  }
                });
              }
              yield* sleep(1);
              for (let publisher = 0; publisher < 2; publisher++) {
                g.spawn(function* (): Operation<void> {
                  for (let turn = 0; turn < turns; turn++) {
                    for (let i = 0; i < CAPACITY / 2; i++) {
                      for (const one of all) {
                        const operation = one.publish('x');
                        if (operation !== undefined) yield* operation;
                      }
                    }
                    yield;
                  }
                });
              }
            });
            for (const socket of near) socket.shutdown('send');
            for (const socket of far) {
              expect(yield* receiveText(socket)).toBe('x'.repeat(turns * CAPACITY));
            }
          }),
        ),
    );

    it('another task may wait until the connection is writable, and send', () =>
      onPair(backend, function* (near, far): Operation<void> {
        const ends: string[] = [];
        yield* together(
          backend,
          function* (): Operation<void> {
            yield* near.sendAll('a');
            ends.push('sent');
          },
          function* (): Operation<void> {
            yield ['send', near];
            yield* near.sendAll('b');
            ends.push('writable');
          },
          () => undefined,
        );
        expect(ends.sort()).toEqual(['sent', 'writable']);
        near.shutdown('send');
        expect(yield* receiveText(far)).toBe('ab');
      }));

    it('a task that sends many messages sends them in order while other tasks are ready', () =>
      onPair(backend, function* (near, far): Operation<void> {
        const numbers = Array.from({ length: 500 }, (_, i) => `${i},`);
        yield* together(
          backend,
          function* (): Operation<void> {
            for (const number of numbers) yield* near.sendAll(number);
            near.shutdown('send');
          },
          function* (): Operation<void> {
            for (let i = 0; i < 500; i++) yield;
          },
          function* (): Operation<void> {
            expect(yield* receiveText(far)).toBe(numbers.join(''));
          },
        );
      }));
  });
}
