import { describe, expect, it } from 'vitest';
import type { Listener, Operation, Socket, Wait } from '../../../src/index.ts';
import { ClosedError, connect, group, listen } from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import {
  collect,
  eventually,
  failure,
  fill,
  LOOPBACK,
  onPair,
  sendsOf,
  together,
  untilWaiting,
  withPair,
  withPairs,
  withTightPair,
} from '../../support/sockets.ts';
import { warningsOf } from '../../support/warnings.ts';

for (const backend of backends) {
  describe(`closing on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('close is idempotent, and later operations fail with ERR_CLOSED', () =>
      onPair(backend, function* (near): Operation<void> {
        near.close();
        near.close();
        near.reset();
        expect(near.closed).toBe(true);
        for (const use of [...sendsOf(near), ...receivesOf(near)]) {
          const error = yield* failure(use);
          expect(error).toBeInstanceOf(ClosedError);
          expect(error.code).toBe('ERR_CLOSED');
        }
      }));

    it('a closed listener fails with ERR_CLOSED', () =>
      backend.run(function* (): Operation<void> {
        const listener = yield* listen(LOOPBACK);
        listener.close();
        listener.close();
        expect(listener.closed).toBe(true);
        expect(yield* failure(() => listener.accept())).toBeInstanceOf(ClosedError);
        expect(() => listener.tryAccept()).toThrow(ClosedError);
        expect(listener.address.port).toBeGreaterThan(0);
      }));

    it('close wakes the receiver and the sender with ERR_CLOSED', () =>
      backend.run(() => withTightPair((near) => closeUnder(near))));

    it('reset wakes the receiver and the sender with ERR_CLOSED', () =>
      backend.run(() => withTightPair((near) => closeUnder(near, () => near.reset()))));

    it('closing a listener wakes the accepting task with ERR_CLOSED', () =>
      backend.run(function* (): Operation<void> {
        using listener = yield* listen(LOOPBACK);
        yield* group(function* (tasks): Operation<void> {
          const accepting = tasks.spawn(() => failure(() => listener.accept()));
          yield* untilWaiting(accepting);
          listener.close();
          expect(yield* accepting.join()).toMatchObject({ code: 'ERR_CLOSED' });
        });
      }));

    it('a raw wait on a closed socket returns at once, and the attempt throws ERR_CLOSED', () =>
      backend.run(() =>
        withPair(function* (near): Generator<Wait, void> {
          near.close();
          yield ['recv', near];
          expect(() => near.tryRecv()).toThrow(ClosedError);
          yield ['send', near];
          expect(() => near.trySend('x')).toThrow(ClosedError);
        }),
      ));

    it('a socket that is closed in the same batch as its event receives nothing', () =>
      backend.run(() => withPairs(40, closeInBatch)));

    it('a new socket with a reused descriptor receives no event of the old one', () =>
      backend.run(() => withPairs(40, reuseInBatch)));

    it('a listener that is closed in the same batch as its event accepts nothing', () =>
      backend.run(function* (): Operation<void> {
        using one = yield* listen(LOOPBACK);
        using two = yield* listen(LOOPBACK);
        const endings: string[] = [];
        yield* together(
          () => acceptThenClose(one, two, endings),
          () => acceptThenClose(two, one, endings),
          () => connectBoth(one, two),
        );
        expect(endings.length).toBe(2);
        expect(endings).toContain('accepted');
      }));

    it('`using` closes a socket and a listener', () =>
      backend.run(function* (): Operation<void> {
        const kept: (Socket | Listener)[] = [];
        {
          using listener = yield* listen(LOOPBACK);
          using near = yield* connect(listener.address);
          using far = yield* listener.accept();
          kept.push(listener, near, far);
          expect(kept.map(({ closed }) => closed)).toEqual([false, false, false]);
        }
        expect(kept.map(({ closed }) => closed)).toEqual([true, true, true]);
      }));

    it('sockets that a program leaves open are closed and named in a warning', async () => {
      let address = '';
      const program = function* (): Operation<void> {
        const listener = yield* listen(LOOPBACK);
        yield* connect(listener.address);
        yield* listener.accept();
        address = `${listener.address}`;
      };
      const warnings = await warningsOf(() => backend.run(program));
      expect(warnings).toMatchObject([{ code: 'ERR_LEFT_OPEN' }]);
      expect(warnings[0]?.message).toContain(address);
    });

    it('sockets that a failed program leaves open are closed too', async () => {
      const failing = function* (): Operation<void> {
        yield* listen(LOOPBACK);
        throw new Error('on purpose');
      };
      const warnings = await warningsOf(() =>
        expect(backend.run(failing)).rejects.toThrow('on purpose'),
      );
      expect(warnings).toMatchObject([{ code: 'ERR_LEFT_OPEN' }]);
    });
  });
}

function receivesOf(socket: Socket): (() => Operation<unknown>)[] {
  return [
    () => socket.recv(),
    () => socket.recvInto(new Uint8Array(8)),
    function* (): Operation<Buffer | undefined> {
      return socket.tryRecv();
    },
  ];
}

function* closeUnder(near: Socket, close = () => near.close()): Operation<void> {
  yield* fill(near);
  yield* group(function* (tasks): Operation<void> {
    const receiver = tasks.spawn(() => failure(() => near.recv()));
    const sender = tasks.spawn(() => failure(() => near.sendAll('no room')));
    yield* untilWaiting(receiver);
    yield* untilWaiting(sender);
    close();
    expect(yield* receiver.join()).toMatchObject({ code: 'ERR_CLOSED' });
    expect(yield* sender.join()).toMatchObject({ code: 'ERR_CLOSED' });
  });
}

/** The first task that wakes closes the sockets of all others. */
function* closeInBatch(near: readonly Socket[], far: readonly Socket[]): Operation<void> {
  const endings: string[] = [];
  yield* together(
    ...far.map((socket) => () => receiveThenClose(socket, far, endings)),
    function* (): Operation<void> {
      for (const socket of near) socket.trySend('to all');
    },
  );
  expect(endings.length).toBe(far.length);
  expect(endings.filter((ending) => ending !== 'ERR_CLOSED')).toEqual(['to all']);
}

function* receiveThenClose(
  socket: Socket,
  all: readonly Socket[],
  endings: string[],
): Operation<void> {
  try {
    endings.push(String(yield* socket.recv()));
  } catch (error) {
    endings.push((error as { code: string }).code);
  }
  for (const other of all) other.close();
}

/** As closeInBatch, but descriptors are reused before the other events are handled. */
function* reuseInBatch(near: readonly Socket[], far: readonly Socket[]): Operation<void> {
  const successors: Buffer[][] = [];
  yield* together(
    ...far.map((socket) => () => closeAndSucceed(socket, far, successors)),
    function* (): Operation<void> {
      for (const socket of near) socket.trySend('for the predecessor');
    },
  );
  expect(successors.map((parts) => String(Buffer.concat(parts)))).toEqual(
    Array.from({ length: 20 }, (_, i) => `for successor ${i}`),
  );
}

function* closeAndSucceed(
  socket: Socket,
  all: readonly Socket[],
  successors: Buffer[][],
): Operation<void> {
  const isFirst = (yield* receivedSomething(socket)) && successors.length === 0;
  if (!isFirst) return;
  for (const other of all) other.close();
  yield* withPairs(20, function* (near, far): Operation<void> {
    const readers = far.map((one) => {
      const parts: Buffer[] = [];
      successors.push(parts);
      return () => collect(one, parts);
    });
    yield* together(...readers, function* (): Operation<void> {
      for (const [i, one] of near.entries()) {
        yield* one.sendAll(`for successor ${i}`);
        one.close();
      }
    });
  });
}

function* receivedSomething(socket: Socket): Operation<boolean> {
  try {
    return (yield* socket.recv()).length > 0;
  } catch {
    return false; // Another task has closed it.
  }
}

function* acceptThenClose(one: Listener, other: Listener, endings: string[]): Operation<void> {
  try {
    (yield* one.accept()).close();
    endings.push('accepted');
  } catch (error) {
    endings.push((error as { code: string }).code);
  }
  other.close();
}

/** One of the two may be closed before its attempt ends. */
function* connectBoth(one: Listener, two: Listener): Operation<void> {
  const attempts = [one, two].map((listener) => () => tryToConnect(listener));
  yield* together(...attempts);
  yield* eventually('one listener is closed', () => one.closed || two.closed);
}

function* tryToConnect(listener: Listener): Operation<void> {
  try {
    (yield* connect(listener.address)).close();
  } catch (error) {
    expect((error as { code: string }).code).toMatch(/^ECONNRE(?:SET|FUSED)$/);
  }
}
