import { describe, expect, it } from 'vitest';
import type { Datagram, Operation } from '../../../src/index.ts';
import {
  bindDatagram,
  group,
  scope,
  select,
  sleep,
  sleepForever,
  timeout,
} from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { onTwo, usesOf } from '../../support/datagrams.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { failure, LOOPBACK, untilWaiting } from '../../support/sockets.ts';
import { warningsOf } from '../../support/warnings.ts';

for (const backend of backends) {
  describe(`datagram sockets and tasks on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('a cancelled receive loses no datagram', () =>
      onTwo(backend, function* (near, far): Operation<void> {
        const received: string[] = [];
        yield* group(function* (tasks): Operation<void> {
          for (let i = 0; i < 50; i++) {
            const receiver = tasks.spawn(function* (): Operation<void> {
              received.push(String((yield* far.recvFrom()).data));
            });
            yield;
            yield* near.sendTo(`${i}`, far.address);
            if (i % 2 === 0) receiver.cancel();
            else yield* receiver.join();
          }
        });
        while (received.length < 50) received.push(String((yield* far.recvFrom()).data));
        expect(received).toEqual(Array.from({ length: 50 }, (_, i) => `${i}`));
      }));

    it('a cancelled send has no effect or completes', () =>
      onTwo(backend, function* (near, far): Operation<void> {
        let completed = 0;
        for (let i = 0; i < 20; i++) {
          yield* scope(function* (own): Operation<void> {
            if (i % 2 === 0) own.cancel();
            yield* near.sendTo('x', far.address);
            completed++;
          });
          yield* group(function* (tasks): Operation<void> {
            const sender = tasks.spawn(function* (): Operation<void> {
              yield* near.sendTo('y', far.address);
              completed++;
            });
            yield;
            sender.cancel();
          });
        }
        yield* near.sendTo('last', far.address);
        let received = 0;
        while (String((yield* far.recvFrom()).data) !== 'last') received++;
        expect(received).toBe(completed);
        expect(completed).toBeGreaterThanOrEqual(10);
      }));

    it('close wakes the receiver with ERR_CLOSED, and later operations fail with it', () =>
      onTwo(backend, function* (near, far): Operation<void> {
        yield* group(function* (tasks): Operation<void> {
          const receiver = tasks.spawn(() => failure(() => far.recvFrom()));
          yield* untilWaiting(receiver);
          expect(receiver.waitingOn).toBe(`recv ${far.address}`);
          far.close();
          far.close();
          expect(yield* receiver.join()).toMatchObject({ code: 'ERR_CLOSED' });
        });
        expect(far.closed).toBe(true);
        for (const use of usesOf(far, near.address)) {
          expect(yield* failure(use)).toMatchObject({ code: 'ERR_CLOSED' });
        }
      }));

    it('close drops the queued datagrams', () =>
      onTwo(backend, function* (near, far): Operation<void> {
        for (let i = 0; i < 9; i++) yield* near.sendTo(`${i}`, far.address);
        expect(String((yield* far.recvFrom()).data)).toBe('0');
        far.close();
        expect((yield* failure(() => far.recvFrom())).code).toBe('ERR_CLOSED');
      }));

    it('a second receiver gets ERR_BUSY, and the first one its datagram', () =>
      onTwo(backend, function* (near, far): Operation<void> {
        yield* group(function* (tasks): Operation<void> {
          const first = tasks.spawn(() => far.recvFrom());
          yield* untilWaiting(first);
          expect(yield* failure(() => far.recvFrom())).toMatchObject({ code: 'ERR_BUSY' });
          yield* near.sendTo('for the first', far.address);
          expect(String((yield* first.join()).data)).toBe('for the first');
        });
      }));

    it('a second sender gets ERR_BUSY while the first one is sending', () =>
      onTwo(backend, function* (near, far): Operation<void> {
        const codes: unknown[] = [];
        yield* group(function* (tasks): Operation<void> {
          // More than the budget of a step, and than a network takes without a result.
          tasks.spawn(function* (): Operation<void> {
            for (let i = 0; i < 200; i++) yield* near.sendTo(`${i}`, far.address);
          });
          tasks.spawn(function* (): Operation<void> {
            codes.push((yield* failure(() => near.sendTo('second', far.address))).code);
            codes.push((yield* failure(() => near.connect(far.address))).code);
          });
        });
        expect(codes).toEqual(['ERR_BUSY', 'ERR_BUSY']);
        for (let i = 0; i < 200; i++) expect(String((yield* far.recvFrom()).data)).toBe(`${i}`);
      }));

    it('a receive can be a case of select, and loses no datagram if another case is taken', () =>
      onTwo(backend, function* (near, far): Operation<void> {
        const late = yield* select({ late: sleep(1), datagram: far.recvFrom() });
        expect(late.key).toBe('late');
        yield* near.sendTo('one', far.address);
        const chosen = yield* select({ datagram: far.recvFrom(), never: sleepForever() });
        if (chosen.key === 'datagram') expect(String(chosen.value.data)).toBe('one');
        expect(chosen.key).toBe('datagram');
        yield* near.sendTo('two', far.address);
        expect(String((yield* far.recvFrom()).data)).toBe('two');
      }));

    it('a forgotten yield* is reported by the next operation', () =>
      onTwo(backend, function* (near, far): Operation<void> {
        near.sendTo('forgotten', far.address);
        expect(yield* failure(() => near.sendTo('x', far.address))).toMatchObject({
          code: 'ERR_NOT_DRIVEN',
        });
        yield* near.sendTo('x', far.address);
        expect(String((yield* far.recvFrom()).data)).toBe('x');
      }));

    it('sockets that a program leaves open are closed and reported', async () => {
      let name = '';
      const program = function* (): Operation<void> {
        name = `datagram socket ${(yield* bindDatagram(LOOPBACK)).address}`;
      };
      const warnings = await warningsOf(() => backend.run(program));
      expect(warnings).toMatchObject([{ code: 'ERR_LEFT_OPEN' }]);
      expect(warnings[0]?.message).toContain(name);
    });

    it('many sockets work independently', () =>
      backend.run(function* (): Operation<void> {
        const sockets: Datagram[] = [];
        try {
          for (let i = 0; i < 100; i++) sockets.push(yield* bindDatagram(LOOPBACK));
          expect(backend.counters().datagrams).toBe(100);
          for (const [i, socket] of sockets.entries()) {
            const next = sockets[(i + 1) % 100] as Datagram;
            yield* socket.sendTo(`${i}`, next.address);
          }
          for (const [i, socket] of sockets.entries()) {
            const { data } = yield* timeout(2000, socket.recvFrom());
            expect(String(data)).toBe(`${(i + 99) % 100}`);
          }
        } finally {
          for (const socket of sockets) socket.close();
        }
      }));
  });
}
