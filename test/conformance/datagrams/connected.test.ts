import { describe, expect, it } from 'vitest';
import type { Operation } from '../../../src/index.ts';
import { bindDatagram, isCancelled, UsageError } from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { asOperation, onTwo, receiveDatagrams, withTwo } from '../../support/datagrams.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { failure, LOOPBACK } from '../../support/sockets.ts';

for (const backend of backends) {
  describe(`connected datagram sockets on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('connected sockets send to their peer', () =>
      onTwo(backend, function* (near, far): Operation<void> {
        expect(near.remoteAddress).toBe(undefined);
        yield* near.connect(far.address);
        expect(near.remoteAddress).toEqual(far.address);
        yield* near.send('by send');
        expect(near.trySend('by trySend')).toBe(true);
        const first = yield* far.recvFrom();
        expect([String(first.data), first.from]).toEqual(['by send', near.address]);
        expect(String((yield* far.recvFrom()).data)).toBe('by trySend');
        yield* far.sendTo('back', near.address);
        expect(String((yield* near.recvFrom()).data)).toBe('back');
        near.close();
        expect(near.remoteAddress).toEqual(far.address);
      }));

    it('a connected socket receives only datagrams of its peer, also if others were queued', () =>
      backend.run(function* (): Operation<void> {
        using near = yield* bindDatagram(LOOPBACK);
        using peer = yield* bindDatagram(LOOPBACK);
        using other = yield* bindDatagram(LOOPBACK);
        for (let i = 0; i < 5; i++) yield* other.sendTo('before', near.address);
        yield* near.connect(peer.address);
        yield* other.sendTo('after', near.address);
        yield* peer.sendTo('peer', near.address);
        expect((yield* receiveDatagrams(near)).map(({ data }) => String(data))).toEqual(['peer']);
        expect(near.datagramsReceived).toBe(1);
      }));

    it('a send without a peer fails, and so does a second peer', () =>
      onTwo(backend, function* (near, far): Operation<void> {
        const refused = function* (code: string, uses: (() => Operation<unknown>)[]) {
          for (const use of uses) {
            const error = yield* failure(use);
            expect([error.code, error instanceof UsageError]).toEqual([code, true]);
            expect(error.message).toContain('right:');
          }
        };
        yield* refused('ERR_NOT_CONNECTED', [
          () => near.send('x'),
          asOperation(() => near.trySend('x')),
        ]);
        yield* near.connect(far.address);
        const again = [() => near.sendTo('x', far.address), () => near.connect(far.address)];
        yield* refused('ERR_CONNECTED', again);
        yield* near.send('still works');
        expect(String((yield* far.recvFrom()).data)).toBe('still works');
      }));

    it.runIf(process.platform === 'linux')(
      'ECONNREFUSED is thrown once, by the next operation',
      () =>
        backend.run(() =>
          withTwo(function* (near, far): Operation<void> {
            yield* near.connect(far.address);
            far.close();
            yield* near.send('to a closed port');
            expect(yield* failure(() => near.recvFrom())).toMatchObject({ code: 'ECONNREFUSED' });
            expect(near.tryRecvFrom()).toBe(undefined);
            using again = yield* bindDatagram(far.address);
            yield* near.send('to the new socket');
            expect(String((yield* again.recvFrom()).data)).toBe('to the new socket');
            yield* again.sendTo('and back', near.address);
            expect(String((yield* near.recvFrom()).data)).toBe('and back');
          }),
        ),
    );

    it.runIf(process.platform === 'linux')('ECONNREFUSED also reaches a sender', () =>
      backend.run(() =>
        withTwo(function* (near, far): Operation<void> {
          yield* near.connect(far.address);
          far.close();
          const errors: unknown[] = [];
          for (let i = 0; i < 6; i++) {
            try {
              yield* near.send('to a closed port');
            } catch (error) {
              if (isCancelled(error)) throw error;
              errors.push((error as { code?: unknown }).code);
            }
          }
          // Every other send fails: each datagram causes an error, which the next send throws.
          expect(errors.length).toBeGreaterThan(1);
          expect(new Set(errors)).toEqual(new Set(['ECONNREFUSED']));
        }),
      ),
    );

    it('an unconnected socket gets no ECONNREFUSED', () =>
      onTwo(backend, function* (near, far): Operation<void> {
        const closedPort = far.address;
        far.close();
        for (let i = 0; i < 3; i++) yield* near.sendTo('to a closed port', closedPort);
        expect(yield* receiveDatagrams(near)).toEqual([]);
      }));

    it('a connected socket serves a client that sends requests', () =>
      onTwo(backend, function* (near, far): Operation<void> {
        yield* near.connect(far.address);
        yield* far.connect(near.address);
        yield* near.send('ping');
        const { data } = yield* far.recvFrom();
        yield* far.send(data);
        expect(String((yield* near.recvFrom()).data)).toBe('ping');
      }));
  });
}
