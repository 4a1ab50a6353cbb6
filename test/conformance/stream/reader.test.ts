import { describe, expect, it } from 'vitest';
import type { Operation, Reader, Socket } from '../../../src/index.ts';
import { connect, group, moveOnAfter, select, sleep, toDuplex } from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { digest, pattern } from '../../support/data.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { withServer } from '../../support/servers.ts';
import {
  eventually,
  failure,
  onPair,
  receiveExactly,
  receiveText,
  sendInPieces,
  together,
  untilWaiting,
  withPair,
} from '../../support/sockets.ts';

for (const backend of backends) {
  describe(`a reader on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('a reader returns lines, whatever the chunks are', () => {
      const lines = Array.from(
        { length: 300 },
        (_, i) => `${i} grün → 漢字 🎉 ${'x'.repeat(i * 3)}`,
      );
      const bytes = Buffer.from(lines.join('\r\n'));
      return backend.run(function* (): Operation<void> {
        for (const length of [1, 7, 1000, 70_000]) {
          const sent = bytes.subarray(0, length * 300);
          yield* withPair(function* (near, far): Operation<void> {
            const received: string[] = [];
            yield* together(
              () => sendInPieces(near, sent, length),
              () => readLines(far.reader(), received),
            );
            expect(received.join('\n')).toBe(String(sent).replaceAll('\r\n', '\n'));
          });
        }
      });
    });

    it('a reader returns length-prefixed messages, small and large', () => {
      const lengths = [0, 1, 5, 4000, 70_000, 3_000_000, 17];
      return backend.run(() =>
        withPair(function* (near, far): Operation<void> {
          yield* together(
            function* (): Operation<void> {
              for (const length of lengths) {
                const head = Buffer.alloc(4);
                head.writeUInt32BE(length);
                yield* near.sendv([head, pattern(length, length + 1)]);
              }
              near.shutdown('send');
            },
            function* (): Operation<void> {
              const reader = far.reader();
              for (const length of lengths) {
                expect((yield* reader.readExactly(4))?.readUInt32BE()).toBe(length);
                const body = (yield* reader.readExactly(length)) as Buffer;
                expect(digest(body)).toBe(digest(pattern(length, length + 1)));
              }
              expect(yield* reader.readExactly(4)).toBe(null);
            },
          );
        }),
      );
    });

    it('a reader finds a delimiter of several bytes and continues after it', () =>
      onPair(backend, function* (near, far): Operation<void> {
        yield* near.sendAll('GET / HTTP/1.1\r\nhost: x\r\n\r\nbody');
        near.shutdown('send');
        const reader = far.reader();
        const head = yield* reader.readUntil('\r\n\r\n');
        expect(String(head)).toBe('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
        expect(String(yield* reader.readExactly(4))).toBe('body');
        expect((yield* reader.read()).length).toBe(0);
      }));

    it('a reader returns the lines that have arrived in batches, none twice', () => {
      const lines = Array.from({ length: 5000 }, (_, i) => `${i} grün → ${'x'.repeat(i % 90)}`);
      const bytes = Buffer.from(lines.join('\r\n'));
      return backend.run(() =>
        withPair(function* (near, far): Operation<void> {
          const received: string[] = [];
          yield* together(
            () => sendInPieces(near, bytes, 7000),
            () => readBatchesOfLines(far.reader(), received),
          );
          expect(received).toEqual(lines);
        }),
      );
    });

    it('a reader shows bytes without consuming them, also if the task is cancelled', () =>
      onPair(backend, function* (near, far): Operation<void> {
        const reader = far.reader();
        yield* near.sendAll('GET /');
        expect(String(yield* reader.peek(3))).toBe('GET');
        expect(yield* moveOnAfter(2, () => reader.peek(6))).toBe(undefined);
        expect(yield* moveOnAfter(2, () => reader.readLines())).toBe(undefined);
        yield* near.sendAll('\nrest');
        near.shutdown('send');
        expect(String(yield* reader.peek(6))).toBe('GET /\n');
        expect(yield* reader.readLines()).toEqual(['GET /']);
        expect(yield* failure(() => reader.peek(5))).toMatchObject({ code: 'ERR_UNEXPECTED_EOF' });
        expect(yield* reader.readLines()).toEqual(['rest']);
        expect(yield* reader.peek(1)).toBe(null);
        expect(yield* reader.readLines()).toBe(null);
      }));

    it('a reader rejects a message that is too long and keeps it readable', () =>
      onPair(backend, function* (near, far): Operation<void> {
        const reader = far.reader({ max: 100 });
        yield* near.sendAll('x'.repeat(101));
        const error = yield* failure(() => reader.readLine());
        expect(error).toMatchObject({ code: 'ERR_LIMIT', limit: 100, buffered: 101 });
        yield* far.sendAll('too long');
        expect(String(yield* receiveExactly(near, 8))).toBe('too long');
        expect((yield* reader.readExactly(101))?.length).toBe(101);
      }));

    it('a reader distinguishes an end between messages from one within a message', () =>
      onPair(backend, function* (near, far): Operation<void> {
        yield* near.sendAll('whole|hal');
        near.shutdown('send');
        const reader = far.reader();
        expect(String(yield* reader.readUntil('|'))).toBe('whole|');
        const error = yield* failure(() => reader.readUntil('|'));
        expect(error).toMatchObject({
          code: 'ERR_UNEXPECTED_EOF',
          bytes: Buffer.from('hal'),
        });
        expect(yield* reader.readUntil('|')).toBe(null);
        expect(yield* reader.readLine()).toBe(null);
      }));

    it('a reader returns the bytes before a reset, then throws the reset', () =>
      onPair(backend, function* (near, far): Operation<void> {
        const reader = far.reader();
        yield* near.sendAll('line\npart');
        expect(yield* reader.readLine()).toBe('line');
        yield* eventually('all bytes have arrived', () => far.bytesReceived === 9);
        near.reset();
        expect(yield* failure(() => reader.readLine())).toMatchObject({ code: 'ECONNRESET' });
        expect(String(yield* reader.read())).toBe('part');
        expect(yield* failure(() => reader.read())).toMatchObject({ code: 'ECONNRESET' });
      }));

    it('a reader that waits gets ERR_CLOSED when the socket is closed', () =>
      onPair(backend, function* (near, far): Operation<void> {
        yield* near.sendAll('part');
        yield* group(function* (tasks): Operation<void> {
          const reading = tasks.spawn(() => failure(() => far.reader().readLine()));
          yield* eventually('the part was read', () => far.reader().buffered === 4);
          yield* untilWaiting(reading);
          far.close();
          expect(yield* reading.join()).toMatchObject({ code: 'ERR_CLOSED' });
        });
      }));

    it('a read that times out loses no byte', () => {
      const sent = pattern(40_000);
      return backend.run(() =>
        withPair(function* (near, far): Operation<void> {
          const parts: Buffer[] = [];
          yield* together(
            () => sendInPieces(near, sent, 333),
            () => readImpatiently(far.reader(), parts),
          );
          expect(digest(Buffer.concat(parts))).toBe(digest(sent));
        }),
      );
    });

    it('a read that is cancelled after any number of steps loses no byte', () =>
      backend.run(function* (): Operation<void> {
        for (let steps = 0; steps < 40; steps++) {
          yield* withPair((near, far) => cancelAfterSteps(near, far, steps));
        }
      }));

    it('a read can be a case of select, and loses no byte if another case is taken', () =>
      onPair(backend, function* (near, far): Operation<void> {
        const reader = far.reader();
        yield* near.sendAll('par');
        const late = yield* select({ line: reader.readLine(), late: sleep(5) });
        expect(late.key).toBe('late');
        yield* near.sendAll('t\n');
        const chosen = yield* select({ line: reader.readLine(), never: sleep(Infinity) });
        expect(chosen).toEqual({ key: 'line', value: 'part' });
      }));

    it('a reader makes other receives fail: ERR_BUSY, and ERR_BUFFERED', () =>
      onPair(backend, function* (near, far): Operation<void> {
        const reader = far.reader();
        yield* group(function* (tasks): Operation<void> {
          const reading = tasks.spawn(() => reader.readLine());
          yield* untilWaiting(reading);
          expect(yield* failure(() => far.recv())).toMatchObject({ code: 'ERR_BUSY' });
          expect(yield* failure(() => reader.read())).toMatchObject({ code: 'ERR_BUSY' });
          yield* near.sendAll('one\ntwo');
          expect(yield* reading.join()).toBe('one');
        });
        expect(yield* failure(() => far.recv())).toMatchObject({ code: 'ERR_BUFFERED' });
        expect(() => toDuplex(far)).toThrow(expect.objectContaining({ code: 'ERR_BUFFERED' }));
        expect(String(yield* reader.read())).toBe('two');
        yield* near.sendAll('three');
        expect(String(yield* far.recv())).toBe('three');
      }));
  });

  describe(`draining a reader on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('an idle connection is at end of file while draining', () =>
      backend.run(() =>
        withServer(lineEcho, function* (server, serving): Operation<void> {
          using client = yield* connect(server.address);
          yield* client.sendAll('line\n');
          expect(String(yield* receiveExactly(client, 5))).toBe('line\n');
          server.stop();
          expect(yield* receiveText(client)).toBe('');
          client.close();
          yield* serving.join();
          expect(server.stats().failed).toBe(0);
        }),
      ));

    it('a partial message keeps a draining connection open until it is answered', () =>
      onPair(backend, function* (near, far): Operation<void> {
        yield* group(function* (tasks): Operation<void> {
          const serving = tasks.spawn(() => lineEcho(far));
          yield* near.sendAll('whole\nhal');
          expect(String(yield* receiveExactly(near, 6))).toBe('whole\n');
          yield* eventually('the half has arrived', () => far.reader().buffered === 3);
          far.drain();
          yield* sleep(0);
          yield* untilWaiting(serving);
          yield* near.sendAll('f\n');
          expect(String(yield* receiveExactly(near, 5))).toBe('half\n');
          yield* serving.join();
        });
      }));

    it('held messages are answered before a draining connection ends', () =>
      onPair(backend, function* (near, far): Operation<void> {
        yield* near.sendAll('1\n2\n3\n');
        yield* eventually('the connections wait', () => far.readiness.canRecv);
        far.drain();
        yield* lineEcho(far);
        far.close();
        expect(yield* receiveText(near)).toBe('1\n2\n3\n');
      }));

    it('a request whose first line was read is not cut off by a drain', () =>
      onPair(backend, function* (near, far): Operation<void> {
        const reader = far.reader();
        yield* near.sendAll('answered\nfirst\n');
        expect(yield* reader.readLine()).toBe('answered');
        yield* eventually('all bytes have arrived', () => far.bytesReceived === 15);
        yield* far.sendAll('.');
        expect(yield* reader.readLine()).toBe('first');
        far.drain();
        yield* group(function* (tasks): Operation<void> {
          const second = tasks.spawn(() => reader.readLine());
          yield* untilWaiting(second);
          yield* near.sendAll('second\n');
          expect(yield* second.join()).toBe('second');
        });
      }));

    it('a drain wakes a task that waits for bytes when another task has answered', () =>
      onPair(backend, function* (near, far): Operation<void> {
        yield* near.sendAll('question\n');
        expect(yield* far.reader().readLine()).toBe('question');
        yield* group(function* (tasks): Operation<void> {
          const more = tasks.spawn(() => far.reader().readLine());
          yield* untilWaiting(more);
          far.drain();
          yield* sleep(0);
          yield* untilWaiting(more);
          yield* far.sendAll('answer\n');
          expect(yield* more.join()).toBe(null);
        });
      }));
  });
}

