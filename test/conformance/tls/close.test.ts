/** The ends of a TLS connection: close_notify, truncation, reset. */
import { describe, expect, test } from 'vitest';
import type { Operation } from '../../../src/index.ts';
import { connect, group, listen, once, TruncatedError, until } from '../../../src/index.ts';
import { backendsWithTls } from '../../support/backends.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
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
  onSecurePair,
  SERVER,
  withForeignClient,
  withListener,
  withSecurePair,
} from '../../support/tls.ts';
import { warningsOf } from '../../support/warnings.ts';

describe.each(backendsWithTls)('the end of a TLS connection, on $name', (backend) => {
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

  test('an end without close_notify is a sticky error after the received bytes', () =>
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

  test('bytes that are not received yet come before the truncation error', () =>
    backend.run(() =>
      withForeignClient(function* ({ raw, foreign, far }): Operation<void> {
        const length = 300_000; // more than the backend receives ahead
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

  test('a task that waits to receive gets the truncation error', () =>
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

  test('a reset of the peer is ECONNRESET', () =>
    backend.run(() =>
      withForeignClient(function* ({ raw, far }): Operation<void> {
        raw.reset();
        expect((yield* failure(() => far.recv())).code).toBe('ECONNRESET');
        expect((yield* failure(() => far.recv())).code).toBe('ECONNRESET');
        expect((yield* failure(() => far.sendAll('x'))).code).toBe('EPIPE');
      }),
    ));

  test('reset() resets the connection below', () =>
    onSecurePair(backend, function* (near, far): Operation<void> {
      near.reset();
      expect((yield* failure(() => far.recv())).code).toBe('ECONNRESET');
      expect((yield* failure(() => near.recv())).code).toBe('ERR_CLOSED');
    }));

  test('garbage in the middle of the stream is an error of OpenSSL, in both directions', () =>
    backend.run(() =>
      withForeignClient(function* ({ raw, foreign, far }): Operation<void> {
        foreign.write('x');
        expect(String(yield* far.recv())).toBe('x');
        raw.transport.trySend(Buffer.alloc(100, 'g'));
        expect((yield* failure(() => far.recv())).code).toMatch(/^ERR_SSL_/);
        expect((yield* failure(() => far.sendAll('x'))).code).toMatch(/^ERR_SSL_|^EPIPE$/);
      }),
    ));

  test('closing a TLS connection wakes its waiters with ERR_CLOSED', () =>
    onSecurePair(backend, function* (near): Operation<void> {
      yield* group(function* (tasks): Operation<void> {
        const receiving = tasks.spawn(() => failure(() => near.recv()));
        yield* untilWaiting(receiving);
        near.close();
        expect((yield* receiving.join()).code).toBe('ERR_CLOSED');
      });
      expect(() => near.tryRecv()).toThrow(/closed by this program/);
      expect(() => near.trySend('x')).toThrow(/closed by this program/);
    }));

  test('a program that sends, closes and ends has sent close_notify', async () => {
    const ends: string[] = [];
    await backend.run(() =>
      withListener(function* (listener): Operation<void> {
        yield* group(function* (tasks): Operation<void> {
          const receiving = tasks.spawn(function* (): Operation<string> {
            using far = yield* listener.accept();
            return String(yield* receiveAll(far));
          });
          const { address } = listener;
          // Another run with its own network, which ends in the same step as the close.
          const ending = backend.run(function* (): Operation<void> {
            const near = yield* connectTo(address);
            yield* near.sendAll('bye');
            near.close();
          });
          ends.push(yield* receiving.join());
          yield* until(ending);
        });
      }),
    );
    expect(ends).toEqual(['bye']);
  });

  test('closing a TLS connection with a full send buffer delivers the sent bytes', () =>
    onSecurePair(backend, function* (near, far): Operation<void> {
      const sent = yield* fill(near);
      near.close();
      expect((yield* receiveAll(far)).length).toBe(sent);
    }));

  test('closing a TLS connection with a full send buffer does not count as left open', async () => {
    const program = () =>
      withSecurePair(function* (near): Operation<void> {
        yield* fill(near);
      });
    expect(await warningsOf(() => backend.run(program))).toEqual([]);
  });

  test('a TLS connection that is left open is reported once and closed', async () => {
    const program = function* (): Operation<void> {
      const listener = yield* listen(LOOPBACK, { tls: SERVER });
      yield* group(function* (tasks): Operation<void> {
        tasks.spawn(() => listener.accept());
        yield* connectTo(listener.address);
      });
    };
    const warnings = await warningsOf(() => backend.run(program));
    expect(warnings).toMatchObject([{ code: 'ERR_LEFT_OPEN' }]);
  });

  test('closing a TLS connection with a full send buffer ends when the peer resets', () =>
    onSecurePair(backend, function* (near, far): Operation<void> {
      yield* fill(near);
      near.close();
      far.reset();
      yield* eventually('nothing is open', () => backend.counters().transports === 0);
    }));

  test('a TLS connection has the addresses and options of the connection below', () =>
    onSecurePair(backend, function* (near, far): Operation<void> {
      expect(`${near.remoteAddress}`).toBe(`${far.localAddress}`);
      expect(`${near.localAddress}`).toBe(`${far.remoteAddress}`);
      near.noDelay = false;
      expect(near.noDelay).toBe(false);
    }));

  test('a connection without TLS has no `tls`', () =>
    backend.run(function* (): Operation<void> {
      using listener = yield* listen(LOOPBACK);
      using near = yield* connect(listener.address);
      expect(near.tls).toBeUndefined();
      expect(listener.handshakes).toBeUndefined();
    }));
});
