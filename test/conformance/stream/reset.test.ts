import { constants } from 'node:os';
import { describe, expect, it } from 'vitest';
import type { Listener, Operation, Socket } from '../../../src/index.ts';
import { connect, group, listen, readable } from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import {
  eventually,
  failure,
  fill,
  LOOPBACK,
  onPair,
  together,
  untilWaiting,
  withPair,
} from '../../support/sockets.ts';

const RESET = {
  code: 'ECONNRESET',
  errno: -constants.errno.ECONNRESET,
  syscall: 'read',
} as const;

/** The errors of a sender: the reset itself, or a broken pipe. */
const GONE = /^(?:ECONNRESET|EPIPE)$/;

for (const backend of backends) {
  describe(`resets on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('reset() makes every receive of the peer fail with ECONNRESET', () =>
      onPair(backend, function* (near, far): Operation<void> {
        near.reset();
        expect(near.closed).toBe(true);
        for (let i = 0; i < 3; i++) {
          const error = yield* failure(() => far.recv());
          expect(error).toBeInstanceOf(Error);
          expect(error).toMatchObject(RESET);
        }
        expect(() => far.tryRecv()).toThrow('ECONNRESET');
      }));

    it('a reset wakes the receiving task', () =>
      onPair(backend, function* (near, far): Operation<void> {
        yield* group(function* (tasks): Operation<void> {
          const reader = tasks.spawn(() => failure(() => far.recv()));
          yield* untilWaiting(reader);
          near.reset();
          expect(yield* reader.join()).toMatchObject(RESET);
        });
      }));

    it('a reset wakes the sending task', () =>
      onPair(backend, function* (near, far): Operation<void> {
        yield* group(function* (tasks): Operation<void> {
          const sender = tasks.spawn(() => failure(() => far.sendAll(Buffer.alloc(20_000_000))));
          yield* untilWaiting(sender);
          near.reset();
          const error = yield* sender.join();
          expect(error.code).toMatch(GONE);
          expect(error).toMatchObject({ syscall: 'write' });
        });
      }));

    it('a reset ends both directions: every task that uses the socket gets an error', () =>
      onPair(backend, function* (near, far): Operation<void> {
        yield* group(function* (tasks): Operation<void> {
          const sender = tasks.spawn(() => failure(() => far.sendAll(Buffer.alloc(20_000_000))));
          const reader = tasks.spawn(() => failure(() => far.recv()));
          yield* untilWaiting(sender);
          yield* untilWaiting(reader);
          near.reset();
          expect((yield* sender.join()).code).toMatch(GONE);
          expect(yield* reader.join()).toMatchObject(RESET);
        });
        expect(yield* failure(() => far.recv())).toMatchObject(RESET);
      }));

    it('a reset makes every later send fail', () =>
      onPair(backend, function* (near, far): Operation<void> {
        yield* fill(far);
        near.reset();
        expect((yield* failure(() => far.sendAll('more'))).code).toMatch(GONE);
        expect((yield* failure(() => far.send('again'))).code).toMatch(GONE);
        expect(() => far.trySend('again')).toThrow(/ECONNRESET|EPIPE/);
      }));

    // Such a send counts as torn, like a cancelled one.
    it('a send that a reset interrupts does not count as torn', () =>
      onPair(backend, function* (near, far): Operation<void> {
        yield* group(function* (tasks): Operation<void> {
          const sender = tasks.spawn(() => failure(() => far.sendAll(Buffer.alloc(20_000_000))));
          yield* untilWaiting(sender);
          near.reset();
          expect((yield* sender.join()).code).toMatch(GONE);
        });
        expect((yield* failure(() => far.send('again'))).code).toMatch(GONE);
      }));

    it('a peer that closes with unread input resets the connection', () =>
      onPair(backend, function* (near, far): Operation<void> {
        yield* far.sendAll('never read');
        yield* readable(near);
        near.close();
        expect(yield* receiveOrCode(far)).toBe('ECONNRESET');
      }));

    it('a peer that closes with unread input and an end of file resets the connection', () =>
      onPair(backend, function* (near, far): Operation<void> {
        yield* far.sendAll('in part');
        far.shutdown('send');
        expect(String(yield* near.recv(2))).toBe('in');
        near.close();
        expect(yield* receiveOrCode(far)).toBe('ECONNRESET');
      }));

    it('a reset is ECONNRESET to a send that is first, to later sends, and to a receive', () =>
      onPair(backend, function* (near, far): Operation<void> {
        near.reset();
        yield* eventually('the reset has arrived', () => far.readiness.canRecv);
        const codes: unknown[] = [];
        for (let i = 0; i < 2; i++) codes.push((yield* failure(() => far.sendAll('x'))).code);
        codes.push((yield* failure(() => far.recv())).code);
        codes.push((yield* failure(() => far.sendAll('x'))).code);
        expect(codes).toEqual(['ECONNRESET', 'ECONNRESET', 'ECONNRESET', 'ECONNRESET']);
      }));

    it('a reset is EPIPE to a send that follows a receive', () =>
      onPair(backend, function* (near, far): Operation<void> {
        near.reset();
        const codes: unknown[] = [];
        codes.push((yield* failure(() => far.recv())).code);
        for (let i = 0; i < 2; i++) codes.push((yield* failure(() => far.sendAll('x'))).code);
        codes.push((yield* failure(() => far.recv())).code);
        expect(codes).toEqual(['ECONNRESET', 'EPIPE', 'EPIPE', 'ECONNRESET']);
      }));

    it('sending to a peer that has closed fails eventually, in the sending task only', () =>
      onPair(backend, function* (near, far): Operation<void> {
        near.close();
        const error = yield* failure(() => sendForEver(far));
        expect(error.code).toMatch(GONE);
      }));

    it('bytes before a reset are delivered before it, or dropped', () =>
      onPair(backend, function* (near, far): Operation<void> {
        yield* near.sendAll('before');
        yield* readable(far);
        near.reset();
        const first = yield* receiveOrCode(far);
        if (first !== 'ECONNRESET') {
          expect(first).toBe('before');
          expect(yield* failure(() => far.recv())).toMatchObject(RESET);
        }
      }));

    it('a connection that is reset before it is accepted does not affect the next one', () =>
      backend.run(function* (): Operation<void> {
        using listener = yield* listen(LOOPBACK);
        (yield* connect(listener.address)).reset();
        using second = yield* connect(listener.address);
        yield* second.sendAll('second');
        expect(yield* acceptUntilBytes(listener)).toBe('second');
      }));

    it('many resets before accept do not lose the connections between them', () =>
      backend.run(function* (): Operation<void> {
        using listener = yield* listen(LOOPBACK);
        const received: string[] = [];
        yield* together(
          function* (): Operation<void> {
            for (let i = 0; i < 100; i++) {
              (yield* connect(listener.address)).reset();
              using good = yield* connect(listener.address);
              yield* good.sendAll(`good ${i}`);
            }
          },
          function* (): Operation<void> {
            while (received.length < 100) received.push(yield* acceptUntilBytes(listener));
          },
        );
        expect(received).toEqual(Array.from({ length: 100 }, (_, i) => `good ${i}`));
      }));

    it('a reset of one connection does not affect the others', () =>
      backend.run(() =>
        withPair((near, far) =>
          withPair(function* (near2, far2): Operation<void> {
            near.reset();
            expect(yield* failure(() => far.recv())).toMatchObject(RESET);
            yield* near2.sendAll('unharmed');
            expect(String(yield* far2.recv())).toBe('unharmed');
          }),
        ),
      ));

    it('a reset drops the unsent bytes', () =>
      onPair(backend, function* (near, far): Operation<void> {
        const sent = yield* fill(near);
        near.reset();
        yield* eventually('the reset has arrived', () => far.readiness.canRecv);
        const error = yield* failure(() => receiveForEver(far));
        expect(error).toMatchObject(RESET);
        expect(far.bytesReceived).toBeLessThan(sent);
      }));
  });
}

function* sendForEver(socket: Socket): Operation<void> {
  const block = Buffer.alloc(65536);
  for (;;) yield* socket.sendAll(block);
}

function* receiveForEver(socket: Socket): Operation<void> {
  while ((yield* socket.recv()).length > 0);
}

/** The next bytes as a text, or the code of the error. */
function* receiveOrCode(socket: Socket): Operation<string> {
  try {
    return String(yield* socket.recv());
  } catch (error) {
    return (error as { code: string }).code;
  }
}

/** Accepts until a connection carries bytes; those before it were reset. */
function* acceptUntilBytes(listener: Listener): Operation<string> {
  for (;;) {
    using socket = yield* listener.accept();
    const received = yield* receiveOrCode(socket);
    if (received !== 'ECONNRESET') return received;
  }
}
