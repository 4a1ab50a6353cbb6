import { describe, expect, it } from 'vitest';
import type { Operation, Socket } from '../../../src/index.ts';
import { all, group, moveOnAfter, pipe } from '../../../src/index.ts';
import type { TestBackend } from '../../support/backends.ts';
import { backends } from '../../support/backends.ts';
import { digest, pattern } from '../../support/data.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import {
  echo,
  eventually,
  failure,
  fill,
  onPair,
  receiveAll,
  together,
  untilWaiting,
  withPair,
  withTightPair,
} from '../../support/sockets.ts';

for (const backend of backends) {
  describe(`pipe on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('pipe forwards all bytes and the end of file, and returns the number of bytes', () =>
      onTwoPairs(backend, function* ({ source, from, to, sink }): Operation<void> {
        const data = pattern(3_000_000);
        let moved = 0;
        yield* together(
          function* (): Operation<void> {
            yield* source.sendAll(data);
            source.shutdown('send');
          },
          function* (): Operation<void> {
            moved = yield* pipe(from, to);
          },
          function* (): Operation<void> {
            expect(digest(yield* receiveAll(sink))).toBe(digest(data));
          },
        );
        expect([moved, from.bytesReceived, to.bytesSent]).toEqual(Array(3).fill(data.length));
      }));

    it('pipe does not forward the end of file with `end: false`', () =>
      onTwoPairs(backend, function* ({ source, from, to, sink }): Operation<void> {
        yield* source.sendAll('first ');
        source.shutdown('send');
        expect(yield* pipe(from, to, { end: false })).toBe(6);
        yield* to.sendAll('second');
        to.shutdown('send');
        expect(String(yield* receiveAll(sink))).toBe('first second');
      }));

    it('two pipes make a proxy that forwards half-closes in both directions', () =>
      onTwoPairs(backend, function* ({ source, from, to, sink }): Operation<void> {
        yield* together(
          () => all([() => pipe(from, to), () => pipe(to, from)]),
          function* (): Operation<void> {
            yield* echo(sink);
            yield* sink.sendAll('!');
            sink.shutdown('send');
          },
          function* (): Operation<void> {
            yield* source.sendAll('there and back');
            source.shutdown('send');
            expect(String(yield* receiveAll(source))).toBe('there and back!');
          },
        );
      }));

    it('pipe takes no more from a fast sender than the receiver takes', () =>
      onTwoPairs(
        backend,
        function* ({ source, from, to }): Operation<void> {
          yield* group(function* (tasks): Operation<void> {
            const piping = tasks.spawn(() => pipe(from, to), { daemon: true });
            yield* fill(source);
            yield* untilWaiting(piping);
            expect(from.bytesReceived - to.bytesSent).toBeLessThanOrEqual(131072);
          });
        },
        withTightPair,
      ));

    it('a pipe that is cancelled while it waits for bytes loses none, and both sockets work', () =>
      onTwoPairs(backend, function* ({ source, from, to, sink }): Operation<void> {
        expect(yield* moveOnAfter(1, () => pipe(from, to))).toBe(undefined);
        yield* source.sendAll('later');
        source.shutdown('send');
        yield* pipe(from, to);
        expect(String(yield* receiveAll(sink))).toBe('later');
      }));

    it('a pipe that is cancelled while it sends tears the send half', () =>
      onTwoPairs(
        backend,
        function* ({ source, from, to }): Operation<void> {
          yield* fill(to);
          yield* source.sendAll('stuck');
          expect(yield* moveOnAfter(20, () => pipe(from, to))).toBe(undefined);
          expect(from.bytesReceived).toBe(5);
          const error = yield* failure(() => to.sendAll('more'));
          expect(error).toMatchObject({ code: 'ERR_TORN', bytesSent: 0 });
        },
        withTightPair,
      ));

    it('a pipe that waits to send fails with ERR_CLOSED when its receiver is closed', () =>
      onTwoPairs(
        backend,
        function* ({ source, from, to }): Operation<void> {
          yield* fill(to);
          yield* source.sendAll('stuck');
          const closing = together(
            () => pipe(from, to),
            function* (): Operation<void> {
              yield* eventually('the piece was received', () => from.bytesReceived === 5);
              to.close();
            },
          );
          expect(yield* failure(() => closing)).toMatchObject({ code: 'ERR_CLOSED' });
          const later = yield* failure(() => to.sendAll('more'));
          expect(later).toMatchObject({ code: 'ERR_CLOSED' });
          expect(String(from.tryRecv() ?? 'nothing')).toBe('nothing');
        },
        withTightPair,
      ));

    it('a pipe that has ended in any way releases both directions', () =>
      onTwoPairs(backend, function* ({ source, from, to, sink }): Operation<void> {
        yield* moveOnAfter(1, () => pipe(from, to));
        yield* source.sendAll('one ');
        expect(String(yield* from.recv())).toBe('one ');
        source.shutdown('send');
        expect(yield* pipe(from, to, { end: false })).toBe(0);
        expect(yield* from.recv()).toHaveLength(0);
        yield* to.sendAll('two');
        expect(String(yield* sink.recv())).toBe('two');
      }));

    it('a pipe can be driven once, and not at all after `return`', () =>
      onTwoPairs(backend, function* ({ source, from, to }): Operation<void> {
        source.shutdown('send');
        const piping = pipe(from, to);
        yield* piping;
        const again = { code: 'ERR_ALREADY_DRIVEN' };
        expect(yield* failure(() => piping)).toMatchObject(again);
        const unused = pipe(from, to) as Operation<number> & { return(): void };
        unused.return();
        expect(yield* failure(() => unused)).toMatchObject(again);
      }));

    it('pipe fails with ERR_BUSY if a task uses one of the directions, and takes no byte', () =>
      onTwoPairs(backend, function* ({ source, from, to }): Operation<void> {
        yield* source.sendAll('x');
        yield* group(function* (tasks): Operation<void> {
          const piping = tasks.spawn(() => pipe(to, from), { daemon: true });
          yield* untilWaiting(piping);
          const busy = { code: 'ERR_BUSY' };
          expect(yield* failure(() => pipe(to, to))).toMatchObject(busy);
          expect(yield* failure(() => pipe(from, from))).toMatchObject(busy);
          expect(yield* failure(() => to.recv())).toMatchObject(busy);
          expect(yield* failure(() => from.sendAll('y'))).toMatchObject(busy);
        });
        expect(String(yield* from.recv())).toBe('x');
      }));

    it('pipe fails with the error of the socket that failed', () =>
      onTwoPairs(backend, function* ({ source, from, to, sink }): Operation<void> {
        source.reset();
        expect(yield* failure(() => pipe(from, to))).toMatchObject({ code: 'ECONNRESET' });
        yield* sink.sendAll('x');
        from.close();
        expect(yield* failure(() => pipe(to, from))).toMatchObject({ code: 'ERR_CLOSED' });
      }));

    it('a pipe whose sender fails tears the receiver, and `using` resets it', () =>
      onTwoPairs(backend, function* ({ source, from, to, sink }): Operation<void> {
        yield* source.sendAll('a half');
        const piping = together(
          () => failure(() => pipe(from, to)),
          function* (): Operation<void> {
            expect(String(yield* sink.recv())).toBe('a half');
            source.reset();
          },
        );
        yield* piping;
        const torn = { code: 'ERR_TORN', bytesSent: 6 };
        expect(yield* failure(() => to.sendAll('more'))).toMatchObject(torn);
        to[Symbol.dispose]();
        expect(yield* failure(() => sink.recv())).toMatchObject({ code: 'ECONNRESET' });
      }));

    it('a pipe with `end: false` whose sender fails leaves the receiver usable', () =>
      onTwoPairs(backend, function* ({ source, from, to, sink }): Operation<void> {
        source.reset();
        const error = yield* failure(() => pipe(from, to, { end: false }));
        expect(error).toMatchObject({ code: 'ECONNRESET' });
        yield* to.sendAll('the source has failed');
        expect(String(yield* sink.recv())).toBe('the source has failed');
      }));

    it('pipe sends the held bytes of a reader first', () =>
      onTwoPairs(backend, function* ({ source, from, to, sink }): Operation<void> {
        yield* source.sendAll('header\nbody, ');
        expect(yield* from.reader().readLine()).toBe('header');
        yield* source.sendAll('and more');
        source.shutdown('send');
        expect(yield* pipe(from, to)).toBe(14);
        expect(String(yield* receiveAll(sink))).toBe('body, and more');
      }));

    it('pipe fails if bytes wait in the writer of the receiver', () =>
      onTwoPairs(backend, function* ({ from, to }): Operation<void> {
        to.writer().write('first');
        const error = yield* failure(() => pipe(from, to));
        expect(error).toMatchObject({ code: 'ERR_FLUSH_NEEDED' });
        yield* to.writer().flush();
      }));

    it('a socket that is piped to itself echoes', () =>
      onPair(backend, function* (near, far): Operation<void> {
        yield* near.sendAll('echo');
        near.shutdown('send');
        expect(yield* pipe(far, far)).toBe(4);
        expect(String(yield* receiveAll(near))).toBe('echo');
      }));

    it('pipe rejects a value that is not a Socket', () => {
      const nothing = undefined as unknown as Socket;
      expect(() => pipe(nothing, nothing)).toThrow(/Expected `from` to be a Socket, got undefined/);
    });
  });
}

interface TwoPairs {
  readonly source: Socket;
  readonly from: Socket;
  readonly to: Socket;
  readonly sink: Socket;
}

/** source ── from, to ── sink. */
function onTwoPairs(
  backend: TestBackend,
  body: (sockets: TwoPairs) => Operation<void>,
  pair: typeof withTightPair = withPair,
): Promise<void> {
  return backend.run(() =>
    pair((source, from) => pair((to, sink) => body({ source, from, to, sink }))),
  );
}
