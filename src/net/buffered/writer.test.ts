import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { codeOf, failureOf, play } from '../../../test/support/kernel/virtual-host.ts';
import { ScriptedTransport } from '../../../test/support/network/scripted-transport.ts';
import { failure, failureCode } from '../../../test/support/sockets.ts';
import { BusyError } from '../../kernel/errors.ts';
import type { Operation } from '../../kernel/operation.ts';
import { moveOnAfter } from '../../kernel/scope/with-scope.ts';
import { group } from '../../kernel/task/group.ts';
import { FlushNeededError } from '../errors.ts';
import { Socket } from '../tcp/socket.ts';
import type { Writer, WriterOptions } from './writer.ts';

interface WriterSetup {
  readonly transport: ScriptedTransport;
  readonly socket: Socket;
  readonly writer: Writer;
}

function writerOver(options: WriterOptions = {}): WriterSetup {
  const transport = new ScriptedTransport();
  const socket = new Socket(transport);
  return { transport, socket, writer: socket.writer(options) };
}

describe('a writer', () => {
  it('a socket has one writer, which accepts new options', () => {
    const { socket, writer } = writerOver({ highWaterMark: 4 });
    expect(socket.writer()).toBe(writer);
    expect(() => writer.write('12345')).toThrow(FlushNeededError);
    socket.writer({ highWaterMark: 5 });
    writer.write('12345');
    expect(writer.buffered).toBe(5);
  });

  it('a writer sends nothing before a flush, and then all bytes in one piece', () => {
    const { transport, writer } = writerOver();
    for (const word of ['HTTP/1.1', ' ', '200', ' ', 'OK', '\r\n']) writer.write(word);
    writer.write(Buffer.from('→'));
    expect([writer.buffered, transport.sends.length]).toEqual([20, 0]);
    play(() => writer.flush());
    expect(transport.sends.map(String)).toEqual(['HTTP/1.1 200 OK\r\n→']);
    expect([writer.buffered, transport.offered]).toEqual([0, []]);
  });

  it('a writer copies small pieces and does not copy large ones', () => {
    const { transport, writer } = writerOver();
    const small = Buffer.alloc(4095, 's');
    const large = Buffer.alloc(4096, 'l');
    writer.write(small);
    writer.write(large);
    writer.write('end');
    small.fill('x');
    large.fill('y');
    play(() => writer.flush());
    expect(transport.sentText).toBe(`${'s'.repeat(4095)}${'y'.repeat(4096)}end`);
    expect(transport.offered).toEqual([3]);
  });

  it('a writer sends at most sixty-four pieces per call', () => {
    const { transport, writer } = writerOver({ highWaterMark: 1_000_000 });
    const expected: string[] = [];
    for (let i = 0; i < 100; i++) {
      const large = String(i % 10).repeat(4096);
      writer.write(Buffer.from(large));
      writer.write('|');
      expected.push(large, '|');
    }
    play(() => writer.flush());
    expect(transport.sentText).toBe(expected.join(''));
    expect(transport.offered).toEqual([64, 64, 64, 8]);
  });

  it('a writer encodes any text as UTF-8, and ignores empty data', () => {
    const { transport, writer } = writerOver();
    const texts = ['', 'ascii', 'grün', '漢字', '🎉', '\ud800', `${'→'.repeat(3000)}`];
    for (const text of texts) writer.write(text);
    writer.write(new Uint8Array(0));
    const expected = Buffer.concat(texts.map((text) => Buffer.from(text)));
    expect(writer.buffered).toBe(expected.length);
    play(() => writer.flush());
    expect(Buffer.concat(transport.sends).equals(expected)).toBe(true);
  });

  it('a writer keeps texts and bytes in the order in which they were written', () => {
    const { transport, writer } = writerOver();
    const pieces = ['a', Buffer.from('b'), 'ü', '漢', Buffer.from('c'), 'd'.repeat(5000), 'e'];
    for (const piece of pieces) writer.write(piece);
    expect(writer.buffered).toBe(Buffer.byteLength(`abü漢c${'d'.repeat(5000)}e`));
    play(() => writer.flush());
    expect(transport.sentText).toBe(`abü漢c${'d'.repeat(5000)}e`);
  });

  it('a writer encodes consecutive texts as one: a character may be divided among them', () => {
    const { transport, writer } = writerOver();
    writer.write('\ud83d');
    writer.write('\ude42');
    play(() => writer.flush());
    expect(transport.sentText).toBe('🙂');
  });

  it('writers use the memory of sent pieces again, and not before they are sent', () => {
    const slow = writerOver();
    slow.transport.room = 3;
    slow.writer.write('123456');
    play(function* (): Operation<void> {
      yield* group(function* (tasks): Operation<void> {
        tasks.spawn(() => slow.writer.flush());
        yield;
        for (let i = 0; i < 40; i++) {
          const { transport, writer } = writerOver();
          const text = 'x'.repeat(i * 200);
          writer.write(Buffer.from(text));
          yield* writer.flush();
          writer.write('end');
          yield* writer.flush();
          expect(transport.sentText).toBe(`${text}end`);
        }
        slow.writer.write('789');
        slow.transport.admit(100);
      });
      yield* slow.writer.flush();
    });
    expect(slow.transport.sentText).toBe('123456789');
  });

  it('a writer rejects values without bytes and invalid high water marks', () => {
    const { socket, writer } = writerOver();
    expect(() => writer.write(7 as unknown as string)).toThrow(TypeError);
    expect(() => socket.writer({ highWaterMark: 0 })).toThrow(RangeError);
    expect(writer.buffered).toBe(0);
  });
});

