/** Cancellation of connect, accept, receives and sends, on every backend. */
import { describe, expect, it } from 'vitest';
import type { Listener, Operation, Socket } from '../../../src/index.ts';
import {
  connect,
  group,
  listen,
  moveOnAfter,
  sleep,
  TornError,
  timeout,
} from '../../../src/index.ts';
import type { TestBackend } from '../../support/backends.ts';
import { backends } from '../../support/backends.ts';
import { digest, pattern } from '../../support/data.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import {
  collect,
  eventually,
  failure,
  fill,
  LOOPBACK,
  onPair,
  receiveAll,
  receiveExactly,
  sendInPieces,
  together,
  untilWaiting,
  withPair,
  withTightPair,
} from '../../support/sockets.ts';

for (const backend of backends) {
  describe(`cancelling on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('a recv that is cancelled after any number of bytes loses no byte', () =>
      backend.run(function* (): Operation<void> {
        for (let offset = 0; offset <= 1500; offset += 25) {
          yield* withPair((near, far) => cancelAt(near, far, offset));
        }
      }));

    it('a recv that is cancelled after any number of steps loses no byte', () =>
      backend.run(function* (): Operation<void> {
        for (let steps = 0; steps < 60; steps++) {
          yield* withPair((near, far) => cancelAfterSteps(near, far, steps));
        }
      }));

    it('a recv that times out repeatedly loses no byte', () => {
      const sent = pattern(60_000);
      return backend.run(() =>
        withPair(function* (near, far): Operation<void> {
          const parts: Buffer[] = [];
          yield* together(
            () => sendInPieces(near, sent),
            () => receiveWithTimeouts(far, parts),
          );
          expect(digest(Buffer.concat(parts))).toBe(digest(sent));
        }),
      );
    });

    it('a recvInto that times out leaves the bytes unread', () =>
      onPair(backend, function* (near, far): Operation<void> {
        const room = new Uint8Array(8);
        expect(yield* moveOnAfter(1, () => far.recvInto(room))).toBeUndefined();
        yield* near.sendAll('later');
        expect(yield* far.recvInto(room)).toBe(5);
      }));

    it('a time limit of 0 returns available bytes, and nothing otherwise', () =>
      onPair(backend, function* (near, far): Operation<void> {
        expect(yield* moveOnAfter(0, () => far.recv())).toBeUndefined();
        yield* near.sendAll('there');
        yield* eventually('bytes have arrived', () => far.readiness.canRecv);
        expect(String(yield* moveOnAfter(0, () => far.recv()))).toBe('there');
      }));

    it('a notification before a cancellation takes precedence', () =>
      onPair(backend, function* (near, far): Operation<void> {
        yield* group(function* (tasks): Operation<void> {
          const reader = tasks.spawn(() => far.recv());
          yield* untilWaiting(reader);
          near.trySend('granted');
          while (reader.state === 'waiting') yield;
          expect(reader.state).toBe('ready');
          reader.cancel();
          expect(String(yield* reader.join())).toBe('granted');
        });
      }));

    it('a cancellation before the notification takes precedence, and the bytes stay unread', () =>
      onPair(backend, function* (near, far): Operation<void> {
        yield* group(function* (tasks): Operation<void> {
          const reader = tasks.spawn(() => far.recv());
          yield* untilWaiting(reader);
          reader.cancel();
          near.trySend('kept');
          expect(yield* failure(() => reader.join())).toMatchObject({
            code: 'ERR_TASK_CANCELLED',
          });
        });
        expect(String(yield* far.recv())).toBe('kept');
      }));

    it('an accept that is cancelled after any number of connections loses none', () =>
      backend.run(function* (): Operation<void> {
        for (let count = 0; count <= 20; count++) yield* cancelAccept(count);
      }));

    it('an accept that times out repeatedly loses no connection', () =>
      backend.run(function* (): Operation<void> {
        using listener = yield* listen(LOOPBACK);
        const received: number[] = [];
        yield* together(
          () => connectAll(listener, 60),
          () => acceptWithTimeouts(listener, received),
        );
        expect(received.toSorted((a, b) => a - b)).toEqual(received.map((_, i) => i));
      }));

    it('an accept that was notified before a cancellation returns the connection', () =>
      backend.run(function* (): Operation<void> {
        using listener = yield* listen(LOOPBACK);
        yield* group(function* (tasks): Operation<void> {
          const accepting = tasks.spawn(() => listener.accept());
          yield* untilWaiting(accepting);
          using near = yield* connect(listener.address);
          yield* eventually('the task was woken', () => accepting.state !== 'waiting');
          accepting.cancel();
          using far = yield* accepting.join();
          expect(far.remoteAddress).toEqual(near.localAddress);
        });
      }));

    it('a sendAll that is cancelled after its first byte leaves the socket torn', () =>
      backend.run(() => withPair((near, far) => expectTornAfterCancel(backend, near, far))));

    it('a sendv that is cancelled after its first byte leaves the socket torn', () =>
      backend.run(() =>
        withPair((near, far) =>
          expectTornAfterCancel(backend, near, far, (data) => near.sendv([data, data])),
        ),
      ));

    it('a torn socket still receives', () =>
      onPair(backend, function* (near, far): Operation<void> {
        yield* cancelMidway(near, () => near.sendAll(Buffer.alloc(20_000_000)));
        yield* far.sendAll('received');
        expect(String(yield* near.recv())).toBe('received');
      }));

    it('a send that is cancelled before its first byte leaves the socket usable', () =>
      backend.run(() =>
        withTightPair(function* (near, far): Operation<void> {
          const filled = yield* fill(near);
          yield* cancelMidway(near, () => near.sendAll('never'));
          yield* cancelMidway(near, () => near.sendv([Buffer.from('never')]));
          yield* cancelMidway(near, () => near.send('never'));
          expect(near.bytesSent).toBe(filled);
          yield* receiveExactly(far, filled);
          yield* near.sendAll('after all');
          near.close();
          expect(String(yield* receiveAll(far))).toBe('after all');
        }),
      ));

    it('a sendAll that times out reports the number of bytes that were sent', () =>
      onPair(backend, function* (near): Operation<void> {
        const error = yield* failure(() =>
          timeout(30, () => near.sendAll(Buffer.alloc(20_000_000))),
        );
        expect(error).toMatchObject({ code: 'ERR_TIMEOUT' });
        expect(error.message).toContain('send 127.0.0.1');
        const torn = yield* failure(() => near.sendAll('more'));
        expect(torn.bytesSent).toBe(near.bytesSent);
      }));

    it('a cancelled task that waits on a socket leaves it usable for the next one', () =>
      onPair(backend, function* (near, far): Operation<void> {
        for (let i = 0; i < 50; i++) {
          yield* group(function* (tasks): Operation<void> {
            const reader = tasks.spawn(() => far.recv());
            for (let step = 0; step < i % 5; step++) yield;
            reader.cancel();
          });
        }
        yield* near.sendAll('at last');
        expect(String(yield* far.recv())).toBe('at last');
      }));
  });
}

/** Cancels a reader of small parts after `offset` bytes, then reads the rest. */
function* cancelAt(near: Socket, far: Socket, offset: number): Operation<void> {
  const sent = pattern(1600, offset + 1);
  const parts: Buffer[] = [];
  yield* group(function* (tasks): Operation<void> {
    const reader = tasks.spawn(() => collect(far, parts, 7));
    tasks.spawn(() => sendInPieces(near, sent, 90));
    while (far.bytesReceived < offset) yield;
    reader.cancel();
  });
  yield* collect(far, parts);
  expect(digest(Buffer.concat(parts))).toBe(digest(sent));
}

function* cancelAfterSteps(near: Socket, far: Socket, steps: number): Operation<void> {
  const sent = pattern(300, steps + 1);
  const parts: Buffer[] = [];
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => sendInPieces(near, sent, 40));
    const reader = tasks.spawn(() => collect(far, parts, 16));
    for (let step = 0; step < steps; step++) yield;
    reader.cancel();
  });
  yield* collect(far, parts);
  expect(digest(Buffer.concat(parts))).toBe(digest(sent));
}

function* receiveWithTimeouts(socket: Socket, parts: Buffer[]): Operation<void> {
  for (let turn = 0; ; turn++) {
    const part = yield* moveOnAfter((turn % 4) / 4, () => socket.recv(500));
    if (part === undefined) yield;
    else if (part.length === 0) return;
    else parts.push(part);
  }
}

/** Cancels an accepting task after `count` connections; another one accepts the rest. */
function* cancelAccept(count: number): Operation<void> {
  using listener = yield* listen(LOOPBACK);
  const accepted: Socket[] = [];
  yield* group(function* (tasks): Operation<void> {
    const first = tasks.spawn(() => acceptInto(listener, accepted, 20));
    tasks.spawn(() => connectAll(listener, 20));
    while (accepted.length < count) yield;
    first.cancel();
  });
  yield* acceptInto(listener, accepted, 20);
  const received: number[] = [];
  for (const socket of accepted) {
    received.push(yield* numberFrom(socket));
    socket.close();
  }
  expect(received).toEqual(Array.from({ length: 20 }, (_, i) => i));
}

function* acceptInto(listener: Listener, accepted: Socket[], wanted: number): Operation<void> {
  while (accepted.length < wanted) accepted.push(yield* listener.accept());
}

function* acceptWithTimeouts(listener: Listener, received: number[]): Operation<void> {
  while (received.length < 60) {
    using socket = yield* moveOnAfter(received.length % 3 === 0 ? 0 : 0.3, () => listener.accept());
    if (socket === undefined) yield;
    else received.push(yield* numberFrom(socket));
  }
}

function* numberFrom(socket: Socket): Operation<number> {
  return (yield* receiveAll(socket)).readUInt32LE();
}

function* connectAll(listener: Listener, count: number): Operation<void> {
  for (let number = 0; number < count; number++) {
    using socket = yield* connect(listener.address);
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(number);
    yield* socket.sendAll(bytes);
    if (number % 7 === 0) yield* sleep(1);
  }
}

/** Cancels `send` once it waits. */
function* cancelMidway(socket: Socket, send: () => Operation<unknown>): Operation<void> {
  yield* group(function* (tasks): Operation<void> {
    const sender = tasks.spawn(send);
    yield* untilWaiting(sender);
    const before = socket.bytesSent;
    sender.cancel();
    expect(socket.bytesSent).toBe(before);
  });
}

function* expectTornAfterCancel(
  backend: TestBackend,
  near: Socket,
  far: Socket,
  send: (data: Buffer) => Operation<void> = (data) => near.sendAll(data),
): Operation<void> {
  yield* cancelMidway(near, () => send(Buffer.alloc(12_000_000, 't')));
  expect(near.bytesSent).toBeGreaterThan(0);
  for (const again of [() => near.sendAll('x'), () => near.send('x'), () => send(ONE_BYTE)]) {
    const error = yield* failure(again);
    expect(error).toBeInstanceOf(TornError);
    expect(error).toMatchObject({ code: 'ERR_TORN', bytesSent: near.bytesSent });
  }
  expect(() => near.trySend('x')).toThrow(TornError);
  const sent = near.bytesSent;
  near.close();
  const arrived = (yield* receiveAll(far)).length;
  if (backend.capabilities.exactTorn) expect(arrived).toBe(sent);
  else expect(arrived).toBeLessThanOrEqual(sent);
}

const ONE_BYTE = Buffer.from('x');
