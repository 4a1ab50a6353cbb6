/** How TLS connections end: politely, cut off, reset; and what is known then. */
import { describe, expect, test } from 'vitest';
import type { Operation } from '../../../src/index.ts';
import { connect, group, listen, once, TruncatedError, until } from '../../../src/index.ts';
import { backendsWithTls } from '../../support/backends.ts';
import { expectNothingLeft, takeLeftOpen } from '../../support/leaks.ts';
import {
  eventually,
  failure,
  fill,
  LOOPBACK,
  receiveAll,
  receiveExactly,
  untilWaiting,
} from '../../support/sockets.ts';
import {
  connectTo,
  SERVER,
  withForeignClient,
  withListener,
  withSecurePair,
} from '../../support/tls.ts';

describe.each(backendsWithTls)('TLS comes to an end, on $name', (backend) => {
  expectNothingLeft(backend);

  test('close_notify is the end of file', () =>
    backend.run(() =>
      withForeignClient(function* ({ foreign, far }): Operation<void> {
        foreign.end('all');
        expect(String(yield* receiveAll(far))).toBe('all');
        yield* far.sendAll('still sending');
        far.shutdown('send');
        expect(String((yield* once(foreign, 'data'))[0])).toBe('still sending');
      }),
    ));

  test('an end without close_notify is an error, behind the bytes and for ever', () =>
    backend.run(() =>
      withForeignClient(function* ({ raw, foreign, far }): Operation<void> {
        foreign.write('not all');
        expect(String(yield* receiveExactly(far, 7))).toBe('not all');
        raw.shutdown('send');
        const error = yield* failure(() => far.recv());
        expect(error).toBeInstanceOf(TruncatedError);
        expect(error.code).toBe('ERR_TLS_TRUNCATED');
        expect((yield* failure(() => far.recv())).code).toBe('ERR_TLS_TRUNCATED');
      }),
    ));

  test('bytes that nobody has received come before the truncation', () =>
    backend.run(() =>
      withForeignClient(function* ({ raw, foreign, far }): Operation<void> {
        const length = 300_000; // more than is received ahead
        const sent = new Promise<void>((resolve) =>
          foreign.write(Buffer.alloc(length), () => resolve()),
        );
        expect((yield* receiveExactly(far, 1)).length).toBe(1);
        yield* group(function* (tasks): Operation<void> {
          const receiving = tasks.spawn(() => receiveExactly(far, length - 1));
          void sent.then(() => raw.shutdown('send'));
          expect((yield* receiving.join()).length).toBe(length - 1);
        });
        expect((yield* failure(() => far.recv())).code).toBe('ERR_TLS_TRUNCATED');
      }),
    ));

  test('a task that waits to receive is told of the truncation', () =>
    backend.run(() =>
      withForeignClient(function* ({ raw, far }): Operation<void> {
        yield* group(function* (tasks): Operation<void> {
          const receiving = tasks.spawn(() => failure(() => far.recv()));
          yield* untilWaiting(receiving);
          raw.shutdown('send');
          expect((yield* receiving.join()).code).toBe('ERR_TLS_TRUNCATED');
        });
      }),
    ));

  test('a reset is a reset', () =>
    backend.run(() =>
      withForeignClient(function* ({ raw, far }): Operation<void> {
        raw.reset();
        expect((yield* failure(() => far.recv())).code).toBe('ECONNRESET');
        expect((yield* failure(() => far.recv())).code).toBe('ECONNRESET');
        expect((yield* failure(() => far.sendAll('x'))).code).toBe('EPIPE');
      }),
    ));

  test('reset() resets the connection below', () =>
    backend.run(() =>
      withSecurePair(function* (near, far): Operation<void> {
        near.reset();
        expect((yield* failure(() => far.recv())).code).toBe('ECONNRESET');
        expect((yield* failure(() => near.recv())).code).toBe('ERR_CLOSED');
      }),
    ));

  test('garbage in the middle is an error of the engine, in both directions', () =>
    backend.run(() =>
      withForeignClient(function* ({ raw, foreign, far }): Operation<void> {
        foreign.write('x');
        expect(String(yield* far.recv())).toBe('x');
        raw.transport.trySend(Buffer.alloc(100, 'g'));
        expect((yield* failure(() => far.recv())).code).toMatch(/^ERR_SSL_/);
        expect((yield* failure(() => far.sendAll('x'))).code).toMatch(/^ERR_SSL_|^EPIPE$/);
      }),
    ));

  test('a closed connection wakes its waiters with ERR_CLOSED', () =>
    backend.run(() =>
      withSecurePair(function* (near): Operation<void> {
        yield* group(function* (tasks): Operation<void> {
          const receiving = tasks.spawn(() => failure(() => near.recv()));
          yield* untilWaiting(receiving);
          near.close();
          expect((yield* receiving.join()).code).toBe('ERR_CLOSED');
        });
        expect(() => near.tryRecv()).toThrow(/closed here/);
        expect(() => near.trySend('x')).toThrow(/closed here/);
      }),
    ));

  test('a program that sends, closes and ends has said goodbye', async () => {
    const ends: string[] = [];
    await backend.run(() =>
      withListener(function* (listener): Operation<void> {
        yield* group(function* (tasks): Operation<void> {
          const told = tasks.spawn(function* (): Operation<string> {
            using far = yield* listener.accept();
            return String(yield* receiveAll(far));
          });
          const { address } = listener;
          // Another run, on a network of its own: it ends in the very step of the close.
          const ending = backend.run(function* (): Operation<void> {
            const near = yield* connectTo(address);
            yield* near.sendAll('bye');
            near.close();
          });
          ends.push(yield* told.join());
          yield* until(ending);
        });
      }),
    );
    expect(ends).toEqual(['bye']);
  });

  test('a close behind a full connection delivers what was sent', () =>
    backend.run(() =>
      withSecurePair(function* (near, far): Operation<void> {
        const sent = yield* fill(near);
        near.close();
        expect((yield* receiveAll(far)).length).toBe(sent);
      }),
    ));

  test('a close behind a full connection is nothing that was left open', async () => {
    await backend.run(() =>
      withSecurePair(function* (near): Operation<void> {
        yield* fill(near);
      }),
    );
    expect(takeLeftOpen()).toEqual([]);
  });

  test('what was left open is named once, and closed', async () => {
    await backend.run(function* (): Operation<void> {
      const listener = yield* listen(LOOPBACK, { tls: SERVER });
      yield* group(function* (tasks): Operation<void> {
        tasks.spawn(() => listener.accept());
        yield* connectTo(listener.address);
      });
    });
    await expect.poll(() => takeLeftOpen().length, { interval: 2 }).toBe(1);
  });

  test('a close behind a full connection is over when the peer resets', () =>
    backend.run(() =>
      withSecurePair(function* (near, far): Operation<void> {
        yield* fill(near);
        near.close();
        far.reset();
        yield* eventually('nothing is open', () => backend.counters().transports === 0);
      }),
    ));

  test('the connection below keeps the near end, the far end and the options', () =>
    backend.run(() =>
      withSecurePair(function* (near, far): Operation<void> {
        expect(`${near.remoteAddress}`).toBe(`${far.localAddress}`);
        expect(`${near.localAddress}`).toBe(`${far.remoteAddress}`);
        near.noDelay = false;
        expect(near.noDelay).toBe(false);
      }),
    ));

  test('a plain connection has no tls', () =>
    backend.run(function* (): Operation<void> {
      using listener = yield* listen(LOOPBACK);
      using near = yield* connect(listener.address);
      expect(near.tls).toBeUndefined();
      expect(listener.handshakes).toBeUndefined();
    }));
});