describe('the high water mark', () => {
  it('a writer can be filled up to the mark; a piece that exceeds it is not added', () => {
    const { transport, writer } = writerOver({ highWaterMark: 10 });
    writer.write('1234567');
    writer.write('89a');
    expect(() => writer.write('b')).toThrow(
      expect.objectContaining({
        code: 'ERR_FLUSH_NEEDED',
        buffered: 10,
        message: expect.stringContaining('right:  yield* writer.flush(); writer.write(data)'),
      }),
    );
    expect(writer.buffered).toBe(10);
    play(() => writer.flush());
    writer.write('b');
    play(() => writer.flush());
    expect(transport.sentText).toBe('123456789ab');
  });

  it('the error for a piece larger than the mark recommends sendAll', () => {
    const { writer } = writerOver({ highWaterMark: 10 });
    expect(() => writer.write(Buffer.alloc(11))).toThrow(/yield\* socket\.sendAll\(data\)/);
    expect(writer.buffered).toBe(0);
  });

  it('bytes that a flush has not sent yet count towards the mark', () => {
    const { transport, writer } = writerOver({ highWaterMark: 10 });
    transport.room = 3;
    play(function* () {
      yield* group(function* (tasks): Operation<void> {
        writer.write('12345678');
        const flush = tasks.spawn(() => writer.flush());
        yield;
        expect([flush.state, writer.buffered]).toEqual(['waiting', 5]);
        writer.write('90123');
        expect(() => writer.write('x')).toThrow(FlushNeededError);
        transport.admit(100);
      });
    });
    expect([transport.sentText, writer.buffered]).toEqual(['12345678', 5]);
  });
});

