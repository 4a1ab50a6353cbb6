/** TLS between two Coronet sockets: bytes and ends. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Operation } from '../../../src/index.ts';
import { connect, group, listen } from '../../../src/index.ts';
import { backendsWithTls } from '../../support/backends.ts';
import { digest, pattern } from '../../support/data.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { failure, fill, receiveAll, receiveExactly, together } from '../../support/sockets.ts';
import { onSecurePair, SERVER, TRUSTING } from '../../support/tls.ts';

const MANY = 10_000_000;

describe.each(backendsWithTls)('bytes over TLS, on $name', (backend) => {
  expectNothingLeft(backend);

  test('bytes arrive in both directions', () =>
    onSecurePair(backend, function* (near, far): Operation<void> {
      yield* near.sendAll('Hello');
      expect(String(yield* far.recv())).toBe('Hello');
      yield* far.sendAll('GOT:Hello');
      expect(String(yield* near.recv())).toBe('GOT:Hello');
    }));

  test('ten million bytes arrive in each direction while both ends send', () =>
    onSecurePair(backend, function* (near, far): Operation<void> {
      const [there, back] = [pattern(MANY, 1), pattern(MANY, 2)];
      yield* together(
        () => near.sendAll(there),
        () => far.sendv([back.subarray(0, 100), back.subarray(100)]),
        function* (): Operation<void> {
          expect(digest(yield* receiveExactly(far, MANY))).toBe(digest(there));
        },
        function* (): Operation<void> {
          expect(digest(yield* receiveExactly(near, MANY))).toBe(digest(back));
        },
      );
    }));

  test('a sender waits for a receiver that does not receive', () =>
    onSecurePair(backend, function* (near, far): Operation<void> {
      const sent = yield* fill(near);
      expect(near.trySend('x')).toBe(0);
      near.shutdown('send');
      expect((yield* receiveAll(far)).length).toBe(sent);
    }));

  test('the memory between a sender and a receiver that does not receive is limited', () =>
    backend.run(function* (): Operation<void> {
      const path = join(tmpdir(), `coronet-tls-full-${process.pid}.sock`);
      using listener = yield* listen({ path }, { tls: SERVER });
      yield* group(function* (tasks): Operation<void> {
        const accepting = tasks.spawn(() => listener.accept());
        // The buffer of a Unix socket does not grow.
        using near = yield* connect({ path }, { tls: TRUSTING });
        using far = yield* accepting.join();
        const sent = yield* fill(near);
        expect(sent).toBeLessThan(2_000_000);
        near.reset();
        expect((yield* failure(() => receiveAll(far))).code).toMatch(/^ECONNRESET|TRUNCATED$/);
      });
    }));

  test('closing a TLS connection delivers the sent bytes and then the end of file', () =>
    onSecurePair(backend, function* (near, far): Operation<void> {
      yield* near.sendAll('last words');
      near.close();
      expect(String(yield* receiveAll(far))).toBe('last words');
      expect((yield* far.recv()).length).toBe(0);
    }));

  test('one direction can be shut down while the other continues', () =>
    onSecurePair(backend, function* (near, far): Operation<void> {
      yield* near.sendAll('question');
      near.shutdown('send');
      expect(String(yield* receiveAll(far))).toBe('question');
      yield* far.sendAll('answer');
      far.shutdown('send');
      expect(String(yield* receiveAll(near))).toBe('answer');
      expect((yield* failure(() => near.sendAll('more'))).code).toBe('EPIPE');
    }));
});
