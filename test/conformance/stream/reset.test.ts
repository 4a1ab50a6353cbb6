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
  together,
  untilWaiting,
  withPair,
} from '../../support/sockets.ts';

const RESET = {
  code: 'ECONNRESET',
  errno: -constants.errno.ECONNRESET,
  syscall: 'read',
} as const;

/** What a sender is told: the reset itself, or that nobody is left to send to. */
const GONE = /^(?:ECONNRESET|EPIPE)$/;

for (const backend of backends) {
  describe(`resets on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('reset() gives the peer ECONNRESET in the shape of Node, every time it asks', () => {
      return backend.run(() =>
        withPair(function* (near, far): Operation<void> {
          near.reset();
          expect(near.closed).toBe(true);
          for (let i = 0; i < 3; i++) {
            const error = yield* failure(() => far.recv());
            expect(error).toBeInstanceOf(Error);
            expect(error).toMatchObject(RESET);
          }
          expect(() => far.tryRecv()).toThrow('ECONNRESET');
        }),
      );
    });

    it('a reset wakes the task that is receiving', () => {
      return backend.run(() =>
        withPair(function* (near, far): Operation<void> {
          yield* group(function* (tasks): Operation<void> {
            const reader = tasks.spawn(() => failure(() => far.recv()));
            yield* untilWaiting(reader);
            near.reset();
            expect(yield* reader.join()).toMatchObject(RESET);
          });
        }),
      );
    });

    it('a reset wakes the task that is sending', () => {
      return backend.run(() =>
        withPair(function* (near, far): Operation<void> {
          yield* group(function* (tasks): Operation<void> {
            const sender = tasks.spawn(() => failure(() => far.sendAll(Buffer.alloc(20_000_000))));
            yield* untilWaiting(sender);
            near.reset();
            const error = yield* sender.join();
            expect(error.code).toMatch(GONE);
            expect(error).toMatchObject({ syscall: 'write' });
          });
        }),
      );
    });

    it('a reset ends both directions: each task that uses the socket hears of it', () => {
      return backend.run(() =>
        withPair(function* (near, far): Operation<void> {
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
        }),
      );
    });

    it('a sender is told of a reset again and again', () => {
      return backend.run(() =>
        withPair(function* (near, far): Operation<void> {
          yield* fill(far);
          near.reset();
          expect((yield* failure(() => far.sendAll('more'))).code).toMatch(GONE);
          expect((yield* failure(() => far.send('again'))).code).toMatch(GONE);
          expect(() => far.trySend('again')).toThrow(/ECONNRESET|EPIPE/);
        }),
      );
    });

    // It is called torn then, as if somebody had cancelled it.
    it('a send that a reset has cut off half-way is not called a cancelled one', () => {
      return backend.run(() =>
        withPair(function* (near, far): Operation<void> {
          yield* group(function* (tasks): Operation<void> {
            const sender = tasks.spawn(() => failure(() => far.sendAll(Buffer.alloc(20_000_000))));
            yield* untilWaiting(sender);
            near.reset();
            expect((yield* sender.join()).code).toMatch(GONE);
          });
          expect((yield* failure(() => far.send('again'))).code).toMatch(GONE);
        }),
      );
    });

    it('a peer that closes with unread input ends the connection, by a reset or in order', () => {
      return backend.run(() =>
        withPair(function* (near, far): Operation<void> {
          yield* far.sendAll('never read');
          yield* readable(near);
          near.close();
          // A network that reads ahead has taken the input from the system, which then resets
          // nothing.
          expect(yield* receiveOrCode(far)).toMatch(/^(?:ECONNRESET)?$/);
        }),
      );
    });

    it('sending to a peer that has closed fails in the end, and only the task', () => {
      return backend.run(() =>
        withPair(function* (near, far): Operation<void> {
          near.close();
          const error = yield* failure(() => sendForEver(far));
          expect(error.code).toMatch(GONE);
        }),
      );
    });

    it('bytes that came before a reset are delivered before it, if at all', () => {
      return backend.run(() =>
        withPair(function* (near, far): Operation<void> {
          yield* near.sendAll('before');
          yield* readable(far);
          near.reset();
          const first = yield* receiveOrCode(far);
          if (first !== 'ECONNRESET') {
            expect(first).toBe('before');
            expect(yield* failure(() => far.recv())).toMatchObject(RESET);
          }
        }),
      );
    });

    it('a connection that is reset before it is accepted does no harm to the next one', () => {
      return backend.run(function* (): Operation<void> {
        using listener = yield* listen(LOOPBACK);
        (yield* connect(listener.address)).reset();
        using second = yield* connect(listener.address);
        yield* second.sendAll('second');
        expect(yield* acceptUntilBytes(listener)).toBe('second');
      });
    });

    it('many resets before accept, between good connections, lose none of the good ones', () => {
      return backend.run(function* (): Operation<void> {
        using listener = yield* listen(LOOPBACK);
        const heard: string[] = [];
        yield* together(
          function* (): Operation<void> {
            for (let i = 0; i < 100; i++) {
              (yield* connect(listener.address)).reset();
              using good = yield* connect(listener.address);
              yield* good.sendAll(`good ${i}`);
            }
          },
          function* (): Operation<void> {
            while (heard.length < 100) heard.push(yield* acceptUntilBytes(listener));
          },
        );
        expect(heard).toEqual(Array.from({ length: 100 }, (_, i) => `good ${i}`));
      });
    });

    it('a reset of one connection is nothing to the others', () => {
      return backend.run(() =>
        withPair((near, far) =>
          withPair(function* (near2, far2): Operation<void> {
            near.reset();
            expect(yield* failure(() => far.recv())).toMatchObject(RESET);
            yield* near2.sendAll('unharmed');
            expect(String(yield* far2.recv())).toBe('unharmed');
          }),
        ),
      );
    });

    it('what was unsent at a reset is dropped', () => {
      return backend.run(() =>
        withPair(function* (near, far): Operation<void> {
          const sent = yield* fill(near);
          near.reset();
          yield* eventually('the reset is there', () => far.readiness.canRecv);
          const error = yield* failure(() => receiveForEver(far));
          expect(error).toMatchObject(RESET);
          expect(far.bytesReceived).toBeLessThan(sent);
        }),
      );
    });
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
    const heard = yield* receiveOrCode(socket);
    if (heard !== 'ECONNRESET') return heard;
  }
}