describe('flush', () => {
  it('a flush of nothing completes at once and does not count as a response', () => {
    const { socket, transport, writer } = writerOver();
    transport.feed('question');
    play(function* () {
      yield* socket.recv();
      yield* writer.flush();
      socket.drain();
      expect(socket.tryRecv()).toBeUndefined();
      writer.write('answer');
      yield* writer.flush();
      expect(socket.tryRecv()?.length).toBe(0);
    });
  });

  it('a flush leaves bytes that are written while it runs to the next one', () => {
    const { transport, writer } = writerOver();
    transport.room = 2;
    play(function* () {
      yield* group(function* (tasks): Operation<void> {
        writer.write('first');
        tasks.spawn(() => writer.flush());
        yield;
        writer.write(' second');
        transport.admit(100);
      });
      expect(transport.sentText).toBe('first');
      yield* writer.flush();
      expect(transport.sentText).toBe('first second');
    });
  });

  it('a flush that is cancelled before its first byte has no effect', () => {
    const { socket, transport, writer } = writerOver();
    transport.room = 0;
    play(function* () {
      yield* group(function* (tasks): Operation<void> {
        writer.write('one ');
        writer.write(Buffer.alloc(5000, 'x'));
        const flush = tasks.spawn(() => writer.flush());
        yield;
        writer.write(' two');
        writer.write(Buffer.alloc(5000, 'y'));
        expect(writer.buffered).toBe(10_008);
        flush.cancel();
      });
      expect([socket.torn, writer.buffered]).toEqual([false, 10_008]);
      transport.admit(20_000);
      yield* writer.flush();
    });
    expect(transport.sentText).toBe(`one ${'x'.repeat(5000)} two${'y'.repeat(5000)}`);
  });

  it('a flush that is cancelled after its first byte tears the send half', () => {
    const { socket, transport, writer } = writerOver();
    transport.room = 3;
    play(function* () {
      writer.write('12345');
      expect(yield* moveOnAfter(1, () => writer.flush())).toBeUndefined();
    });
    expect([socket.torn, writer.buffered]).toEqual([true, 0]);
    expect(failureOf(() => socket.sendAll('x'))).toMatchObject({ code: 'ERR_TORN', bytesSent: 3 });
    writer.write('more');
    expect(codeOf(() => writer.flush())).toBe('ERR_TORN');
    expect(writer.buffered).toBe(4);
  });

  it('discard drops the bytes of a cancelled flush, so that the socket can be used again', () => {
    const { socket, transport, writer } = writerOver();
    transport.room = 0;
    writer.write('12345');
    writer.write(Buffer.alloc(5000));
    play(function* () {
      expect(yield* moveOnAfter(1, () => writer.flush())).toBeUndefined();
    });
    expect(() => socket.finalFlush()).toThrow();
    expect(writer.discard()).toBe(5005);
    expect([writer.buffered, writer.discard()]).toEqual([0, 0]);
    expect(() => socket.finalFlush()).not.toThrow();
    transport.room = Infinity;
    play(function* () {
      yield* socket.sendAll('bye');
      writer.write('!');
      yield* writer.flush();
    });
    expect(transport.sentText).toBe('bye!');
  });

  it('discard drops the bytes that were written after a tear, and does not mend it', () => {
    const { socket, transport, writer } = writerOver();
    transport.room = 3;
    play(function* () {
      writer.write('12345');
      yield* moveOnAfter(1, () => writer.flush());
    });
    writer.write('more');
    expect(writer.discard()).toBe(4);
    expect(socket.torn).toBe(true);
    expect(codeOf(() => socket.sendAll('x'))).toBe('ERR_TORN');
    expect(() => socket.finalFlush()).not.toThrow();
  });

  it('discard fails with ERR_BUSY while a flush is in progress', () => {
    const { transport, writer } = writerOver();
    transport.room = 1;
    play(function* () {
      yield* group(function* (tasks): Operation<void> {
        writer.write('12');
        const flush = tasks.spawn(() => writer.flush());
        yield;
        writer.write('3');
        expect(() => writer.discard()).toThrow(BusyError);
        transport.admit(10);
        yield* flush.join();
        expect(writer.discard()).toBe(1);
      });
    });
    expect(transport.sentText).toBe('12');
  });

  it('a failed flush is not reported again as a forgotten one', () => {
    const { socket, transport, writer } = writerOver();
    writer.write('lost');
    transport.failSends(Object.assign(new Error('broken'), { code: 'EPIPE' }));
    expect(codeOf(() => writer.flush())).toBe('EPIPE');
    expect([writer.buffered, socket.torn]).toEqual([4, false]);
    expect(() => socket.finalFlush()).not.toThrow();
    writer.write('more');
    expect(() => socket.finalFlush()).toThrow(expect.objectContaining({ code: 'ERR_NOT_FLUSHED' }));
  });

  it('a flush that fails after its first byte drops the rest', () => {
    const { socket, transport, writer } = writerOver();
    transport.room = 2;
    play(function* () {
      yield* group(function* (tasks): Operation<void> {
        writer.write('12345');
        const flush = tasks.spawn(() => failureCode(() => writer.flush()));
        yield;
        transport.failSends(Object.assign(new Error('broken'), { code: 'EPIPE' }));
        expect(yield* flush.join()).toBe('EPIPE');
      });
    });
    expect([writer.buffered, socket.torn]).toEqual([0, false]);
  });

  it('a flush fails if a piece is detached before it starts or while it waits', () => {
    const { socket, transport, writer } = writerOver();
    const detached = Buffer.alloc(5000);
    writer.write(detached);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    const failed = expect.objectContaining({ message: expect.stringContaining('detached') });
    expect(failureOf(() => writer.flush())).toEqual(failed);
    writer.drop();
    const piece = Buffer.alloc(5000);
    transport.room = 1;
    play(function* () {
      yield* group(function* (tasks): Operation<void> {
        writer.write('x');
        writer.write(piece);
        const flush = tasks.spawn(() => failure(() => writer.flush()));
        yield;
        structuredClone(piece.buffer, { transfer: [piece.buffer] });
        transport.admit(1000);
        expect(yield* flush.join()).toEqual(failed);
      });
    });
    expect([transport.sentText, socket.torn, writer.buffered]).toEqual(['x', true, 0]);
  });

  it('a flush fails with ERR_BUSY and ERR_CLOSED as sendAll does, and keeps the bytes', () => {
    const { socket, transport, writer } = writerOver();
    transport.room = 0;
    play(function* () {
      yield* group(function* (tasks): Operation<void> {
        const sending = tasks.spawn(() => socket.sendAll('first'));
        yield;
        writer.write('second');
        expect(yield* failureCode(() => writer.flush())).toBe('ERR_BUSY');
        transport.admit(100);
        yield* sending.join();
        transport.room = 0;
        const flush = tasks.spawn(() => writer.flush());
        yield;
        expect(yield* failureCode(() => writer.flush())).toBe('ERR_BUSY');
        expect(yield* failureCode(() => socket.sendAll('x'))).toBe('ERR_BUSY');
        expect(() => socket.trySend('x')).toThrow(BusyError);
        expect(writer.buffered).toBe(6);
        transport.admit(100);
        yield* flush.join();
      });
    });
    expect(transport.sentText).toBe('firstsecond');
    writer.write('x');
    socket.close();
    expect(codeOf(() => writer.flush())).toBe('ERR_CLOSED');
  });

  it('a forgotten flush is reported by the next one, and when the handler ends', () => {
    const { socket, writer } = writerOver();
    writer.write('x');
    writer.flush();
    const forgotten = expect.objectContaining({
      code: 'ERR_NOT_DRIVEN',
      message: expect.stringContaining('right:  yield* writer.flush()'),
    });
    expect(() => writer.flush()).toThrow(forgotten);
    writer.flush();
    expect(() => socket.checkDriven()).toThrow(forgotten);
  });
});

