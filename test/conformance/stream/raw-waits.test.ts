/** The form of the classic teaching program: a raw wait, then an attempt. */
import { describe, expect, it } from 'vitest';
import type { Listener, Operation, Socket, Task, Wait } from '../../../src/index.ts';
import { connect, group, listen, readable, writable } from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { pattern } from '../../support/data.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import {
  eventually,
  failure,
  fill,
  LOOPBACK,
  onPair,
  receiveAll,
  receiveExactly,
  together,
  untilWaiting,
  withTightPair,
} from '../../support/sockets.ts';

for (const backend of backends) {
  describe(`the teaching program on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('the teaching program waits, receives and sends: GOT:Hello for Hello', () =>
      backend.run(function* (): Operation<void> {
        using listener = yield* listen(LOOPBACK);
        yield* group(function* (tasks): Operation<void> {
          const server = tasks.spawn(() => tcpServer(listener));
          for (const text of ['Hello', 'Hi', 'x'.repeat(999)]) {
            expect(yield* askOnce(listener, text)).toBe(`GOT:${text}`);
          }
          server.cancel();
        });
      }));

    it('the teaching program serves many clients at the same time', () =>
      backend.run(function* (): Operation<void> {
        using listener = yield* listen(LOOPBACK);
        yield* group(function* (tasks): Operation<void> {
          const server = tasks.spawn(() => tcpServer(listener));
          const clients = Array.from({ length: 100 }, (_, i) => `client ${i}`);
          const answers: string[] = [];
          yield* together(
            ...clients.map(
              (text) =>
                function* (): Operation<void> {
                  answers.push(yield* askOnce(listener, text));
                },
            ),
          );
          expect(new Set(answers)).toEqual(new Set(clients.map((text) => `GOT:${text}`)));
          server.cancel();
        });
      }));

    it('tryRecv(1000) returns at most 1000 bytes at a time, and all bytes in the end', () =>
      onPair(backend, function* (near, far): Operation<void> {
        const sent = pattern(10_500);
        yield* near.sendAll(sent);
        near.close();
        const parts: Buffer[] = [];
        yield* rawReceive(far, parts);
        expect(Math.max(...parts.map(({ length }) => length))).toBe(1000);
        expect(Buffer.concat(parts).equals(sent)).toBe(true);
      }));

    it("`yield ['send', socket]` waits until trySend may succeed", () =>
      onPair(backend, function* (near, far): Operation<void> {
        const sent = pattern(9_000_000);
        yield* together(
          () => rawSendAll(near, sent),
          function* (): Operation<void> {
            expect((yield* receiveAll(far)).equals(sent)).toBe(true);
          },
        );
      }));

    it('a spurious wake-up of a raw wait is harmless', () =>
      onPair(backend, function* (near, far): Operation<void> {
        const parts: Buffer[] = [];
        yield* group(function* (tasks): Operation<void> {
          const reader = tasks.spawn(() => rawReceive(far, parts));
          yield* wakeForNothing(reader, () => far.readiness.notifyRecv());
          yield* near.sendAll('real');
          near.close();
        });
        expect(String(Buffer.concat(parts))).toBe('real');
      }));

    it('a spurious wake-up of recv, recvInto and accept is harmless', () =>
      backend.run(function* (): Operation<void> {
        using listener = yield* listen(LOOPBACK);
        yield* group(function* (tasks): Operation<void> {
          const accepting = tasks.spawn(() => listener.accept());
          yield* wakeForNothing(accepting, () => listener.readiness.notifyRecv());
          using near = yield* connect(listener.address);
          using far = yield* accepting.join();
          const reader = tasks.spawn(() => far.recv());
          yield* wakeForNothing(reader, () => far.readiness.notifyRecv());
          yield* near.sendAll('one');
          expect(String(yield* reader.join())).toBe('one');
          const into = tasks.spawn(() => far.recvInto(new Uint8Array(9)));
          yield* wakeForNothing(into, () => far.readiness.notifyRecv());
          yield* near.sendAll('three');
          expect(yield* into.join()).toBe(5);
        });
      }));

    it('a spurious wake-up of sendAll and sendv is harmless', () =>
      backend.run(() =>
        withTightPair(function* (near, far): Operation<void> {
          yield* group(function* (tasks): Operation<void> {
            for (const send of [() => near.sendAll('a'), () => near.sendv([Buffer.from('a')])]) {
              const filled = yield* fill(near);
              const sender = tasks.spawn(send);
              yield* wakeForNothing(sender, () => near.readiness.notifySend());
              expect((yield* receiveExactly(far, filled + 1)).at(-1)).toBe(97);
              yield* sender.join();
            }
          });
        }),
      ));

    it('bytes that another task has taken cause a harmless spurious wake-up', () =>
      onPair(backend, function* (near, far): Operation<void> {
        yield* group(function* (tasks): Operation<void> {
          const reader = tasks.spawn(() => rawRecv(far));
          yield* untilWaiting(reader);
          near.trySend('stolen');
          while (reader.state === 'waiting') yield;
          expect(String(far.tryRecv())).toBe('stolen');
          yield* untilWaiting(reader);
          yield* near.sendAll('own');
          expect(String(yield* reader.join())).toBe('own');
        });
      }));

    it('a raw wait on a value that is not pollable is an error of the task', () =>
      backend.run(function* (): Operation<void> {
        const error = yield* failure(function* (): Generator<Wait, void> {
          yield ['recv', {} as Socket];
        });
        expect(error.code).toBe('ERR_UNKNOWN_REASON');
      }));

    it('readable and writable are raw waits as operations', () =>
      onPair(backend, function* (near, far): Operation<void> {
        yield* writable(near);
        expect(near.trySend('readable')).toBe(8);
        yield* readable(far);
        expect(String(far.tryRecv())).toBe('readable');
      }));
  });
}

function* tcpServer(listener: Listener): Generator<Wait, void> {
  yield* group(function* (tasks): Generator<Wait, void> {
    for (;;) {
      yield ['recv', listener];
      const client = listener.tryAccept();
      if (client !== undefined) tasks.spawn(() => echoHandler(client));
    }
  });
}

function* echoHandler(client: Socket): Generator<Wait, void> {
  try {
    for (;;) {
      yield ['recv', client];
      const data = client.tryRecv(1000);
      if (data === undefined) continue;
      if (data.length === 0) break;
      yield* rawSendAll(client, Buffer.concat([Buffer.from('GOT:'), data]));
    }
  } finally {
    client.close();
  }
}

function* rawSendAll(socket: Socket, data: Buffer): Generator<Wait, void> {
  for (let at = 0; at < data.length; ) {
    yield ['send', socket];
    at += socket.trySend(data.subarray(at));
  }
  if (data.length > 1_000_000) socket.shutdown('send');
}

function* rawReceive(socket: Socket, parts: Buffer[]): Generator<Wait, void> {
  for (;;) {
    yield ['recv', socket];
    const data = socket.tryRecv(1000);
    if (data === undefined) continue;
    if (data.length === 0) return;
    parts.push(data);
  }
}

function* rawRecv(socket: Socket): Generator<Wait, Buffer> {
  for (;;) {
    yield ['recv', socket];
    const data = socket.tryRecv(1000);
    if (data !== undefined) return data;
  }
}

function* askOnce(listener: Listener, text: string): Operation<string> {
  using socket = yield* connect(listener.address);
  yield* socket.sendAll(text);
  return String(yield* receiveExactly(socket, text.length + 4));
}

/** Wakes `task` three times without a reason; each time it waits again. */
function* wakeForNothing(task: Task<unknown>, wake: () => void): Operation<void> {
  for (let i = 0; i < 3; i++) {
    yield* untilWaiting(task);
    wake();
    expect(task.state).toBe('ready');
    yield* eventually('the task waits again', () => task.state === 'waiting');
  }
}
