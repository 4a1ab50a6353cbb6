/** A shortage of memory in one send (ENOBUFS, ENOMEM) does not end the connection. */
import { constants } from 'node:os';
import { describe, expect, it } from 'vitest';
import type { Operation, Socket } from '../../../src/index.ts';
import { pipe, SystemError } from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { failure, onPair } from '../../support/sockets.ts';

const NO_MEMORY = { code: 'ENOBUFS', syscall: 'write' } as const;

/** The next sends take `first` bytes, then one send fails. Later ones work again. */
function failBehind(socket: Socket, first: number): void {
  const { transport } = socket;
  const before = transport.trySend.bind(transport);
  const beforeV = transport.trySendv.bind(transport);
  let left = first;
  const attempt = (data: Uint8Array): number => {
    if (left > 0) {
      const sent = before(data.subarray(0, left));
      left -= sent;
      return sent;
    }
    transport.trySend = before;
    transport.trySendv = beforeV;
    throw new SystemError('ENOBUFS', -constants.errno.ENOBUFS, 'write');
  };
  transport.trySend = attempt;
  transport.trySendv = ([data]) => attempt(data as Uint8Array);
}

for (const backend of backends) {
  describe(`a shortage of memory on ${backend.name}`, () => {
    expectNothingLeft(backend);

    const sends: Record<string, (socket: Socket) => Operation<unknown>> = {
      sendAll: (socket) => socket.sendAll('a message'),
      sendv: (socket) => socket.sendv([Buffer.from('a mess'), Buffer.from('age')]),
      *flush(socket) {
        socket.writer().write('a message');
        yield* socket.writer().flush();
      },
    };
    for (const [name, send] of Object.entries(sends)) {
      it(`a shortage of memory after a part of a ${name} tears the send half`, () =>
        onPair(backend, function* (near, far): Operation<void> {
          failBehind(near, 4);
          expect(yield* failure(() => send(near))).toMatchObject(NO_MEMORY);
          const torn = { code: 'ERR_TORN', bytesSent: 4 };
          expect(yield* failure(() => near.sendAll('the next'))).toMatchObject(torn);
          expect(String(yield* far.recv())).toBe('a me');
        }));

      it(`a shortage of memory before the first byte of a ${name} sends nothing`, () =>
        onPair(backend, function* (near, far): Operation<void> {
          failBehind(near, 0);
          expect(yield* failure(() => send(near))).toMatchObject(NO_MEMORY);
          near.writer();
          if (name === 'flush') yield* near.writer().flush();
          else yield* send(near);
          expect(String(yield* far.recv())).toBe('a message');
        }));
    }

    it('a shortage of memory for a piece of a pipe tears the receiving end of the pipe', () =>
      onPair(backend, function* (near, far): Operation<void> {
        yield* near.sendAll('a message');
        failBehind(far, 4);
        expect(yield* failure(() => pipe(far, far))).toMatchObject(NO_MEMORY);
        const torn = { code: 'ERR_TORN', bytesSent: 4 };
        expect(yield* failure(() => far.sendAll('the next'))).toMatchObject(torn);
      }));
  });
}