describe('direct sends of a socket with a writer', () => {
  it('direct sends fail while the writer holds bytes', () => {
    const { socket, transport, writer } = writerOver();
    writer.write('head');
    const body = Buffer.from('body');
    const rejected = expect.objectContaining({ code: 'ERR_FLUSH_NEEDED', buffered: 4 });
    expect(() => socket.sendAll(body)).toThrow(rejected);
    expect(() => socket.send(body)).toThrow(rejected);
    expect(() => socket.sendv([body])).toThrow(rejected);
    expect(() => socket.trySend(body)).toThrow(rejected);
    play(function* () {
      yield* writer.flush();
      yield* socket.sendAll(body);
    });
    expect(transport.sentText).toBe('headbody');
  });

  it('direct sends work again after a reset, which drops the bytes', () => {
    const { socket, writer } = writerOver();
    writer.write('never');
    socket.reset();
    expect(writer.buffered).toBe(0);
    expect(() => socket.finalFlush()).not.toThrow();
    expect(codeOf(() => socket.sendAll('x'))).toBe('ERR_CLOSED');
  });
});

describe('a writer on a network that takes bytes in parts', () => {
  const piece = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.integer({ min: 0, max: 5000 }).map((length) => Buffer.alloc(length, `${length} `)),
  );
  const action = fc.oneof(
    { weight: 5, arbitrary: fc.record({ write: piece }) },
    { weight: 1, arbitrary: fc.record({ flush: fc.array(fc.nat(9000), { maxLength: 4 }) }) },
  );

  it('all bytes arrive in order, even if flushes are cancelled before their first byte', () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
        const { transport, writer } = writerOver({ highWaterMark: 2 ** 30 });
        const written: Buffer[] = [];
        play(function* () {
          for (const step of actions) {
            if ('flush' in step) yield* flushInParts(writer, transport, step.flush);
            else written.push(Buffer.from(step.write as string));
            if ('write' in step) writer.write(step.write);
          }
          transport.room = Infinity;
          yield* writer.flush();
        });
        expect(Buffer.concat(transport.sends).equals(Buffer.concat(written))).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});

/** Cancels the first flush, and lets the network take the bytes of the second one in parts. */
function* flushInParts(
  writer: Writer,
  transport: ScriptedTransport,
  parts: readonly number[],
): Operation<void> {
  transport.room = 0;
  yield* moveOnAfter(1, () => writer.flush());
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => writer.flush());
    for (const part of parts) {
      yield;
      transport.admit(part);
    }
    yield;
    transport.admit(Infinity);
  });
}
