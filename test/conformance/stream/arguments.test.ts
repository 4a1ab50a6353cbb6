/** Arguments of socket operations: every network rejects the same ones. */
import { describe, expect, it } from 'vitest';
import type { Operation, Socket } from '../../../src/index.ts';
import { connect, group, isCancelled, listen } from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import {
  failure,
  fill,
  onPair,
  receiveAll,
  untilWaiting,
  withTightPair,
} from '../../support/sockets.ts';

/** Resizable buffers are newer than the language level of the sources. */
interface Resizable extends ArrayBuffer {
  resize(bytes: number): void;
}

const makeResizable = ArrayBuffer as unknown as new (
  bytes: number,
  options: { maxByteLength: number },
) => Resizable;

for (const backend of backends) {
  describe(`arguments on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('a value without bytes is a TypeError, and no byte is sent or received', () =>
      onPair(backend, function* (near, far): Operation<void> {
        for (const attempt of wrongData(near)) {
          expect(attempt, String(attempt)).toThrow(
            expect.objectContaining({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' }),
          );
        }
        yield* near.sendAll('still whole');
        expect(String(yield* far.recv())).toBe('still whole');
        expect(near.bytesSent).toBe(11);
      }));

    it('a receive size out of range is rejected', () =>
      onPair(backend, function* (near): Operation<void> {
        for (const max of [0, -1, 1.5, Number.NaN, 2 ** 31]) {
          for (const attempt of [() => near.recv(max), () => near.tryRecv(max)]) {
            expect(attempt).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }));
          }
        }
        expect(() => near.recv('1' as unknown as number)).toThrow(TypeError);
      }));

    it('shutdown rejects an unknown direction and changes nothing', () =>
      onPair(backend, function* (near, far): Operation<void> {
        expect(() => near.shutdown('write' as 'send')).toThrow(/'send', 'recv' or 'both'/);
        yield* near.sendAll('still open');
        expect(String(yield* far.recv())).toBe('still open');
      }));

    it('sending nothing sends nothing', () =>
      onPair(backend, function* (near, far): Operation<void> {
        const nothing = new Uint8Array(0);
        expect([yield* near.send(nothing), yield* near.send(''), near.trySend('')]).toEqual([
          ...[0, 0, 0],
        ]);
        yield* near.sendAll(nothing);
        yield* near.sendv([]);
        yield* near.sendv([nothing, nothing]);
        expect(near.bytesSent).toBe(0);
        yield* near.sendv([nothing, Buffer.from('x'), nothing]);
        expect(String(yield* far.recv())).toBe('x');
      }));

    it('bytes of a resizable or shared buffer are sent and received like others', () =>
      onPair(backend, function* (near, far): Operation<void> {
        for (const buffer of [
          new makeResizable(4, { maxByteLength: 8 }),
          new SharedArrayBuffer(4),
        ]) {
          const data = new Uint8Array(buffer);
          data.set([1, 2, 3, 4]);
          yield* near.sendAll(data);
          yield* near.sendv([data]);
          const back = new Uint8Array(buffer, 2);
          let taken = 0;
          while (taken < 8) taken += yield* far.recvInto(back);
          expect([...back]).toEqual([3, 4]);
        }
      }));

    it('memory detached before an operation is driven is an error, not an empty send', () =>
      onPair(backend, function* (near, far): Operation<void> {
        const data = [1, 2, 3, 4].map(() => new Uint8Array(8));
        const [one, two, three, four] = data as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
        const sends = [near.send(one), near.sendAll(two), near.sendv([three])];
        const receive = near.recvInto(four);
        for (const each of data) detach(each);
        for (const operation of [...sends, receive]) {
          expect(yield* failure(() => operation)).toMatchObject({
            name: 'TypeError',
            message: expect.stringContaining('detached or resized'),
          });
        }
        yield* near.sendAll('not torn');
        expect(String(yield* far.recv())).toBe('not torn');
      }));

    it('memory detached while a receive waits is an error, and no byte is lost', () =>
      onPair(backend, function* (near, far): Operation<void> {
        const into = new Uint8Array(8);
        yield* group(function* (tasks): Operation<void> {
          const task = tasks.spawn(() => failure(() => near.recvInto(into)));
          yield* untilWaiting(task);
          detach(into);
          yield* far.sendAll('late');
          expect(yield* task.join()).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
        });
        expect(String(yield* near.recv())).toBe('late');
      }));

    it('memory detached in the middle of a send tears the stream', () =>
      backend.run(() =>
        withTightPair(function* (near, far): Operation<void> {
          const data = new Uint8Array(8 << 20);
          yield* group(function* (tasks): Operation<void> {
            const task = tasks.spawn(() => failure(() => near.sendAll(data)));
            yield* untilWaiting(task);
            detach(data);
            tasks.spawn(() => receiveAll(far), { daemon: true });
            expect(yield* task.join()).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
          });
          expect(yield* failure(() => near.send('more'))).toMatchObject({ code: 'ERR_TORN' });
        }),
      ));

    it('memory detached while a send waits for its first byte does not tear the stream', () =>
      backend.run(() =>
        withTightPair(function* (near, far): Operation<void> {
          yield* fill(near);
          const data = new Uint8Array(8);
          const sent = near.bytesSent;
          yield* group(function* (tasks): Operation<void> {
            const task = tasks.spawn(() => failure(() => near.sendv([data])));
            yield* untilWaiting(task);
            detach(data);
            tasks.spawn(() => receiveAll(far), { daemon: true });
            expect(yield* task.join()).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
          });
          expect([near.bytesSent, near.closed]).toEqual([sent, false]);
          yield* near.sendAll('whole');
          expect(near.bytesSent).toBe(sent + 5);
        }),
      ));

    it('an invalid address is rejected before anything is opened', () =>
      backend.run(function* (): Operation<void> {
        for (const address of [null, {}, 'host', 70_000, { path: '' }, 'a\0b:1']) {
          for (const attempt of [listen, connect]) {
            const error = yield* failure(() => attempt(address as string));
            expect(isCancelled(error)).toBe(false);
            expect(error.code).toMatch(/^ERR_(ADDRESS|OUT_OF_RANGE|INVALID_ARG_TYPE)$/);
          }
        }
      }));
  });
}

/** Detached memory, as `postMessage` with a transfer list leaves it. */
function detach(data: Uint8Array): void {
  structuredClone(data.buffer, { transfer: [data.buffer as ArrayBuffer] });
}

function detached(): Uint8Array {
  const data = new Uint8Array(8);
  detach(data);
  return data;
}

/** A view of a resizable buffer that has become shorter than the start of the view. */
function cutOff(): Uint8Array {
  const buffer = new makeResizable(8, { maxByteLength: 8 });
  const data = new Uint8Array(buffer, 4, 4);
  buffer.resize(2);
  return data;
}

function wrongData(socket: Socket): (() => unknown)[] {
  const values = [null, undefined, 5, true, {}, ['x'], new ArrayBuffer(8), new Int16Array(2)];
  const all = [...values, detached(), cutOff()] as Uint8Array[];
  return [
    ...all.flatMap((data) => [
      () => socket.send(data),
      () => socket.sendAll(data),
      () => socket.trySend(data),
      () => socket.sendv([Buffer.from('x'), data]),
      () => socket.recvInto(data),
    ]),
    () => socket.sendv('x' as unknown as Uint8Array[]),
    () => socket.sendv(Buffer.from('x') as unknown as Uint8Array[]),
    () => socket.recvInto(new Uint8Array(0)),
    () => socket.recvInto('x' as unknown as Uint8Array),
  ];
}