function* lineEcho(socket: Socket): Operation<void> {
  const reader = socket.reader();
  for (;;) {
    const line = yield* reader.readLine();
    if (line === null) return;
    yield* socket.sendAll(`${line}\n`);
  }
}

function* readLines(reader: Reader, lines: string[]): Operation<void> {
  for (;;) {
    const line = yield* reader.readLine();
    if (line === null) return;
    lines.push(line);
  }
}

/** Cancels a third of the reads. */
function* readBatchesOfLines(reader: Reader, lines: string[]): Operation<void> {
  for (let turn = 0; ; turn++) {
    const limitMs = turn % 3 === 0 ? 0 : Infinity;
    const batch = yield* moveOnAfter(limitMs, () => reader.readLines());
    if (batch === null) return;
    if (batch === undefined) yield;
    else lines.push(...batch);
  }
}

/** Messages of 250 bytes. Some reads time out, and the last message is cut off. */
function* readImpatiently(reader: Reader, parts: Buffer[]): Operation<void> {
  for (let turn = 0; ; turn++) {
    const part = yield* moveOnAfter((turn % 4) / 4, () => reader.readExactly(250));
    if (part === null) return;
    if (part === undefined) yield;
    else parts.push(part);
  }
}

/** Cancels a reader of messages; another task reads the rest. */
function* cancelAfterSteps(near: Socket, far: Socket, steps: number): Operation<void> {
  const sent = pattern(320, steps + 1);
  const parts: Buffer[] = [];
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => sendInPieces(near, sent, 37));
    const reading = tasks.spawn(() => readMessages(far.reader(), parts));
    for (let step = 0; step < steps; step++) yield;
    reading.cancel();
  });
  yield* readMessages(far.reader(), parts);
  expect(digest(Buffer.concat(parts))).toBe(digest(sent));
}

function* readMessages(reader: Reader, parts: Buffer[]): Operation<void> {
  for (;;) {
    const part = yield* reader.readExactly(16);
    if (part === null) return;
    parts.push(part);
  }
}
